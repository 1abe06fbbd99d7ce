//! Streams: made if missing, checked if there, never changed behind the operator's back.
//!
//! A stream's configuration is read and written as the JSON the server gives, so that settings
//! this version does not know survive an update. Only two things are ever changed on an existing
//! stream, both needed by the protocol and neither touching stored messages: missing subjects are
//! added, and atomic batches are switched on.

use serde::Deserialize;
use serde_json::{Value, json};

use super::config::{NatsConfig, StreamConfig};
use super::connect::Link;
use super::refusal::{ApiError, Refusal, code};
use crate::deadletter;
use crate::publish::{PublishError, PublishErrorKind};

/// A stream the bridge needs.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    /// Its name.
    pub(super) name: String,
    subjects: Vec<String>,
    /// How to create it.
    create: Value,
    atomic: bool,
}

/// A stream that is there and fit.
#[derive(Clone, Debug)]
pub(super) struct Fit {
    /// Whether it takes atomic batches.
    pub(super) atomic: bool,
    /// Its own bound on the size of a message.
    pub(super) max_message: Option<usize>,
    /// What differs from the configuration without hurting the protocol.
    pub(super) drift: Vec<String>,
    /// How many servers hold a copy.
    pub(super) replicas: u64,
}

/// What STREAM.INFO tells, as far as it is needed.
#[derive(Debug, Deserialize)]
pub(super) struct Info {
    config: Value,
    /// Its state.
    #[serde(default)]
    pub(super) state: State,
}

/// State of a stream.
#[derive(Debug, Default, Deserialize)]
pub(super) struct State {
    /// How many messages it holds.
    pub(super) messages: u64,
    /// The sequence of the oldest.
    pub(super) first_seq: u64,
    /// The last sequence given out.
    pub(super) last_seq: u64,
    /// Sequences between the two whose messages were removed, if asked for.
    #[serde(default)]
    pub(super) deleted: Option<Vec<u64>>,
}

/// The subject a source is claimed on.
pub(super) fn control_subject(source: &str) -> String {
    format!("erpbridge.{source}.control")
}

/// The subjects of a source's events.
pub(super) fn event_subjects(source: &str) -> String {
    format!("erp.{source}.>")
}

impl Wanted {
    /// The event stream of `source`.
    pub(super) fn events(config: &NatsConfig, source: &str) -> Self {
        let name = config.stream_name(source);
        let subjects = vec![event_subjects(source), control_subject(source)];
        let mut create = log(&config.stream, &name, &subjects);
        set(&mut create, "allow_atomic", json!(true));
        Self { name, subjects, create, atomic: true }
    }

    /// The dead-letter stream of `source`. It has no limits: nothing in it is ever dropped.
    pub(super) fn dead_letters(config: &NatsConfig, source: &str) -> Self {
        let name = config.dead_letter_name(source);
        let subjects = vec![deadletter::subjects(source)];
        let unlimited = StreamConfig { max_age: None, max_bytes: None, ..config.stream.clone() };
        let create = log(&unlimited, &name, &subjects);
        Self { name, subjects, create, atomic: false }
    }

    /// The stream under the key-value bucket, as every NATS tool makes it.
    pub(super) fn bucket(config: &NatsConfig) -> Self {
        let name = format!("KV_{}", config.bucket);
        let subjects = vec![format!("$KV.{}.>", config.bucket)];
        let plain = StreamConfig { replicas: config.stream.replicas, ..StreamConfig::default() };
        let mut create = log(&plain, &name, &subjects);
        for (key, value) in [
            ("max_msgs_per_subject", json!(1)),
            ("allow_rollup_hdrs", json!(true)),
            ("deny_delete", json!(true)),
            ("allow_direct", json!(true)),
        ] {
            set(&mut create, key, value);
        }
        Self { name, subjects, create, atomic: false }
    }

    /// What else is not as the configuration would have it.
    fn drift(&self, have: &Value) -> Vec<String> {
        const COMPARED: [&str; 6] = [
            "num_replicas",
            "max_age",
            "max_bytes",
            "max_msgs",
            "max_msgs_per_subject",
            "duplicate_window",
        ];
        let differs = COMPARED.iter().filter(|key| have.get(**key) != self.create.get(**key));
        let told = |key: &&str| {
            let text = |value: Option<&Value>| value.unwrap_or(&Value::Null).to_string();
            let (have, wanted) = (text(have.get(*key)), text(self.create.get(*key)));
            format!("{key} is {have}, the configuration says {wanted}")
        };
        differs.map(told).collect()
    }

    fn missing_subjects(&self, have: &Value) -> Vec<&str> {
        let subjects = have.get("subjects").and_then(Value::as_array);
        let has = |wanted: &str| {
            subjects.is_some_and(|have| have.iter().any(|subject| subject.as_str() == Some(wanted)))
        };
        self.subjects.iter().map(String::as_str).filter(|subject| !has(subject)).collect()
    }
}

/// Why this stream cannot serve; empty if it can.
fn unfit(have: &Value) -> Vec<String> {
    let mut unfit = Vec::new();
    let mut require = |key: &str, wanted: &str| {
        let value = have.get(key).and_then(Value::as_str).unwrap_or(wanted);
        if value != wanted {
            unfit.push(format!("{key} is {value}, not {wanted}"));
        }
    };
    require("storage", "file");
    require("retention", "limits");
    for key in ["mirror", "sources", "subject_transform", "sealed", "no_ack"] {
        let set =
            have.get(key).is_some_and(|value| !matches!(value, Value::Null | Value::Bool(false)));
        if set {
            unfit.push(format!("{key} is set"));
        }
    }
    if have.get("persist_mode").and_then(Value::as_str) == Some("async") {
        unfit.push("persist_mode is async".to_owned());
    }
    unfit
}

/// A stream that keeps messages as its limits say. Without limits a full server refuses instead
/// of dropping.
fn log(config: &StreamConfig, name: &str, subjects: &[String]) -> Value {
    let bounded = config.max_age.is_some() || config.max_bytes.is_some();
    let nanos = |duration: std::time::Duration| u64::try_from(duration.as_nanos()).ok();
    json!({
        "name": name,
        "subjects": subjects,
        "retention": "limits",
        "storage": "file",
        "discard": if bounded { "old" } else { "new" },
        "num_replicas": config.replicas,
        "max_consumers": -1,
        "max_msgs": -1,
        "max_msgs_per_subject": -1,
        "max_msg_size": -1,
        "max_bytes": config.max_bytes.and_then(|bytes| i64::try_from(bytes).ok()).unwrap_or(-1),
        "max_age": config.max_age.and_then(nanos).unwrap_or(0),
        "duplicate_window": duplicate_window(config),
        "deny_delete": config.deny_delete,
        "deny_purge": config.deny_purge,
    })
}

/// The server refuses a window longer than the messages live.
fn duplicate_window(config: &StreamConfig) -> u64 {
    let window = config.duplicate_window;
    let window = config.max_age.map_or(window, |age| std::cmp::min(age, window));
    u64::try_from(window.as_nanos()).unwrap_or(u64::MAX)
}

fn set(config: &mut Value, key: &str, value: Value) {
    if let Value::Object(fields) = config {
        fields.insert(key.to_owned(), value);
    }
}

/// Reads a stream; `None` if there is none of that name.
pub(super) async fn info(link: &mut Link, name: &str) -> Result<Option<Info>, PublishError> {
    ask_info(link, name, &json!({})).await
}

/// Reads a stream with the list of its removed messages.
pub(super) async fn info_with_deleted(
    link: &mut Link,
    name: &str,
) -> Result<Option<Info>, PublishError> {
    ask_info(link, name, &json!({ "deleted_details": true })).await
}

async fn ask_info(
    link: &mut Link,
    name: &str,
    request: &Value,
) -> Result<Option<Info>, PublishError> {
    match link.look(&format!("STREAM.INFO.{name}"), request).await? {
        Ok(info) => Ok(Some(info)),
        Err(Refusal::Api(error)) if error.err_code == code::STREAM_NOT_FOUND => Ok(None),
        Err(refusal) => {
            Err(unavailable(link, refusal, format!("cannot read the stream \"{name}\"")))
        }
    }
}

/// Nobody answers JetStream's API: it is switched off, or its leader is being elected.
fn unavailable(link: &Link, refusal: Refusal, tried: String) -> PublishError {
    match refusal {
        Refusal::NoResponders if !link.server().jetstream => PublishError::new(
            PublishErrorKind::Setup,
            format!("{tried}: JetStream is not enabled on this server"),
        )
        .with_hint("start the NATS server with `--jetstream` and a storage directory"),
        refusal => refusal.into_error(tried),
    }
}

/// Makes sure that the stream is there and fit.
pub(super) async fn ensure(link: &mut Link, wanted: &Wanted) -> Result<Fit, PublishError> {
    let have = match info(link, &wanted.name).await? {
        Some(info) => info.config,
        None => create(link, wanted).await?,
    };
    let reasons = unfit(&have);
    if !reasons.is_empty() {
        return Err(unfit_error(&wanted.name, &reasons));
    }
    let have = update(link, wanted, have).await?;
    Ok(fit(wanted, &have))
}

/// Reads whether the stream is fit, without changing anything. `None` if it is not there.
pub(super) async fn inspect(
    link: &mut Link,
    wanted: &Wanted,
) -> Result<Option<(Fit, Vec<String>)>, PublishError> {
    let Some(info) = info(link, &wanted.name).await? else { return Ok(None) };
    let mut fit = fit(wanted, &info.config);
    let missing = wanted.missing_subjects(&info.config);
    if !missing.is_empty() {
        let told = format!("it lacks the subjects {}, which will be added", missing.join(", "));
        fit.drift.push(told);
    }
    Ok(Some((fit, unfit(&info.config))))
}

fn fit(wanted: &Wanted, have: &Value) -> Fit {
    let size = have.get("max_msg_size").and_then(Value::as_u64);
    Fit {
        atomic: have.get("allow_atomic") == Some(&json!(true)),
        max_message: size.and_then(|size| usize::try_from(size).ok()).filter(|size| *size > 0),
        drift: wanted.drift(have),
        replicas: have.get("num_replicas").and_then(Value::as_u64).unwrap_or(1),
    }
}

fn unfit_error(name: &str, unfit: &[String]) -> PublishError {
    PublishError::new(
        PublishErrorKind::Setup,
        format!("the stream \"{name}\" is not fit: {}", unfit.join("; ")),
    )
    .with_hint("rename or remove the stream, or configure another name; it is not changed for you")
}

async fn create(link: &mut Link, wanted: &Wanted) -> Result<Value, PublishError> {
    let name = &wanted.name;
    match link.ask::<Info>(&format!("STREAM.CREATE.{name}"), &wanted.create).await? {
        Ok(info) => {
            tracing::info!(stream = %name, "stream created");
            Ok(info.config)
        }
        // Somebody else was faster; theirs is checked like any other.
        Err(Refusal::Api(error)) if error.err_code == code::STREAM_NAME_EXISTS => {
            let there = info(link, name).await?.map(|info| info.config);
            there.ok_or_else(|| error.into_error(format!("cannot create the stream \"{name}\"")))
        }
        Err(refusal) => {
            Err(unavailable(link, refusal, format!("cannot create the stream \"{name}\"")))
        }
    }
}

/// Adds what the protocol needs and the stream lacks.
async fn update(link: &mut Link, wanted: &Wanted, have: Value) -> Result<Value, PublishError> {
    let missing: Vec<String> =
        wanted.missing_subjects(&have).into_iter().map(str::to_owned).collect();
    let atomic =
        wanted.atomic && have.get("allow_atomic") != Some(&json!(true)) && link.is_at_least(2, 12);
    if missing.is_empty() && !atomic {
        return Ok(have);
    }
    let mut change = have.clone();
    if let Some(Value::Array(subjects)) = change.get_mut("subjects") {
        subjects.extend(missing.iter().cloned().map(Value::String));
    }
    if atomic {
        set(&mut change, "allow_atomic", json!(true));
    }
    match link.ask::<Info>(&format!("STREAM.UPDATE.{}", wanted.name), &change).await? {
        Ok(info) => {
            tracing::info!(stream = %wanted.name, ?missing, atomic, "stream extended");
            Ok(info.config)
        }
        // Without atomic batches it still works, one message at a time.
        Err(Refusal::Api(error)) if missing.is_empty() => {
            tracing::warn!(stream = %wanted.name, %error, "atomic batches cannot be switched on");
            Ok(have)
        }
        Err(refusal) => Err(cannot_add(&wanted.name, &missing, refusal)),
    }
}

fn cannot_add(name: &str, missing: &[String], refusal: Refusal) -> PublishError {
    let missing = missing.join(", ");
    refusal
        .into_error(format!("cannot add the subjects {missing} to the stream \"{name}\""))
        .with_hint(format!("add {missing} with `nats stream edit {name}`, or let the bridge do it"))
}

/// Whether this user may create and change streams, without doing either: the server compares
/// the names in subject and request only after it has let the request in.
pub(super) async fn may_create(link: &mut Link, name: &str) -> Result<(), PublishError> {
    let request = json!({ "name": format!("{name}_") });
    let answer = link.ask::<Value>(&format!("STREAM.CREATE.{name}"), &request).await?;
    match answer {
        Err(Refusal::Api(ApiError { err_code: code::STREAM_MISMATCH, .. })) | Ok(_) => Ok(()),
        Err(refusal) => {
            Err(unavailable(link, refusal, format!("cannot create the stream \"{name}\"")))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn wanted() -> Wanted {
        Wanted::events(&NatsConfig::default(), "erp1")
    }

    fn with(key: &str, value: Value) -> Value {
        let mut config = wanted().create;
        set(&mut config, key, value);
        config
    }

    #[test]
    fn the_stream_we_create_is_fit_and_as_configured() {
        let wanted = wanted();
        assert_eq!(unfit(&wanted.create), Vec::<String>::new());
        assert_eq!(wanted.drift(&wanted.create), Vec::<String>::new());
        assert_eq!(wanted.missing_subjects(&wanted.create), Vec::<&str>::new());
    }

    #[test]
    fn an_unfit_stream_is_told_by_what_differs() {
        let unfit = |key: &str, value| super::unfit(&with(key, value));
        assert_eq!(unfit("storage", json!("memory")), ["storage is memory, not file"]);
        assert_eq!(unfit("retention", json!("workqueue")), ["retention is workqueue, not limits"]);
        assert_eq!(unfit("mirror", json!({"name": "X"})), ["mirror is set"]);
        assert_eq!(unfit("sealed", json!(false)), Vec::<String>::new());
    }

    #[test]
    fn limits_that_differ_are_told_and_left() {
        let drift = wanted().drift(&with("max_bytes", json!(1000)));
        assert_eq!(drift, ["max_bytes is 1000, the configuration says -1"]);
    }

    #[test]
    fn a_stream_drops_its_oldest_only_if_a_limit_is_configured() {
        let mut config = NatsConfig::default();
        assert_eq!(Wanted::events(&config, "erp1").create["discard"], json!("new"));
        config.stream.max_age = Some(Duration::from_mins(1));
        let bounded = Wanted::events(&config, "erp1").create;
        assert_eq!(bounded["discard"], json!("old"));
        assert_eq!(bounded["duplicate_window"], json!(60_000_000_000_u64));
        assert_eq!(Wanted::dead_letters(&config, "erp1").create["discard"], json!("new"));
    }
}
