//! `${NAME}` and `${NAME:-default}` in any value of the configuration; `$${` stands for `${`.

use crate::document::{Findings, Node, Place};

/// Replaces variables in every value. An unset variable without a default is a finding.
pub(super) fn interpolate(
    root: &mut Node,
    variable: impl Fn(&str) -> Option<String>,
    findings: &mut Findings,
) {
    root.for_each_text(&mut |place, text| {
        if text.contains("${") {
            *text = replace(text, place, &variable, findings);
        }
    });
}

fn replace(
    text: &str,
    place: &Place,
    variable: &impl Fn(&str) -> Option<String>,
    findings: &mut Findings,
) -> String {
    let mut result = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        if let Some(literal) = before.strip_suffix('$') {
            result.push_str(literal);
            result.push_str("${");
            rest = after;
            continue;
        }
        result.push_str(before);
        let Some((inside, after)) = after.split_once('}') else {
            findings.error(place, "`${` without `}`", "close the variable, or write `$${`");
            return result;
        };
        result.push_str(&value(inside, place, variable, findings));
        rest = after;
    }
    result.push_str(rest);
    result
}

fn value(
    inside: &str,
    place: &Place,
    variable: &impl Fn(&str) -> Option<String>,
    findings: &mut Findings,
) -> String {
    let (name, default) = match inside.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (inside, None),
    };
    let found = variable(name).or_else(|| default.map(str::to_owned));
    found.unwrap_or_else(|| {
        let problem = format!("the environment variable `{name}` is not set");
        findings.error(place, problem, "set it, or write a default: `${NAME:-value}`");
        String::new()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::Document;

    fn replaced(value: &str) -> (String, usize) {
        let mut root = Document::parse("c.yaml", &format!("k: \"{value}\"\n")).unwrap();
        let mut findings = Findings::new();
        let known = |name: &str| (name == "HOST").then(|| "db.example".to_owned());
        interpolate(&mut root, known, &mut findings);
        let fields = root.fields(&["k"], &mut findings).unwrap();
        (fields.get("k").unwrap().text().unwrap_or_default().to_owned(), findings.len())
    }

    #[test]
    fn variables_defaults_and_escapes_are_replaced() {
        assert_eq!(replaced("x${HOST}y"), ("xdb.exampley".to_owned(), 0));
        assert_eq!(replaced("${PORT:-5432}"), ("5432".to_owned(), 0));
        assert_eq!(replaced("$${HOST}"), ("${HOST}".to_owned(), 0));
        assert_eq!(replaced("${HOST}:${HOST}"), ("db.example:db.example".to_owned(), 0));
    }

    #[test]
    fn an_unset_variable_or_an_open_brace_is_a_finding() {
        assert_eq!(replaced("${NOWHERE}").1, 1);
        assert_eq!(replaced("${HOST").1, 1);
    }
}
