//! The stage: the ERP, NATS and the bridge between them, all private to this run.

use std::path::Path;
use std::time::Duration;

use erpbridge_test_support::{Bridge, Directory, Failure, Nats, NatsVersion, Port, Result};

use crate::check;
use crate::database::{Client, Source};
use crate::erp::Erp;
use crate::screen::Screen;
use crate::simulate::Pace;

/// Name of the source in the bridge's configuration: part of every subject.
const SOURCE: &str = "legacy";
/// The stream the bridge makes for it.
const STREAM: &str = "ERP_LEGACY";
/// The bridge has a snapshot of some thousand rows to take before it is ready.
const READY_DEADLINE: Duration = Duration::from_mins(1);

/// Everything that runs. Dropped in this order: the bridge before what it talks to.
#[derive(Debug)]
pub struct Stage {
    bridge: Bridge,
    http: Port,
    /// The connection of the check.
    pub journal: Client,
    /// The connection of check and screen.
    pub events: async_nats::Client,
    nats: Nats,
    /// The ERP.
    pub erp: Erp,
    state: Directory,
}

impl Stage {
    /// Starts the servers, loads the ERP, and starts the bridge; returns when it is ready.
    pub async fn set(source: Source, program: &Path, screen: &Screen) -> Result<Self> {
        screen.say(format_args!(
            "starting a private {source} with a made-up ERP, and a private NATS server …"
        ));
        let (erp, nats) = (Erp::start(source).await?, Nats::start(NatsVersion::Current).await?);
        let (mut journal, events) = (erp.client().await?, nats.client().await?);
        check::begin(&mut journal).await?;
        let (state, http) = (Directory::new("state")?, Port::reserve()?);
        let configuration = configuration(&erp, &nats, &state, &http)?;
        state.write("erpbridge.yaml", &configuration)?;
        screen.say("starting the bridge; it takes its snapshot of what is there …");
        let mut bridge = Bridge::start(program, &configuration)?;
        bridge.wait_ready(&http.address(), READY_DEADLINE).await?;
        Ok(Self { bridge, http, journal, events, nats, erp, state })
    }

    /// Where everything is, for those who want to look for themselves.
    pub fn introduce(&self, screen: &Screen, pace: &Pace) {
        let Pace { people, rate, seed } = pace;
        let Self { http, nats, erp, state, .. } = self;
        let (http, nats) = (http.address(), nats.url());
        screen.say("");
        screen.say(format_args!(
            "  business       {people} people, {rate} actions a second (ERPBRIDGE_SEED={seed})"
        ));
        screen.say(format_args!("  ERP database   {}", erp.url()));
        screen
            .say(format_args!("  NATS           {nats}, stream {STREAM}, subjects erp.{SOURCE}.>"));
        screen.say(format_args!("  configuration  {}", state.join("erpbridge.yaml").display()));
        screen.say(format_args!("  metrics        http://{http}/metrics (dashboards: grafana/)"));
        screen.say(format_args!("  health         http://{http}/readyz"));
        screen.say("");
        screen.say("  time (UTC)   commit to arrival   subject   number or key   what happened");
        screen.say("");
    }

    /// The stream's name.
    pub fn stream(&self) -> &'static str {
        STREAM
    }

    /// Kills the bridge as a crash would, and starts it again.
    pub async fn kill_and_restart(&mut self, screen: &Screen) -> Result<()> {
        self.bridge.kill9();
        screen.announce("the bridge was killed with SIGKILL; the ERP goes on working");
        // Long enough to see that nothing arrives; a pause of the show, not a wait for a state.
        tokio::time::sleep(Duration::from_secs(1)).await;
        self.bridge.start_again()?;
        self.bridge.wait_ready(&self.http.address(), READY_DEADLINE).await?;
        screen.announce("the bridge is back and carries on where the stream ends");
        Ok(())
    }

    /// The bridge's last words, for when something went wrong.
    pub fn bridge_log(&self) -> String {
        let log = self.bridge.log();
        let lines: Vec<&str> = log.lines().collect();
        let tail = lines.get(lines.len().saturating_sub(30)..).unwrap_or_default();
        tail.join("\n")
    }
}

/// The configuration file, as somebody would write it for a real ERP.
fn configuration(erp: &Erp, nats: &Nats, state: &Directory, http: &Port) -> Result<String> {
    let mapping = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../mappings/legacy-demo");
    let mapping = mapping.canonicalize().map_err(|error| {
        Failure::caused(format_args!("cannot find the mapping \"{}\"", mapping.display()), &error)
    })?;
    let (connection, servers, http) = (erp.connection(), nats.url(), http.address());
    let (mapping, state) = (mapping.display(), state.join("offsets"));
    Ok(format!(
        "sources:\n\
         \x20 - name: {SOURCE}\n\
         \x20   {connection}\n\
         \x20   mappings: [{mapping}]\n\
         nats:\n\
         \x20 servers: [{servers}]\n\
         state: {}\n\
         http: {http}\n",
        state.display()
    ))
}
