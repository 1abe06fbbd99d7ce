//! Expected against stored.

use std::collections::{HashMap, HashSet};
use std::fmt;

use super::{NetChange, StoredEvent};

/// How many findings of a kind are printed.
const SHOWN: usize = 10;

/// An event that a net change must give. Two rules that make the same type: two of these.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpectedEvent {
    /// `erpbridge.<family>.<entity>.<event>.v1`.
    pub event_type: String,
    /// The key of its entity, as the event spells it.
    pub key: String,
}

/// What the comparison found; every list is empty if the stream is right.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// How many net changes were looked at.
    pub changes: usize,
    /// How many events they must give.
    pub expected: usize,
    /// How many events the stream holds, without those of a snapshot.
    pub stored: usize,
    /// Events that must be there and are not.
    pub missing: Vec<String>,
    /// Ids that are there more than once, and facts told more often than they happened.
    pub duplicates: Vec<String>,
    /// Events that no net change gives.
    pub unexpected: Vec<String>,
    /// Events that stand before something that happened earlier.
    pub disorder: Vec<String>,
    /// Keys whose last event does not tell their last state.
    pub stale: Vec<String>,
}

impl Verdict {
    /// Whether nothing is wrong.
    pub fn is_clean(&self) -> bool {
        self.lists().iter().all(|(_, list)| list.is_empty())
    }

    fn lists(&self) -> [(&str, &[String]); 5] {
        [
            ("missing", &self.missing),
            ("duplicate", &self.duplicates),
            ("unexpected", &self.unexpected),
            ("out of order", &self.disorder),
            ("stale", &self.stale),
        ]
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { changes, expected, stored, .. } = self;
        write!(f, "{changes} net changes, {expected} events expected, {stored} stored")?;
        for (name, list) in self.lists() {
            write!(f, ", {} {name}", list.len())?;
        }
        for (name, list) in self.lists() {
            for finding in list.iter().take(SHOWN) {
                write!(f, "\n{name}: {finding}")?;
            }
        }
        Ok(())
    }
}

/// Transaction, type, and key: what an event and a net change have in common.
type Fact<'a> = (&'a str, &'a str, String);

/// Holds the stored events against what the net changes must give. Snapshot events are looked at
/// only for repeated ids.
pub fn compare(
    changes: &[NetChange],
    stored: &[StoredEvent],
    expect: impl Fn(&NetChange) -> Vec<ExpectedEvent>,
) -> Verdict {
    let expected: Vec<(&NetChange, ExpectedEvent)> = changes
        .iter()
        .flat_map(|change| expect(change).into_iter().map(move |event| (change, event)))
        .collect();
    let live: Vec<&StoredEvent> = stored.iter().filter(|event| !event.snapshot).collect();
    let mut verdict = Verdict {
        changes: changes.len(),
        expected: expected.len(),
        stored: live.len(),
        duplicates: repeated_ids(stored),
        disorder: disorder(&expected, &live),
        ..Verdict::default()
    };
    count_facts(&expected, &live, &mut verdict);
    verdict
}

fn repeated_ids(stored: &[StoredEvent]) -> Vec<String> {
    let mut seen = HashMap::new();
    let mut repeated = Vec::new();
    for event in stored {
        if let Some(first) = seen.insert(&event.id, event.stream_sequence) {
            let place = event.stream_sequence;
            repeated.push(format!("id \"{}\" at {first} and again at {place}", event.id));
        }
    }
    repeated
}

fn count_facts(
    expected: &[(&NetChange, ExpectedEvent)],
    live: &[&StoredEvent],
    verdict: &mut Verdict,
) {
    let mut owed: HashMap<Fact<'_>, usize> = HashMap::new();
    for (change, event) in expected {
        let fact = (change.transaction.as_str(), event.event_type.as_str(), event.key.clone());
        *owed.entry(fact).or_default() += 1;
    }
    let mut ids = HashSet::new();
    // The same id again is counted already.
    for event in live.iter().filter(|event| ids.insert(&event.id)) {
        let fact = (event.transaction.as_str(), event.event_type.as_str(), event.key.clone());
        match owed.get_mut(&fact) {
            Some(0) => verdict.duplicates.push(format!("fact of {}", name(event))),
            Some(left) => *left -= 1,
            None => verdict.unexpected.push(name(event)),
        }
    }
    for (change, event) in expected {
        let fact = (change.transaction.as_str(), event.event_type.as_str(), event.key.clone());
        if let Some(left @ 1..) = owed.get_mut(&fact) {
            *left -= 1;
            let (transaction, event_type, key) = fact;
            let table = &change.table;
            verdict
                .missing
                .push(format!("{event_type} of {key}, from {table} in transaction {transaction}"));
        }
    }
}

/// Two orders: that of commits over the whole stream, as the ids tell it, and for each key that
/// of the journal, which knows nothing of ids.
fn disorder(expected: &[(&NetChange, ExpectedEvent)], live: &[&StoredEvent]) -> Vec<String> {
    let mut places: HashMap<Fact<'_>, i64> = HashMap::new();
    for (change, event) in expected {
        let fact = (change.transaction.as_str(), change.table.as_str(), event.key.clone());
        let place = places.entry(fact).or_insert(change.seq);
        *place = std::cmp::max(*place, change.seq);
    }
    let mut newest = ("", 0);
    let mut newest_of_key: HashMap<(&str, &str), i64> = HashMap::new();
    let mut found = Vec::new();
    for event in live {
        let order = (event.commit.as_str(), event.ordinal);
        if order < newest {
            found.push(format!("{} after {}:{}", name(event), newest.0, newest.1));
        }
        newest = std::cmp::max(newest, order);
        let fact = (event.transaction.as_str(), event.table.as_str(), event.key.clone());
        let Some(place) = places.get(&fact) else { continue };
        let before = newest_of_key.entry((&event.table, &event.key)).or_insert(*place);
        if place < before {
            found.push(format!("{} after a later change of the same key", name(event)));
        }
        *before = std::cmp::max(*before, *place);
    }
    found
}

/// Holds the last event of every key against the last net change that must give one; `agrees`
/// says what is wrong with an event that does not tell the change.
pub fn compare_final_state(
    changes: &[NetChange],
    stored: &[StoredEvent],
    expect: impl Fn(&NetChange) -> Vec<ExpectedEvent>,
    agrees: impl Fn(&NetChange, &StoredEvent) -> Result<(), String>,
    verdict: &mut Verdict,
) {
    let mut last: HashMap<(&str, String), &NetChange> = HashMap::new();
    for change in changes {
        for event in expect(change) {
            last.insert((&change.table, event.key), change);
        }
    }
    let events: HashMap<(&str, String), &StoredEvent> =
        stored.iter().map(|event| ((event.table.as_str(), event.key.clone()), event)).collect();
    for (key, change) in last {
        let (table, entity) = (key.0, key.1.clone());
        let wrong = match events.get(&key) {
            Some(event) => agrees(change, event).err(),
            None => Some("no event".to_owned()),
        };
        if let Some(wrong) = wrong {
            verdict.stale.push(format!("{entity} of {table}: {wrong}"));
        }
    }
    verdict.stale.sort();
}

fn name(event: &StoredEvent) -> String {
    let StoredEvent { stream_sequence, id, event_type, key, .. } = event;
    format!("{event_type} of {key} at {stream_sequence} (\"{id}\")")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const TYPE: &str = "erpbridge.procurement.purchaseorderline.changed.v1";

    /// Ten transactions that change two keys in turn, and the stream they give.
    fn history() -> (Vec<NetChange>, Vec<StoredEvent>) {
        let change = |number: i64| NetChange {
            seq: number,
            transaction: (700 + number).to_string(),
            table: "erp.line".to_owned(),
            key: vec![(number % 2).to_string()],
            before: Some(json!({ "qty": number - 1 })),
            after: Some(json!({ "qty": number })),
        };
        let changes: Vec<NetChange> = (1..=10).map(change).collect();
        let events = changes.iter().zip(1..).map(|(change, place)| event(change, place)).collect();
        (changes, events)
    }

    fn event(change: &NetChange, place: u64) -> StoredEvent {
        let commit = format!("{:016X}", change.seq * 100);
        StoredEvent {
            stream_sequence: place,
            id: format!("erp:{commit}:1:changed"),
            event_type: TYPE.to_owned(),
            commit,
            ordinal: 1,
            snapshot: false,
            transaction: change.transaction.clone(),
            table: change.table.clone(),
            key: change.key[0].clone(),
            data: json!({ "after": change.after }),
        }
    }

    fn expect(change: &NetChange) -> Vec<ExpectedEvent> {
        vec![ExpectedEvent { event_type: TYPE.to_owned(), key: change.key[0].clone() }]
    }

    fn agrees(change: &NetChange, event: &StoredEvent) -> Result<(), String> {
        (event.data["after"] == *change.after.as_ref().unwrap())
            .then_some(())
            .ok_or_else(|| format!("it says {}", event.data))
    }

    #[test]
    fn a_right_stream_is_clean() {
        let (changes, events) = history();
        let mut verdict = compare(&changes, &events, expect);
        compare_final_state(&changes, &events, expect, agrees, &mut verdict);
        assert!(verdict.is_clean(), "{verdict}");
        assert_eq!((verdict.expected, verdict.stored), (10, 10));
    }

    #[test]
    fn a_planted_hole_is_found_by_name() {
        let (changes, mut events) = history();
        events.remove(4);
        let verdict = compare(&changes, &events, expect);
        assert_eq!(verdict.missing, [format!("{TYPE} of 1, from erp.line in transaction 705")]);
        assert!(!verdict.is_clean() && verdict.to_string().contains("transaction 705"));
    }

    #[test]
    fn a_planted_repeat_is_found_by_its_id_and_counted_once() {
        let (changes, mut events) = history();
        events.insert(5, events[4].clone());
        let verdict = compare(&changes, &events, expect);
        assert_eq!(verdict.duplicates.len(), 1);
        assert!(verdict.missing.is_empty() && verdict.disorder.is_empty());
    }

    #[test]
    fn the_same_fact_under_another_id_is_a_duplicate_too() {
        let (changes, mut events) = history();
        let mut again = events[9].clone();
        again.id += "-again";
        events.push(again);
        assert_eq!(compare(&changes, &events, expect).duplicates.len(), 1);
    }

    #[test]
    fn a_planted_swap_of_one_key_is_found_even_if_the_ids_were_swapped_with_it() {
        let (changes, mut events) = history();
        events.swap(2, 4);
        let verdict = compare(&changes, &events, expect);
        assert!(verdict.disorder.len() >= 2 && verdict.missing.is_empty(), "{verdict}");

        // A writer that stamps ids in the order of writing would hide it from the first check.
        let commits: Vec<String> = history().1.into_iter().map(|event| event.commit).collect();
        for (event, commit) in events.iter_mut().zip(commits) {
            event.commit = commit;
        }
        assert_eq!(compare(&changes, &events, expect).disorder.len(), 1);
    }

    #[test]
    fn an_event_nobody_ordered_is_unexpected() {
        let (changes, events) = history();
        assert_eq!(compare(&changes[..9], &events, expect).unexpected.len(), 1);
    }

    #[test]
    fn a_last_event_that_tells_an_older_state_is_stale() {
        let (changes, mut events) = history();
        events[9].data = events[7].data.clone();
        let mut verdict = compare(&changes, &events, expect);
        compare_final_state(&changes, &events, expect, agrees, &mut verdict);
        assert_eq!(verdict.stale.len(), 1, "{verdict}");
        events.retain(|event| event.key != "0");
        compare_final_state(&changes, &events, expect, agrees, &mut verdict);
        assert!(verdict.stale[1].contains("no event"));
    }
}
