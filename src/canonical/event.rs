//! One event into the batch: subject, payload and headers, straight into its buffer.
//!
//! What is the same for every event of a rule is put together once, in [`EventTemplate`]. What an
//! event adds comes as borrowed text in [`EventFacts`] and through [`FieldWriter`]. Nothing is
//! allocated per event but the room of the batch itself.

use erpbridge_connector::{Operation, Sequence, Transaction};
use xxhash_rust::xxh3::Xxh3;

use super::batch::{EventBatch, EventBuilder, header};
use super::catalog::EventDef;
use super::envelope::{self, InstantText, Precision};
use super::fields::FieldWriter;
use super::json::{self, Object};
use super::subject::{self, is_token};

/// The parts all events of one rule share.
#[derive(Clone, Debug)]
pub struct EventTemplate {
    entity: String,
    event: String,
    subject_head: String,
    subject_tail: String,
    id_head: String,
    id_tail: String,
    source_head: String,
    type_name: String,
    dataschema: String,
    mapping_version: String,
}

impl EventTemplate {
    /// For events of `def` made by `rule` from `source`. `mapping_version` is
    /// `<mapping name>@<content hash>`.
    pub fn new(def: &EventDef, source: &str, rule: &str, mapping_version: &str) -> Self {
        let (source, token) = (attribute(source), subject::token(source));
        Self {
            entity: def.entity.clone(),
            event: def.event.clone(),
            subject_head: format!("erp.{token}."),
            subject_tail: format!(".{}.{}.{}", def.family, def.entity, def.event),
            id_head: format!("{source}:"),
            id_tail: format!(":{}", attribute(rule)),
            source_head: format!("/erp/{source}/"),
            type_name: def.type_name.clone(),
            dataschema: def.dataschema.clone(),
            mapping_version: attribute(mapping_version),
        }
    }

    /// The id of the event this rule makes, or failed to make, from a change:
    /// `<source>:<sequence>:<ordinal>:<rule>`. A rule makes at most one event of a change, and
    /// the id does not move when another rule is added.
    pub fn id(&self, transaction: &Transaction, ordinal: u64) -> String {
        let Self { id_head, id_tail, .. } = self;
        format!("{id_head}{}:{ordinal}{id_tail}", transaction.sequence)
    }
}

fn attribute(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    envelope::attribute(&mut bytes, text);
    bytes.into_iter().map(char::from).collect()
}

/// A step on an axis of state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transition<'a> {
    /// The axis: `lifecycle`, `receipt` or `invoice`.
    pub axis: &'a str,
    /// The state before, if it is known.
    pub from: Option<&'a str>,
    /// The state now.
    pub to: &'a str,
}

/// Events of a row that took a new key count their index from here: the row change gives events
/// twice, once for the old key and once for the new, and a rule may fire for both.
pub const REKEYED: u32 = 500;

/// The place in the order of an event that is told later than its change: the change waited for
/// something that a later transaction brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Late<'a> {
    /// Commit order of the transaction it is told with.
    pub sequence: &'a Sequence,
    /// Its ordinal there.
    pub ordinal: u64,
}

/// What is told late counts its ordinals from here, one for each change, behind everything the
/// transaction did itself: no log counts that far.
pub const LATE: u64 = 5_000_000_000;

/// What is known of one event beside its canonical fields.
#[derive(Clone, Copy, Debug)]
pub struct EventFacts<'a> {
    /// Whose it is: a subject token.
    pub company: &'a str,
    /// Where it is: a subject token.
    pub plant: Option<&'a str>,
    /// The source's own key of the entity.
    pub entity_key: &'a str,
    /// The number people use.
    pub number: Option<&'a str>,
    /// Other numbers it is known by.
    pub aliases: &'a [&'a str],
    /// The oldest ancestor known, `<entity>/<key>`; the entity itself if `None`.
    pub correlation: Option<&'a str>,
    /// The direct ancestor, `<entity>/<key>`.
    pub causation: Option<&'a str>,
    /// Whether another source speaks for what the event tells, and this one repeats it.
    pub replica: bool,
    /// The transaction of the change.
    pub transaction: &'a Transaction,
    /// Ordinal of the change.
    pub ordinal: u64,
    /// Where in the order it is told, if that is later than its change.
    pub late: Option<Late<'a>>,
    /// Place of the event among all events of the change, from 0, over all rules.
    pub index: u32,
    /// What happened to the row. A delete gives `before`, everything else `after`.
    pub operation: Operation,
    /// `schema.table`.
    pub table: &'a str,
    /// Names of the canonical fields that changed.
    pub changed: &'a [&'a str],
    /// The step of state, if the event is one.
    pub transition: Option<Transition<'a>>,
    /// Raw codes by column.
    pub codes: &'a [(&'a str, Option<&'a str>)],
    /// Fields of the site, allowed by its mapping: name and the source's text.
    pub extensions: &'a [(&'a str, Option<&'a str>)],
    /// When the business says it happened: `YYYY-MM-DD` for a day, else RFC 3339 in UTC.
    pub effective: Option<(&'a str, Precision)>,
}

/// Adds an event to the batch; `fields` writes its canonical fields. If `fields` fails, the batch
/// is as it was.
pub fn write_event<E>(
    out: &mut EventBatch,
    template: &EventTemplate,
    facts: &EventFacts<'_>,
    fields: impl FnOnce(&mut FieldWriter<'_>) -> Result<(), E>,
) -> Result<(), E> {
    debug_assert!(is_token(facts.company) && facts.plant.is_none_or(is_token));
    let committed_at = InstantText::new(facts.transaction.committed_at);
    let mut event = out.event(facts.late.map_or(facts.ordinal, |late| late.ordinal));
    event.subject(|bytes| write_subject(bytes, template, facts));
    let mut written = Ok(0);
    event.payload(|bytes| written = write_payload(bytes, facts, committed_at.as_str(), fields));
    match written {
        Ok(fingerprint) => {
            write_constants(&mut event, template);
            write_identity(&mut event, template, facts, fingerprint);
            write_descent(&mut event, template, facts);
            write_moment(&mut event, facts, committed_at.as_str());
            Ok(())
        }
        Err(error) => {
            event.abandon();
            Err(error)
        }
    }
}

fn write_subject(out: &mut Vec<u8>, template: &EventTemplate, facts: &EventFacts<'_>) {
    append(out, &[&template.subject_head, facts.company, "."]);
    append(out, &[facts.plant.unwrap_or(subject::UNKNOWN), &template.subject_tail]);
}

fn append(out: &mut Vec<u8>, parts: &[&str]) {
    for part in parts {
        out.extend_from_slice(part.as_bytes());
    }
}

/// Writes the data and returns the fingerprint of the fact it tells.
fn write_payload<E>(
    out: &mut Vec<u8>,
    facts: &EventFacts<'_>,
    committed_at: &str,
    fields: impl FnOnce(&mut FieldWriter<'_>) -> Result<(), E>,
) -> Result<u64, E> {
    let start = out.len();
    let mut data = Object::begin(out);
    write_entity(data.member("entity"), facts);
    data.text("company", facts.company).optional("plant", facts.plant);
    let state = if facts.operation == Operation::Delete { "before" } else { "after" };
    FieldWriter::write(data.member(state), fields)?;
    if !facts.extensions.is_empty() {
        write_texts(data.member("extensions"), facts.extensions);
    }
    let fingerprint = fingerprint(data.written_since(start), facts);
    if let Some(transition) = &facts.transition {
        write_transition(data.member("transition"), transition);
    }
    write_names(data.member("changed"), facts.changed);
    if facts.replica {
        data.text("authority", "replica");
    }
    write_revision(data.member("revision"), facts);
    write_source(data.member("source"), facts, committed_at);
    data.end();
    Ok(fingerprint)
}

/// Covers what the event says about the business, and nothing of how the bridge came to know it:
/// not position, revision, transaction, table, operation, raw codes or authority. Neither the state a step came *from*,
/// because a snapshot does not know it.
fn fingerprint(state: &[u8], facts: &EventFacts<'_>) -> u64 {
    let mut hash = Xxh3::new();
    hash.update(state);
    let step = facts.transition.map(|step| [step.axis, step.to]).unwrap_or_default();
    let effective = facts.effective.map(|(text, _)| text).unwrap_or_default();
    for part in [step[0], step[1], effective] {
        // No UTF-8 text holds this byte, so parts cannot run into each other.
        hash.update(&[0xff]);
        hash.update(part.as_bytes());
    }
    hash.digest()
}

fn write_entity(out: &mut Vec<u8>, facts: &EventFacts<'_>) {
    let mut entity = Object::begin(out);
    entity.text("key", facts.entity_key).optional("number", facts.number);
    if !facts.aliases.is_empty() {
        write_names(entity.member("aliases"), facts.aliases);
    }
    entity.end();
}

/// The order key again, so that bodies alone can be put in order.
fn write_revision(out: &mut Vec<u8>, facts: &EventFacts<'_>) {
    out.push(b'"');
    write_sequence(out, facts);
    out.push(b'"');
}

fn write_sequence(out: &mut Vec<u8>, facts: &EventFacts<'_>) {
    let (sequence, ordinal) = match facts.late {
        None => (&facts.transaction.sequence, facts.ordinal),
        Some(late) => (late.sequence, late.ordinal),
    };
    envelope::sequence(out, sequence, ordinal, facts.index);
}

fn write_texts(out: &mut Vec<u8>, texts: &[(&str, Option<&str>)]) {
    let mut object = Object::begin(out);
    for (name, value) in texts {
        object.foreign(name, *value);
    }
    object.end();
}

fn write_transition(out: &mut Vec<u8>, transition: &Transition<'_>) {
    let mut object = Object::begin(out);
    object.text("axis", transition.axis).optional("from", transition.from);
    object.text("to", transition.to);
    object.end();
}

fn write_names(out: &mut Vec<u8>, names: &[&str]) {
    out.push(b'[');
    for (place, name) in names.iter().enumerate() {
        if place > 0 {
            out.push(b',');
        }
        json::string(out, name);
    }
    out.push(b']');
}

fn write_source(out: &mut Vec<u8>, facts: &EventFacts<'_>, committed_at: &str) {
    let mut source = Object::begin(out);
    source.text("table", facts.table).text("operation", operation(facts.operation));
    source.text("transaction", &facts.transaction.id).text("committed_at", committed_at);
    write_texts(source.member("codes"), facts.codes);
    source.end();
}

const fn operation(operation: Operation) -> &'static str {
    match operation {
        Operation::Read => "read",
        Operation::Insert => "insert",
        Operation::Update => "update",
        Operation::Delete => "delete",
    }
}

fn write_constants(event: &mut EventBuilder<'_>, template: &EventTemplate) {
    event
        .header(header::SPECVERSION, "1.0")
        .header(header::TYPE, &template.type_name)
        .header(header::DATASCHEMA, &template.dataschema)
        .header(header::DATACONTENTTYPE, "application/json")
        .header(header::MAPPING_VERSION, &template.mapping_version);
}

fn write_identity(
    event: &mut EventBuilder<'_>,
    template: &EventTemplate,
    facts: &EventFacts<'_>,
    fingerprint: u64,
) {
    for name in [header::ID, header::MSG_ID] {
        event.header_with(name, |out| write_id(out, template, facts));
    }
    event
        .header_with(header::SOURCE, |out| append(out, &[&template.source_head, facts.company]))
        .header_with(header::SUBJECT, |out| write_self(out, template, facts))
        .header_with(header::SEQUENCE, |out| write_sequence(out, facts))
        .header_with(header::IDEMPOTENCY_KEY, |out| {
            append(out, &[&template.entity, ":", facts.company, ":"]);
            envelope::attribute(out, facts.entity_key);
            append(out, &[":", &template.event, ":"]);
            envelope::hexadecimal(out, fingerprint);
        });
}

/// What the event is about, as an ancestor is named too.
fn write_self(out: &mut Vec<u8>, template: &EventTemplate, facts: &EventFacts<'_>) {
    append(out, &[&template.entity, "/"]);
    envelope::attribute(out, facts.entity_key);
}

fn write_descent(event: &mut EventBuilder<'_>, template: &EventTemplate, facts: &EventFacts<'_>) {
    event.header_with(header::CORRELATION_ID, |out| match facts.correlation {
        Some(ancestor) => envelope::attribute(out, ancestor),
        None => write_self(out, template, facts),
    });
    if let Some(ancestor) = facts.causation {
        event.header_with(header::CAUSATION_ID, |out| envelope::attribute(out, ancestor));
    }
}

/// The same text as [`EventTemplate::id`].
fn write_id(out: &mut Vec<u8>, template: &EventTemplate, facts: &EventFacts<'_>) {
    append(out, &[&template.id_head, facts.transaction.sequence.as_str(), ":"]);
    envelope::decimal(out, facts.ordinal);
    append(out, &[&template.id_tail]);
    if facts.index >= REKEYED {
        append(out, &[":rekeyed"]);
    }
}

fn write_moment(event: &mut EventBuilder<'_>, facts: &EventFacts<'_>, committed_at: &str) {
    event.header(header::TIME, committed_at);
    if let Some((text, precision)) = facts.effective {
        event.header_with(header::EFFECTIVE_TIME, |out| envelope::attribute(out, text));
        event.header(header::EFFECTIVE_PRECISION, precision.as_str());
    }
    if facts.operation == Operation::Read {
        event.header(header::SNAPSHOT, "true");
    }
}
