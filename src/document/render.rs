//! Findings for people: the offending line, underlined.

use std::fmt::Write as _;

use erpbridge_connector::Finding;

/// The finding as text for a terminal; how bad it is and which
/// statements mend it, the caller says. `text_of` gives a file's text by the name its places
/// carry; without it, or for findings that are not about a file, the line is left out.
///
/// ```text
/// mapping.yaml:12:5: unknown key `form`
///    12 |     form: number
///       |     ^^^^ did you mean `from`?
/// ```
pub fn render(finding: &Finding, text_of: impl Fn(&str) -> Option<String>) -> String {
    let mut out = format!("{}: {}", finding.subject, finding.problem);
    match quote(finding, text_of) {
        Some(quote) => out.push_str(&quote),
        None if finding.mend.is_empty() => {}
        None => out.extend(["\n  ", &finding.mend]),
    }
    out
}

fn quote(finding: &Finding, text_of: impl Fn(&str) -> Option<String>) -> Option<String> {
    let mut parts = finding.subject.rsplitn(3, ':');
    let column: usize = parts.next()?.parse().ok()?;
    let number: usize = parts.next()?.parse().ok()?;
    let text = text_of(parts.next()?)?;
    let line = text.lines().nth(number.checked_sub(1)?)?;
    let before = column.checked_sub(1)?;
    let indent: String =
        line.chars().take(before).map(|c| if c == '\t' { c } else { ' ' }).collect();
    let marks = "^".repeat(token_length(line, before));
    let mut out = String::new();
    write!(out, "\n{number:>5} | {line}\n      | {indent}{marks} {}", finding.mend).ok()?;
    Some(out)
}

/// How many characters the key or value at `before` has: a quoted text to its closing quote, a
/// plain one to where YAML would end it.
fn token_length(line: &str, before: usize) -> usize {
    let rest: Vec<char> = line.chars().skip(before).collect();
    let length = match rest.first() {
        Some(quote @ ('"' | '\'')) => {
            rest.iter().skip(1).position(|c| c == quote).map_or(rest.len(), |end| end + 2)
        }
        Some('[' | '{' | '-') | None => 1,
        Some(_) => rest
            .iter()
            .enumerate()
            .position(|(place, c)| ends(*c, rest.get(place + 1).copied()))
            .unwrap_or(rest.len()),
    };
    std::cmp::max(1, length)
}

fn ends(this: char, next: Option<char>) -> bool {
    let blank_follows = next.is_none_or(char::is_whitespace);
    matches!(this, ',' | ']' | '}')
        || (this == ':' && blank_follows)
        || (this.is_whitespace() && next.is_none_or(|next| next == '#'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(line: &str, column: usize) -> String {
        let finding = Finding::error(format!("m.yaml:1:{column}"), "unknown key", "mend it");
        render(&finding, |file| (file == "m.yaml").then(|| line.to_owned()))
    }

    #[test]
    fn the_offending_text_is_underlined() {
        let expected =
            "m.yaml:1:5: unknown key\n    1 |     form: number\n      |     ^^^^ mend it";
        assert_eq!(shown("    form: number", 5), expected);
        assert!(shown("a: \"x y\", b", 4).contains("\n      |    ^^^^^ mend it"));
        assert!(shown("a: x y # c", 4).contains("\n      |    ^^^ mend it"));
        assert!(shown("a: [x]", 4).contains("\n      |    ^ mend it"));
    }

    #[test]
    fn without_the_file_the_mend_stands_alone() {
        let finding = Finding::warning("table `x`", "no key", "add a key");
        let text = render(&finding, |_| None);
        assert_eq!(text, "table `x`: no key\n  add a key");
    }
}
