//! Any text, any well-typed expression, any row.

use erpbridge_connector::{ColumnKind, Value};
use proptest::prelude::*;

use super::super::decimal::Decimal;
use super::super::instant::{Instant, day};
use super::super::{EvalError, Expression, Inputs, Moment, Program, Type};
use super::printed::{Brackets, reprint};
use super::{ROW, Row, resolve, start};
use crate::document::Findings;

/// The cells of [`ROW`] twice, with any values.
#[derive(Debug)]
struct AnyRow(Vec<Cell>);

#[derive(Clone, Debug)]
enum Cell {
    Text(String),
    Null,
    Absent,
}

impl Inputs for AnyRow {
    fn get(&self, slot: usize) -> Value<'_> {
        match self.0.get(slot) {
            Some(Cell::Text(text)) => Value::Text(text),
            Some(Cell::Null) => Value::Null,
            Some(Cell::Absent) | None => Value::Absent,
        }
    }
}

fn cell(kind: ColumnKind) -> BoxedStrategy<Cell> {
    let text = match kind {
        ColumnKind::Integer => "-?(0|[1-9][0-9]{0,18})".boxed(),
        ColumnKind::Decimal => "-?[0-9]{1,30}[.][0-9]{0,20}|[0-9]{1,3}|NaN".boxed(),
        ColumnKind::Float64 => "-?[0-9]([.][0-9]{1,9})?(e[-+]?[0-9]{1,3})?|Infinity".boxed(),
        ColumnKind::Bool => "true|false".boxed(),
        ColumnKind::Date => "[0-2][0-9]{3}-[01][0-9]-[0-3][0-9]|infinity".boxed(),
        ColumnKind::Instant => {
            "[12][0-9]{3}-0[1-9]-[0-2][0-9] [01][0-9]:[0-5][0-9]:[0-5][0-9]([.][0-9]{1,6})?[+]00"
                .boxed()
        }
        _ => "[a-zA-Z0-9 ,/%.äß😀-]{0,12}|[0-9]{0,8}|.{0,20}".boxed(),
    };
    prop_oneof![8 => text.prop_map(Cell::Text), 1 => Just(Cell::Null), 1 => Just(Cell::Absent)]
        .boxed()
}

fn row() -> impl Strategy<Value = AnyRow> {
    let kinds = ROW.iter().chain(&ROW).map(|(_, kind, _)| cell(*kind));
    kinds.collect::<Vec<_>>().prop_map(AnyRow)
}

/// Well-typed expressions of each type, `depth` operations deep.
fn expression(kind: Type, depth: u32) -> BoxedStrategy<String> {
    if depth == 0 {
        return leaf(kind).boxed();
    }
    let sub = |kind| expression(kind, depth - 1);
    let (text, number, date, bool) =
        (|| sub(Type::Text), || sub(Type::Number), || sub(Type::Date), || sub(Type::Bool));
    let own = match kind {
        Type::Text => prop_oneof![
            ("trim|upper|lower|ltrim0|key|text", text()).prop_map(|(f, a)| format!("{f}({a})")),
            (text(), number(), number())
                .prop_map(|(a, n, m)| format!("substr({a}, {n}, abs({m}))")),
            (text(), text()).prop_map(|(a, b)| format!("({a} + {b})")),
            (text(), text(), text()).prop_map(|(a, b, c)| format!("{a}.replace({b}, {c})")),
            ("[lr]pad", text(), number(), text())
                .prop_map(|(f, a, n, b)| format!("{f}({a}, {n}, {b})")),
            (text(), text(), 0..3).prop_map(|(a, b, n)| format!("split({a}, {b})[{n}]")),
            (number(), date(), bool()).prop_map(|(n, d, b)| format!("key({n}, {d}, {b})")),
        ]
        .boxed(),
        Type::Number => prop_oneof![
            (number(), "[-+*/%]", number()).prop_map(|(a, o, b)| format!("({a} {o} {b})")),
            ("abs|floor|ceil|round|-", number()).prop_map(|(f, a)| format!("{f}({a})")),
            (number(), 0..30).prop_map(|(a, n)| format!("round({a}, {n})")),
            (text(), "size|number").prop_map(|(a, f)| format!("{a}.{f}()")),
            (date(), date()).prop_map(|(a, b)| format!("days_between({a}, {b})")),
        ]
        .boxed(),
        Type::Date => prop_oneof![
            (date(), number()).prop_map(|(a, n)| format!("add_days({a}, {n})")),
            sub(Type::Instant).prop_map(|a| format!("date({a})")),
            number().prop_map(|a| format!("jde_date({a})")),
            text().prop_map(|a| format!("date({a}, 'yyyymmdd')")),
        ]
        .boxed(),
        Type::Instant => text().prop_map(|a| format!("instant({a})")).boxed(),
        _ => prop_oneof![
            (bool(), "&&|[|]{2}|==|!=", bool()).prop_map(|(a, o, b)| format!("({a} {o} {b})")),
            bool().prop_map(|a| format!("!{a}")),
            (number(), "<|<=|>|>=|==|!=", number()).prop_map(|(a, o, b)| format!("({a} {o} {b})")),
            (date(), "<|==", date()).prop_map(|(a, o, b)| format!("({a} {o} {b})")),
            (text(), text(), text()).prop_map(|(a, b, c)| format!("({a} in [{b}, {c}, null])")),
            (text(), text()).prop_map(|(a, b)| format!("({a} in split({b}, ','))")),
            (text(), "startsWith|endsWith|contains", text())
                .prop_map(|(a, f, b)| format!("{a}.{f}({b})")),
            text().prop_map(|a| format!("matches({a}, '^[0-9]+|x$')")),
        ]
        .boxed(),
    };
    let either = prop_oneof![
        (bool(), sub(kind), sub(kind)).prop_map(|(c, a, b)| format!("({c} ? {a} : {b})")),
        (sub(kind), sub(kind)).prop_map(|(a, b)| format!("coalesce({a}, {b})")),
    ];
    prop_oneof![1 => leaf(kind), 6 => own, 1 => either].boxed()
}

fn leaf(kind: Type) -> BoxedStrategy<String> {
    let columns = match kind {
        Type::Text => "name|padded|old[.]code|order[.]number|no_text",
        Type::Number => "qty|old[.]qty|price|debt|jde|no_number",
        Type::Bool => "open|old[.]open|no_bool|changed[(]qty[)]",
        Type::Date => "due|old[.]due|no_date",
        _ => "at|old[.]at",
    };
    let literal = match kind {
        Type::Text => "'[a-z0-9,/ ]{1,4}'|\"\\\\u00e4\"",
        Type::Number => "[0-9]{1,3}|[0-9]{1,4}[.][0-9]{1,4}",
        Type::Bool => "true|false",
        Type::Date => "date\\('20[0-9]{2}-0[1-9]-1[0-9]'\\)",
        _ => "instant\\('20[0-9]{2}-0[1-9]-1[0-9] 10:00:00([.][0-9]{1,3})?Z'\\)",
    };
    prop_oneof![3 => columns, 2 => literal, 1 => "null"].boxed()
}

/// The program, unless a constant part cannot be computed: that is what findings are for.
fn compiled(text: &str, wanted: Type) -> Option<Program> {
    let mut findings = Findings::new();
    let expression = Expression::parse(text, &start(), &mut findings);
    let program = expression?.check(wanted, &mut resolve, &mut findings);
    let found = findings.into_vec();
    assert_eq!(program.is_none(), !found.is_empty(), "{text}: {found:?}");
    for finding in found {
        let computed = finding.mend.contains("never be computed");
        let refused =
            finding.problem.contains("a size or place") || finding.problem.contains("is empty");
        assert!(computed || refused, "{text}: {finding:?}");
    }
    program
}

fn canonical(kind: Type, text: &str) -> bool {
    match kind {
        Type::Number => Decimal::parse(text).is_some_and(|number| number.to_string() == text),
        Type::Bool => matches!(text, "true" | "false"),
        Type::Date => day(text).is_some(),
        Type::Instant => Instant::parse(text).is_some_and(|instant| instant.to_string() == text),
        _ => true,
    }
}

fn kind() -> impl Strategy<Value = Type> {
    use Type::{Bool, Date, Instant, Number, Text};
    proptest::sample::select(vec![Text, Number, Bool, Date, Instant])
}

/// Words as they stand in expressions, in any order.
const WORDS: &str = "(name|qty|old\\.|new\\.|\\.|true|null|in|trim|split|matches|changed|'a'|\"b\"|r'\\\\d'|1|2\\.5|1e9|\\(|\\)|\\[|\\]|,|\\?|:|[-+*/%<>!=&|]|==|&&| |`x y`|\\\\|é){0,40}";

proptest! {
    #[test]
    fn any_text_is_an_expression_or_has_findings(text in prop_oneof![".{0,60}", WORDS], kind in kind()) {
        let mut findings = Findings::new();
        let expression = Expression::parse(&text, &start(), &mut findings);
        prop_assert_eq!(expression.is_none(), !findings.is_empty());
        if let Some(expression) = expression {
            expression.check_alone(kind, &mut Findings::new());
            let program = expression.check(kind, &mut resolve, &mut findings);
            prop_assert_eq!(program.is_none(), !findings.is_empty());
            if let Some(program) = program {
                let told = program.text(&Row, &mut String::new()).is_ok();
                prop_assert!(told || program.truth(&Row).is_err());
            }
        }
        for finding in findings.into_vec() {
            let column: usize = finding.subject.rsplit(':').next().unwrap().parse().unwrap();
            let lines = text.matches('\n').count();
            prop_assert!(lines > 0 || (1..=text.chars().count() + 1).contains(&column), "{:?}", finding);
        }
    }

    #[test]
    fn what_is_printed_reads_as_it_did(text in kind().prop_flat_map(|kind| expression(kind, 3))) {
        let (all, needed) = (reprint(&text, Brackets::All), reprint(&text, Brackets::Needed));
        prop_assert_eq!(reprint(&all, Brackets::All), &*all);
        prop_assert_eq!(reprint(&needed, Brackets::All), all);
    }

    #[test]
    fn any_row_gives_a_canonical_text_null_or_an_error(
        (kind, text) in kind().prop_flat_map(|kind| (Just(kind), expression(kind, 3))),
        row in row(),
    ) {
        let Some(program) = compiled(&text, kind) else { return Ok(()) };
        prop_assert_eq!(program.result(), kind);
        let (mut first, mut second) = (String::new(), "x".to_owned());
        let value = program.text(&row, &mut first);
        prop_assert_eq!(&value, &program.text(&row, &mut second), "always the same");
        match &value {
            Ok(Some(text)) => prop_assert!(canonical(kind, text), "{}", text),
            Ok(None) | Err(EvalError::Absent { .. }) => {}
            Err(EvalError::Failed { detail }) => {
                prop_assert!(!detail.contains("expression"), "a type was not what it was checked to be: {}", detail);
            }
        }
        if kind == Type::Bool {
            let truth = value.map(|text| text == Some("true"));
            prop_assert_eq!(program.truth(&row), truth);
        }
    }

    #[test]
    fn the_laws_of_logic_hold_with_three_values(
        a in expression(Type::Bool, 2),
        b in expression(Type::Bool, 2),
        row in row(),
    ) {
        let value = |text: &str| {
            let program = compiled(text, Type::Bool)?;
            Some(program.text(&row, &mut String::new()).map(|text| text.map(str::to_owned)))
        };
        prop_assert_eq!(value(&format!("!({a} && {b})")), value(&format!("!{a} || !{b}")));
        prop_assert_eq!(value(&format!("!({a} || {b})")), value(&format!("!{a} && !{b}")));
        prop_assert_eq!(value(&format!("!!{a}")), value(&a));
    }

    #[test]
    fn one_of_less_equal_greater_holds(
        (a, b) in proptest::sample::select(vec![Type::Text, Type::Number, Type::Date, Type::Instant])
            .prop_flat_map(|kind| (leaf(kind), leaf(kind))),
        row in row(),
    ) {
        let value = |operator: &str| {
            let program = compiled(&format!("{a} {operator} {b}"), Type::Bool)?;
            program.text(&row, &mut String::new()).ok()?.map(|text| text == "true")
        };
        if let Some(less) = value("<") {
            let (equal, greater) = (value("=="), value(">"));
            let holding = [Some(less), equal, greater].iter().filter(|one| **one == Some(true)).count();
            prop_assert_eq!(holding, 1, "{} {}", a, b);
            prop_assert_eq!(value("<="), Some(less || equal == Some(true)));
            prop_assert_eq!(value(">="), greater.map(|greater| greater || equal == Some(true)));
            prop_assert_eq!(value("!="), equal.map(|equal| !equal));
        }
    }

    #[test]
    fn only_the_columns_that_are_named_are_read(text in expression(Type::Text, 3), row in row()) {
        let mut findings = Findings::new();
        let expression = Expression::parse(&text, &start(), &mut findings).unwrap();
        let named: Vec<(Moment, String)> = expression
            .references()
            .map(|reference| (reference.moment, reference.path.join(".")))
            .collect();
        let Some(program) = compiled(&text, Type::Text) else { return Ok(()) };
        // Cells that are not named become absent: nothing changes.
        let cells = row.0.iter().enumerate().map(|(slot, cell)| {
            let moment = if slot < ROW.len() { Moment::New } else { Moment::Old };
            let column = ROW[slot % ROW.len()].0;
            let lookup = column == "origin" && named.contains(&(moment, "order.number".to_owned()));
            let read = lookup || named.contains(&(moment, column.to_owned()));
            if read { cell.clone() } else { Cell::Absent }
        });
        let only = AnyRow(cells.collect());
        let (mut with, mut without) = (String::new(), String::new());
        prop_assert_eq!(program.text(&row, &mut with), program.text(&only, &mut without));
    }
}
