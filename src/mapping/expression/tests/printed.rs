//! Trees as text again: what the parser understood, for comparing.

use super::super::Moment;
use super::super::parser::{Named, parse};
use super::super::tree::{Binary, Call, Tree, Unary, What};

/// How a tree is written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Brackets {
    /// Around every operation.
    All,
    /// Only where the reading would change without.
    Needed,
}

/// The expression a text is read as.
pub(super) fn reprint(text: &str, brackets: Brackets) -> String {
    let (tree, columns) = parse(text).unwrap_or_else(|fault| panic!("{text}: {fault:?}"));
    Printer { columns, brackets }.print(&tree, 0)
}

struct Printer {
    columns: Vec<Named>,
    brackets: Brackets,
}

impl Printer {
    /// `strength`: how strong an operation must be to stand here without brackets.
    fn print(&self, tree: &Tree, strength: u8) -> String {
        let (own, text) = match &tree.what {
            What::Null => return "null".to_owned(),
            What::Bool(bool) => return bool.to_string(),
            What::Number(number) => return number.to_string(),
            What::Text(text) => return quoted(text),
            What::Column(column) => return self.column(*column),
            What::Changed(column, _) => return format!("changed({})", self.column(*column)),
            What::List(values) => return format!("[{}]", self.list(values)),
            What::Call(Call { name, arguments, .. }) => {
                return format!("{name}({})", self.list(arguments));
            }
            What::Element(list, place) => {
                return format!("{}[{}]", self.print(list, 8), self.print(place, 0));
            }
            What::Unary(unary, operand) => {
                let sign = if *unary == Unary::Not { "!" } else { "-" };
                (7, format!("{sign}{}", self.print(operand, 7)))
            }
            What::Binary(Binary { operator, .. }, left, right) => {
                let own = operator.strength();
                let (left, right) = (self.print(left, own), self.print(right, own + 1));
                (own, format!("{left} {} {right}", operator.sign()))
            }
            What::Choice(condition, then, otherwise) => {
                let (then, otherwise) = (self.print(then, 0), self.print(otherwise, 0));
                (1, format!("{} ? {then} : {otherwise}", self.print(condition, 2)))
            }
        };
        let bracketed = self.brackets == Brackets::All || own < strength;
        if bracketed { format!("({text})") } else { text }
    }

    fn list(&self, values: &[Tree]) -> String {
        values.iter().map(|value| self.print(value, 0)).collect::<Vec<_>>().join(", ")
    }

    fn column(&self, column: usize) -> String {
        let named = &self.columns[column];
        let names: Vec<String> = named.path.iter().map(|name| format!("`{name}`")).collect();
        let moment = if named.moment == Moment::Old { "old." } else { "" };
        format!("{moment}{}", names.join("."))
    }
}

fn quoted(text: &str) -> String {
    let escaped = text.chars().map(|character| match character {
        '\\' | '"' => format!("\\{character}"),
        control if control.is_control() => format!("\\u{:04x}", u32::from(control)),
        plain => plain.to_string(),
    });
    format!("\"{}\"", escaped.collect::<String>())
}

#[test]
fn operators_bind_as_they_do_in_cel() {
    let cases = [
        ("a || b && c", "(`a` || (`b` && `c`))"),
        ("a && b == c + d * -e", "(`a` && (`b` == (`c` + (`d` * (-`e`)))))"),
        ("a - b - c", "((`a` - `b`) - `c`)"),
        ("a < b == c", "((`a` < `b`) == `c`)"),
        ("a ? b : c ? d : e", "(`a` ? `b` : (`c` ? `d` : `e`))"),
        ("a ? b ? c : d : e", "(`a` ? (`b` ? `c` : `d`) : `e`)"),
        ("a || b ? c : d || e", "((`a` || `b`) ? `c` : (`d` || `e`))"),
        ("!a.b && -c[0] == d", "((!`a`.`b`) && ((-`c`[0]) == `d`))"),
        ("--a", "(-(-`a`))"),
        ("x.f(y).g()[1]", "g(f(`x`, `y`))[1]"),
        ("old.x.f()", "f(old.`x`)"),
        ("old.f()", "f(`old`)"),
        ("a in ['x', \"y\"] || b", "((`a` in [\"x\", \"y\"]) || `b`)"),
        ("inn in in_", "(`inn` in `in_`)"),
    ];
    for (text, expected) in cases {
        assert_eq!(reprint(text, Brackets::All), expected, "{text}");
    }
}
