//! The page that lists the commands lists those there are.

use clap::{Command, CommandFactory};
use erpbridge::cli::Cli;

use crate::{assert_none, read};

/// Every command with what stands before it: `["map", "init"]`.
fn leaves(command: &Command, path: &[String], out: &mut Vec<Vec<String>>) {
    let path = |own: &Command| [path, &[own.get_name().to_owned()]].concat();
    let mut below = command.get_subcommands().peekable();
    if below.peek().is_none() {
        return;
    }
    for own in below {
        let path = path(own);
        if own.get_subcommands().next().is_none() {
            out.push(path.clone());
        }
        leaves(own, &path, out);
    }
}

#[test]
fn every_command_is_on_the_page_of_commands_and_no_other() {
    let page = read("docs/configuration.md");
    let rows: Vec<&str> = page.lines().filter(|line| line.starts_with("| `erpbridge ")).collect();
    let mut commands = Vec::new();
    leaves(&Cli::command(), &[], &mut commands);
    assert!(commands.len() > 8, "{commands:?}");
    let cell = |row: &str| row.split('`').nth(1).unwrap_or_default().replace("\\|", " ");
    let names = |row: &str, command: &[String]| {
        let cell = cell(row);
        let (group, last) = command.split_at(command.len() - 1);
        let head = ["erpbridge"].into_iter().chain(group.iter().map(String::as_str));
        cell.starts_with(&head.collect::<Vec<_>>().join(" "))
            && cell.split([' ', '[', ']']).any(|word| word == last[0])
    };
    let missing = commands.iter().filter(|own| !rows.iter().any(|row| names(row, own)));
    let mut findings: Vec<String> =
        missing.map(|own| format!("docs/configuration.md has no `{}`", own.join(" "))).collect();
    let unknown = rows.iter().filter(|row| !commands.iter().any(|own| names(row, own)));
    findings.extend(unknown.map(|row| format!("there is no such command: {row}")));
    assert_none(&findings);
}

#[test]
fn every_command_and_option_says_what_it_is() {
    let mut commands = vec![Cli::command()];
    let mut findings = Vec::new();
    while let Some(command) = commands.pop() {
        if command.get_about().is_none() {
            findings.push(format!("`{}` says nothing", command.get_name()));
        }
        for argument in command.get_arguments().filter(|argument| argument.get_help().is_none()) {
            findings.push(format!("`{}`: {} says nothing", command.get_name(), argument.get_id()));
        }
        commands.extend(command.get_subcommands().cloned());
    }
    assert_none(&findings);
}
