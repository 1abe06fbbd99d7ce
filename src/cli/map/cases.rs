//! `erpbridge map test`: the cases beside the mappings.

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use erpbridge_connector::Finding;

use super::diff::print_all;
use super::{CommandError, Outcome, report};
use crate::canonical::EventBatch;
use crate::mapping::{Desk, MemoryRows, Pseudonym, cases};
use crate::pipeline::{Plans, convert_whole};

pub(super) fn run(paths: &[PathBuf]) -> Result<Outcome, CommandError> {
    let mut counts = Counts::default();
    for file in case_files(paths)? {
        match cases::run(&file, convert) {
            Ok(results) => counts.print(&results)?,
            Err(findings) => counts.refused(&findings)?,
        }
    }
    counts.conclude()
}

pub(super) fn update(paths: &[PathBuf]) -> Result<Outcome, CommandError> {
    let mut counts = Counts::default();
    for file in case_files(paths)? {
        match cases::update(&file, convert) {
            Ok(text) => std::fs::write(&file, text)?,
            Err(findings) => counts.refused(&findings)?,
        }
    }
    if counts.failed > 0 {
        return Ok(Outcome::Failed);
    }
    run(paths)
}

/// The cases files of the paths; a directory without any stands for the mappings below it.
fn case_files(paths: &[PathBuf]) -> Result<Vec<PathBuf>, CommandError> {
    let mut files = cases::files(&directories(paths)?).map_err(|findings| unreadable(&findings))?;
    // A directory above and one below it may name the same file.
    files.sort();
    files.dedup();
    if files.is_empty() {
        return Err(CommandError("there are no *.cases.yaml here".to_owned()));
    }
    Ok(files)
}

fn directories(paths: &[PathBuf]) -> Result<Vec<PathBuf>, CommandError> {
    let mut found = Vec::new();
    for path in paths {
        found.push(path.clone());
        if path.is_dir() {
            let below = std::fs::read_dir(path)?.filter_map(Result::ok).map(|entry| entry.path());
            let mut below: Vec<_> = below.filter(|path| path.is_dir()).collect();
            below.sort();
            found.append(&mut below);
        }
    }
    Ok(found)
}

/// Cases go the way of production: remembered, folded, mapped, settled.
pub(super) fn convert(play: &cases::Play<'_>) -> EventBatch {
    let mut plans = Plans::new(cases::SOURCE, Arc::clone(play.mapping), play.schemas.to_vec());
    // Cases show that a field is masked, not with which key.
    let pseudonym = Pseudonym::new(&[0; 32], cases::SOURCE).map(Arc::new);
    let (mut rows, mut desk) = (MemoryRows::default(), Desk::with_pseudonym(pseudonym));
    let mut convert = |batch| convert_whole(batch, &mut plans, &mut rows, &mut desk);
    // The tables were checked against the mapping before the first case ran, and what is
    // remembered in memory can always be read.
    let events = convert(&play.given).and_then(|_| convert(&play.changes));
    events.unwrap_or_default()
}

#[derive(Default)]
struct Counts {
    passed: usize,
    failed: usize,
}

impl Counts {
    fn print(&mut self, results: &[cases::CaseResult]) -> Result<(), CommandError> {
        let mut out = std::io::stdout().lock();
        for result in results {
            if result.passed() {
                self.passed += 1;
                writeln!(out, "ok      {}", result.name)?;
                continue;
            }
            self.failed += 1;
            writeln!(out, "failed  {} ({})", result.name, result.place)?;
            print_all(&result.differences, &mut out)?;
        }
        Ok(())
    }

    fn refused(&mut self, findings: &[Finding]) -> Result<(), CommandError> {
        self.failed += 1;
        report::print(findings)?;
        Ok(())
    }

    fn conclude(self) -> Result<Outcome, CommandError> {
        writeln!(std::io::stdout().lock(), "{} passed, {} failed", self.passed, self.failed)?;
        Ok(if self.failed > 0 { Outcome::Failed } else { Outcome::Done })
    }
}

fn unreadable(findings: &[Finding]) -> CommandError {
    let lines = findings.iter().map(|found| format!("{}: {}", found.subject, found.problem));
    CommandError(lines.collect::<Vec<_>>().join("\n"))
}
