//! A process of its own that is killed, or that meets a full disk.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};

use super::*;
use crate::state::rows::RowStoreErrorKind;

/// Set for the process that is to be killed: its directory.
const KILLED: &str = "ERPBRIDGE_TEST_ROWS_KILLED";
/// Set for the process that meets a full disk: its directory.
const FULL: &str = "ERPBRIDGE_TEST_ROWS_FULL";
const KEYS: u64 = 300;
const ROUNDS: u64 = 5;

fn mix(number: u64) -> u64 {
    let number = (number ^ (number >> 31)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    number ^ (number >> 29)
}

/// What transaction `number` does: key, and the cell and header the line then has. Every fifth is
/// larger than memory may hold.
fn changes(number: usize) -> impl Iterator<Item = (String, Option<(String, String)>)> {
    let number = number as u64;
    let count = if number.is_multiple_of(5) { 400 } else { 1 + mix(number) % 20 };
    (0..count).map(move |place| {
        let dice = mix(number * 1_000 + place);
        let line = (!dice.is_multiple_of(6))
            .then(|| (format!("{number}.{place}"), (dice / 7 % 40).to_string()));
        ((dice / 1_000 % KEYS).to_string(), line)
    })
}

/// Carries transaction `number` out, with a header of so many bytes beside the lines.
fn apply(
    store: &mut RowStore,
    number: usize,
    header: usize,
) -> Result<(), crate::mapping::RowsError> {
    store.put(HEADERS, &number.to_string(), &row(&"x".repeat(header)), &[])?;
    for (key, line) in changes(number) {
        match line {
            Some((cell, header)) => store.put(LINES, &key, &row(&cell), &[Some(&header)])?,
            None => store.remove(LINES, &key)?,
        }
    }
    store.commit(&sequence(number));
    Ok(())
}

fn open(directory: &Path) -> RowStore {
    RowStore::open(directory, &tables(), TIGHT).unwrap()
}

/// Goes on from where the store stands, settling two transactions behind, for ever or until the
/// store fails.
fn work(directory: &Path, header: usize) -> RowStoreError {
    let mut store = open(directory);
    if store.position().is_none() {
        store.seeded();
        settle(&mut store, 0);
    }
    let durable = store.durable();
    let first = store.position().as_ref().map_or(0, number) + 1;
    for transaction in first.. {
        if let Err(error) = apply(&mut store, transaction, header) {
            return *error.source.downcast().unwrap();
        }
        if transaction > first + 2 {
            let settled = transaction - 2;
            store.settle(Some(&sequence(settled)), &position(settled));
        }
        if let Err(error) = store.flush() {
            return error;
        }
        let durable = durable.borrow().as_ref().map_or(0, number);
        writeln!(std::io::stdout(), "durable {durable}").unwrap();
    }
    unreachable!("there is always a next transaction")
}

/// Opens the store and compares it with the transactions up to its position.
fn check(directory: &Path, at_least: usize) -> usize {
    let mut store = open(directory);
    assert_eq!(store.unseeded(), []);
    let found = number(&store.position().unwrap());
    assert!(found >= at_least, "{at_least} was durable, {found} is found");
    for transaction in 1..found + 9 {
        let header = get(&mut store, HEADERS, &transaction.to_string());
        assert_eq!(header.is_some(), transaction <= found, "header {transaction}");
    }
    let mut lines = BTreeMap::new();
    for transaction in 1..=found {
        lines.extend(changes(transaction));
    }
    for key in (0..KEYS).map(|key| key.to_string()) {
        let expected = lines.get(&key).cloned().flatten();
        assert_eq!(get(&mut store, LINES, &key), expected.map(|(cell, _)| cell), "row {key}");
    }
    for header in (0..40).map(|header: u64| header.to_string()) {
        let own = lines.iter().filter_map(|(key, line)| Some((key, line.as_ref()?)));
        let own = own.filter(|(_, (_, of))| *of == header);
        let expected: Vec<_> = own.map(|(key, (cell, _))| (key.clone(), cell.clone())).collect();
        assert_eq!(children(&mut store, &header, 999), expected, "children of {header}");
    }
    close(store).unwrap();
    found
}

/// This test again, as another process.
fn again(command: &mut Command, test: &str, variable: &str, directory: &Path) -> Child {
    let test = format!("state::rows::tests::crash::{test}");
    let command = command.args(["--exact", &test, "--nocapture"]).env(variable, directory);
    command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap()
}

/// The positions a child announces.
fn announced(child: &mut Child) -> Receiver<usize> {
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let (to, numbers) = channel();
    std::thread::spawn(move || {
        for line in lines.map_while(Result::ok) {
            // The test runner prints lines of its own.
            let number = line.strip_prefix("durable ").and_then(|number| number.parse().ok());
            if number.is_some_and(|number| to.send(number).is_err()) {
                return;
            }
        }
    });
    numbers
}

/// The last number before the child ended.
fn last(numbers: &Receiver<usize>) -> usize {
    let deadline = Instant::now() + DEADLINE;
    let mut newest = 0;
    loop {
        match numbers.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(number) => newest = number,
            Err(RecvTimeoutError::Disconnected) => return newest,
            Err(RecvTimeoutError::Timeout) => panic!("the child does not end"),
        }
    }
}

#[test]
fn a_killed_process_loses_nothing_durable_and_keeps_nothing_unsettled() {
    if let Ok(directory) = std::env::var(KILLED) {
        panic!("the store failed: {}", work(Path::new(&directory), 9));
    }
    let directory = tempfile::tempdir().unwrap();
    let test = "a_killed_process_loses_nothing_durable_and_keeps_nothing_unsettled";
    let mut before = 0;
    for round in 0..ROUNDS {
        let mut command = Command::new(std::env::current_exe().unwrap());
        let mut child = again(&mut command, test, KILLED, directory.path());
        let numbers = announced(&mut child);
        let goal = before + 5 + usize::try_from(mix(round) % 20).unwrap();
        let deadline = Instant::now() + DEADLINE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if numbers.recv_timeout(left).expect("the child makes progress") >= goal {
                break;
            }
        }
        child.kill().unwrap();
        child.wait().unwrap();
        before = check(directory.path(), std::cmp::max(goal, last(&numbers)));
    }
}

#[test]
fn a_full_disk_is_an_error_that_says_so_and_loses_nothing_durable() {
    if let Ok(directory) = std::env::var(FULL) {
        let error = work(Path::new(&directory), 10_000);
        assert_eq!(error.kind, RowStoreErrorKind::Full, "{error}");
        assert!(error.to_string().ends_with("the disk is full"), "{error}");
        assert!(error.hint().starts_with("free some space"));
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let test = "a_full_disk_is_an_error_that_says_so_and_loses_nothing_durable";
    let executable = std::env::current_exe().unwrap();
    // No file may grow beyond 2 MiB, and the signal that says so is turned into an error.
    let limited = "trap '' XFSZ; ulimit -f 4096; exec \"$0\" \"$@\"";
    let mut command = Command::new("sh");
    command.args(["-c", limited]).arg(executable);
    let mut child = again(&mut command, test, FULL, directory.path());
    let numbers = announced(&mut child);
    let newest = last(&numbers);
    assert!(child.wait().unwrap().success(), "it did not notice that the disk is full");
    let found = check(directory.path(), newest);
    assert!(found > 0, "nothing was written before the disk was full");
}
