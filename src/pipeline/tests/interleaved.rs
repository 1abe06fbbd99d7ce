//! Whatever comes first, the same is told; and a start from any state tells exactly what is missing.

use std::collections::BTreeMap;

use erpbridge_connector::ChangeBatch;
use proptest::prelude::*;

use super::shop::{
    Event, Item, Line, MAPPING, Order, Shop, Step, Tables, events, letters, told, transaction,
    waiting,
};
use crate::canonical::LATE;
use crate::mapping::MemoryRows;

/// What is said of each line, in order.
fn by_line(events: &[Event]) -> BTreeMap<String, Vec<String>> {
    let mut lines: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (_, _, said) in events {
        // The id tells the line: all events of a line have its key in `subject` or `to`.
        let key = said.split("purchaseorderline/").nth(1).or(said.split("receipt/").nth(1));
        let key: String =
            key.unwrap_or_default().chars().take_while(char::is_ascii_digit).collect();
        lines.entry(key).or_default().push(said.clone());
    }
    lines
}

fn line() -> impl Strategy<Value = Step> {
    let line = (0..4_u8, prop::option::of(0..3_u8), 1..5_u8, 0..6_u8, prop::option::of(1..3_u8));
    let line = line.prop_map(|(po, item, quantity, received, req)| Line {
        po,
        item,
        quantity,
        received,
        req,
    });
    (0..3_u8, prop::option::weighted(0.85, line)).prop_map(|(id, line)| Step::Line(id, line))
}

/// Transactions in which every order and every item comes once, anywhere.
fn history() -> impl Strategy<Value = Vec<Vec<Step>>> {
    let lines = prop::collection::vec(prop::collection::vec(line(), 1..4), 1..12);
    let heads = prop::collection::vec((any::<prop::sample::Index>(), any::<bool>()), 7);
    (lines, heads).prop_map(|(mut transactions, heads)| {
        let steps = (0..4).map(Order).chain((0..3).map(Item));
        for (step, (place, own)) in steps.zip(heads) {
            let place = place.index(transactions.len());
            if own {
                transactions.insert(place + 1, vec![step]);
            } else {
                transactions[place].push(step);
            }
        }
        transactions
    })
}

/// Plays a history. `first` says whether orders and items are there before everything.
fn play(history: &[Vec<Step>], first: bool) -> (Vec<Event>, usize) {
    let (tables, mut shop) = (Tables::new(), Shop::default());
    let mut converter = tables.converter(MAPPING, MemoryRows::new(), None);
    let heads: Vec<Step> = history.concat();
    let is_head = |step: &Step| !matches!(step, Step::Line(..));
    let mut units = Vec::new();
    if first {
        let batch = shop.play(&tables, transaction(0), &heads, is_head);
        units.extend(told(&mut converter, &batch));
    }
    for (number, steps) in (1..).zip(history) {
        let batch = shop.play(&tables, transaction(number), steps, |step| !first || !is_head(step));
        units.extend(told(&mut converter, &batch));
    }
    assert_eq!((waiting(&mut converter), letters(&units).len()), (0, 0));
    let late = events(&units).iter().filter(|(key, ..)| key.ordinal >= LATE).count();
    (events(&units), late)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn whatever_comes_first_every_row_tells_the_same_events_in_the_same_order(
        history in history(),
    ) {
        let (expected, none_late) = play(&history, true);
        let (found, _) = play(&history, false);
        prop_assert_eq!(none_late, 0);
        prop_assert_eq!(by_line(&found), by_line(&expected));
    }

    /// Memory as of any transaction, and the stream as of any event after it.
    #[test]
    fn a_start_from_any_state_tells_exactly_what_is_missing(
        history in history(),
        from in any::<prop::sample::Index>(),
        cut in any::<prop::sample::Index>(),
    ) {
        let (tables, mut shop) = (Tables::new(), Shop::default());
        let mut converter = tables.converter(MAPPING, MemoryRows::new(), None);
        let batches: Vec<ChangeBatch> = (1..).zip(&history)
            .map(|(number, steps)| shop.play(&tables, transaction(number), steps, |_| true))
            .collect();
        let from = from.index(batches.len());
        let mut rows = MemoryRows::new();
        let mut units = Vec::new();
        for (place, batch) in batches.iter().enumerate() {
            if place == from {
                rows = converter.remembered_rows();
                units.clear();
            }
            units.extend(told(&mut converter, batch));
        }
        let all = events(&units);
        prop_assume!(!all.is_empty());
        let published = all[cut.index(all.len())].0.clone();
        let missing: Vec<&Event> = all.iter().filter(|(key, ..)| *key > published).collect();
        let mut again = tables.converter(MAPPING, rows, Some(published));
        let units: Vec<_> =
            batches[from..].iter().flat_map(|batch| told(&mut again, batch)).collect();
        let found = events(&units);
        prop_assert_eq!(found.iter().collect::<Vec<_>>(), missing);
        prop_assert_eq!(again.remembered_rows(), converter.remembered_rows());
    }
}
