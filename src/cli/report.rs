//! Findings as a person reads them: where, what, how to mend it, and the statements to run.

use std::io::{self, Write};

use erpbridge_connector::{Finding, Severity};

use crate::document;

/// Prints findings, errors last so that they stand next to the prompt, and a closing line.
/// Returns whether there was an error.
pub(super) fn print(findings: &[Finding]) -> io::Result<bool> {
    let mut out = io::stdout().lock();
    for severity in [Severity::Warning, Severity::Error] {
        for finding in findings.iter().filter(|finding| finding.severity == severity) {
            print_one(&mut out, finding)?;
        }
    }
    let errors = findings.iter().filter(|f| f.severity == Severity::Error).count();
    writeln!(out, "{}, {}", counted(errors, "error"), counted(findings.len() - errors, "warning"))?;
    Ok(errors > 0)
}

fn print_one(out: &mut impl Write, finding: &Finding) -> io::Result<()> {
    let label = match finding.severity {
        Severity::Warning => "warning",
        Severity::Error => "error",
    };
    let text = document::render(finding, |file| std::fs::read_to_string(file).ok());
    writeln!(out, "{label}: {}", text.trim_end())?;
    for statement in &finding.sql {
        writeln!(out, "    {statement};")?;
    }
    writeln!(out)
}

fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}
