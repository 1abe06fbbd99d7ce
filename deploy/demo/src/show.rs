//! The course of the demo: business begins, the bridge is killed and comes back, business ends,
//! and the check has the last word.

use std::sync::Arc;

use erpbridge_test_support::{Failure, Result};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use crate::check::{self, Outcome};
use crate::screen::Screen;
use crate::settings::Settings;
use crate::simulate::Simulation;
use crate::stage::Stage;
use crate::watch::{follow, watch};

/// Runs the demo. True if nothing is missing, double, unexpected or out of order.
pub async fn run(settings: &Settings) -> Result<bool> {
    // From now on Ctrl-C is remembered until somebody asks for it.
    let mut interrupt = signal(SignalKind::interrupt())
        .map_err(|error| Failure::caused("cannot listen for Ctrl-C", &error))?;
    let screen = Arc::new(Screen::default());
    let mut stage = Stage::set(settings.source, &settings.bridge, &screen).await?;
    stage.introduce(&screen, &settings.pace);
    let mut watcher = JoinSet::new();
    let messages = follow(&stage.events, stage.stream()).await?;
    watcher.spawn(watch(messages, Arc::clone(&screen)));
    let simulation = Simulation::start(&stage.erp, settings.pace).await?;
    play(settings, &mut stage, &screen, &mut interrupt).await?;
    let tally = simulation.stop().await?;
    screen.announce(format_args!(
        "the ERP rests after {} transactions ({} more were rolled back); the bridge catches up",
        tally.transactions(),
        tally.rolled_back
    ));
    let stream = stage.stream();
    // Dropping the wait for the bridge loses nothing but the check, and that is said.
    let drained = tokio::select! {
        drained = check::drain(&mut stage.journal, &stage.events, stream) => drained?,
        _ = interrupt.recv() => {
            return Err(Failure::new("interrupted a second time; nothing was checked"));
        }
    };
    watcher.shutdown().await;
    let outcome = check::conclude(&mut stage.journal, &stage.events, stream).await?;
    tell(&screen, &stage, drained, &outcome);
    Ok(outcome.is_clean())
}

/// The time between the first and the last business action. Ctrl-C ends it at any moment.
async fn play(
    settings: &Settings,
    stage: &mut Stage,
    screen: &Screen,
    interrupt: &mut Signal,
) -> Result<()> {
    let begun = Instant::now();
    if until(Some(begun + settings.kill_after()), interrupt).await {
        stage.kill_and_restart(screen).await?;
        until(settings.length.map(|length| begun + length), interrupt).await;
    }
    Ok(())
}

/// Waits for a moment, if there is one, or for Ctrl-C; false if it was Ctrl-C.
async fn until(moment: Option<Instant>, interrupt: &mut Signal) -> bool {
    let comes = async {
        match moment {
            Some(moment) => sleep_until(moment).await,
            None => std::future::pending().await,
        }
    };
    // Both only wait; whichever is dropped has done nothing.
    tokio::select! {
        () = comes => true,
        _ = interrupt.recv() => false,
    }
}

fn tell(screen: &Screen, stage: &Stage, drained: bool, outcome: &Outcome) {
    if !drained {
        screen.say("check: the last change did not arrive in time; the bridge's last words:");
        screen.say(stage.bridge_log());
    }
    screen.say(outcome);
    screen.say(outcome.last_line());
}
