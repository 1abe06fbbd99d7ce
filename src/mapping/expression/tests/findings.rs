//! What is found when a mapping is loaded: the words, the place and the way to mend it.

use super::super::{Expression, MAX_CHARACTERS, MAX_DEPTH, Moment, Type};
use super::{program, resolve, start, value};
use crate::document::{Document, Findings, Place};

/// Expressions, the column of their one finding, and a part of what it says.
fn refused(wanted: Type, cases: &[(&str, usize, &str)]) {
    for (text, column, problem) in cases {
        let found = program(text, wanted).expect_err(text);
        let told: Vec<String> =
            found.iter().map(|one| format!("{}: {}", one.subject, one.problem)).collect();
        assert_eq!(found.len(), 1, "{text}: {told:?}");
        assert_eq!(found[0].subject, format!("m.yaml:1:{column}"), "{text}: {told:?}");
        assert!(found[0].problem.contains(problem), "{text}: {told:?}");
        assert!(!found[0].mend.is_empty(), "{text}");
    }
}

#[test]
fn what_is_not_an_expression() {
    refused(
        Type::Bool,
        &[
            ("", 1, "the expression ends where a value is expected"),
            ("qty >", 6, "the expression ends where a value is expected"),
            ("qty > 1 1", 9, "a number stands where an operator or the end is expected"),
            ("(qty > 1", 9, "the expression ends where `)` is expected"),
            ("qty > 1)", 8, "`)` stands where an operator or the end is expected"),
            ("price in [1 2]", 13, "a number stands where `,` or `]` is expected"),
            ("open ? true", 12, "where `:` and the other value is expected"),
            ("open and true", 6, "`and` stands where an operator"),
            ("qty = 1", 5, "`=` is not a sign"),
            ("qty <> 1", 5, "`<>` is not a sign"),
            ("name == 'x", 9, "no end"),
            ("trim(name.) == ''", 11, "`)` stands where a name after `.` is expected"),
            ("'a'.b == 1", 5, "only a column can be followed by `.name`"),
            ("trim(name).x", 12, "only a column can be followed by `.name`"),
            ("in == 1", 1, "`in` stands where a value is expected"),
            ("changed()", 1, "`changed` takes one column"),
            ("changed(1)", 1, "`changed` takes one column"),
            ("changed(old.qty)", 1, "`changed` takes one column"),
            ("changed(qty, price)", 1, "`changed` takes one column"),
            ("open && changed(qty + 1)", 9, "`changed` takes one column"),
            ("1.5.x == 1", 5, "only a column"),
        ],
    );
}

#[test]
fn types_that_do_not_fit() {
    refused(
        Type::Bool,
        &[
            ("\"10\" + 5 == 15", 6, "`+` cannot take a text and a number"),
            ("code == 450", 6, "`==` cannot take a text and a number"),
            ("code != due", 6, "`!=` cannot take a text and a date"),
            ("name < 5", 6, "`<` cannot take a text and a number"),
            ("due < at", 5, "`<` cannot take a date and a instant"),
            ("open < true", 6, "`<` cannot take a bool"),
            ("1 < 2 < 3", 7, "`<` cannot take a bool and a number"),
            ("split(code, ',') == split(code, ',')", 18, "`==` cannot take a list of text"),
            ("due + 1 == due", 5, "`+` cannot take a date and a number"),
            ("due - due == 1", 5, "`-` cannot take a date"),
            ("code * code == 1", 6, "`*` cannot take a text"),
            ("open + open", 6, "`+` cannot take a bool"),
            ("-code == 1", 2, "`-` takes a number, this is a text"),
            ("!qty", 2, "`!` takes a bool, this is a number"),
            ("open && qty", 9, "`&&` takes a bool, this is a number"),
            ("qty || open", 1, "`||` takes a bool, this is a number"),
            ("qty", 1, "the expression gives a number, a bool is wanted"),
            ("qty ? open : open", 1, "the condition before `?` takes a bool"),
            ("open ? open : qty", 15, "one side of `:` is a bool, the other a number"),
            ("price in ['1', 2, 3]", 11, "the list has a text, the value is a number"),
            ("price in code", 10, "`in` takes a list of text, this is a text"),
            ("price in split(code, ',')", 1, "`in` a list of text takes a text, this is a number"),
            ("split(code, ',') in ['a']", 1, "a list cannot be in a list"),
            ("price in []", 10, "the list is empty"),
            ("code[0] == 'a'", 1, "`[...]` takes a list of text, this is a text"),
            ("split(code, ',')['0'] == 'a'", 18, "the place in `[...]` takes a number"),
            ("split(code, ',')[-1] == 'a'", 18, "not a whole number"),
            ("[1, 'a'][1] == 'a'", 2, "a list takes a text, this is a number"),
        ],
    );
}

#[test]
fn one_finding_per_mistake_and_all_at_once() {
    refused(
        Type::Bool,
        &[
            ("(code + 5) * 2 > 1", 7, "`+` cannot take"),
            ("nam == 'x' && true", 1, "no column `nam`"),
            ("trim(nam).upper() == code", 6, "no column `nam`"),
        ],
    );
}

#[test]
fn all_mistakes_are_found_at_once() {
    let found = program("nam == 'x' && (code == 1 || trimm(qty) == '')", Type::Text).unwrap_err();
    let places: Vec<&str> = found.iter().map(|one| one.subject.as_str()).collect();
    assert_eq!(places, ["m.yaml:1:1", "m.yaml:1:21", "m.yaml:1:29", "m.yaml:1:1"]);
}

#[test]
fn functions_and_what_they_are_given() {
    refused(
        Type::Bool,
        &[
            ("startWith(name, 'x')", 1, "there is no function `startWith`"),
            ("open && name.lenght() > 1", 14, "there is no function `lenght`"),
            ("trim() == ''", 1, "`trim` takes 1, and is given 0 values"),
            ("name.trim('x') == ''", 6, "`trim` takes 1, and is given 2 values"),
            ("lpad(name) == ''", 1, "`lpad` takes 2 or 3, and is given 1 values"),
            ("concat('a') == ''", 1, "`concat` takes at least 2, and is given 1 values"),
            ("trim(qty) == ''", 6, "`trim` takes a text here, this is a number"),
            ("round(1, '2') == 1", 10, "`round` takes a number here, this is a text"),
            ("number(qty) == 1", 8, "`number` takes a text here, this is a number"),
            ("size(due) == 1", 6, "`size` takes a text or list of text here, this is a date"),
            ("min(qty, code) == 1", 10, "`min` takes values of one type, not number and text"),
            ("coalesce(null, qty, due) == 1", 21, "`coalesce` takes values of one type"),
            ("name.matches('a(b')", 14, "the pattern cannot be read: unclosed group"),
            (
                "name.matches('(a)\\\\1')",
                14,
                "the pattern cannot be read: backreferences are not supported",
            ),
            ("name.matches(code)", 14, "`matches`: it must be a text in quotes"),
            ("name.matches('\\\\w{300}{300}')", 14, "the pattern cannot be read"),
            ("date(name, 'ddmmyy') == due", 12, "there is no date format `ddmmyy`"),
            ("date(name, code) == due", 12, "`date`: it must be a text in quotes"),
            ("date(at, 'iso') == due", 10, "`date` takes a format only for a text"),
            ("split(name, '')[0] == 'x'", 13, "`split`: a text that must have characters is empty"),
            ("lpad(name, -1) == 'x'", 12, "`lpad`: a size or place"),
            ("substr(name, 1.5) == 'x'", 14, "`substr`: a size or place"),
            ("size(lpad('x', 1000000000)) == 1", 16, "`lpad`: a size or place"),
        ],
    );
}

#[test]
fn a_slip_of_the_pen_gets_a_suggestion() {
    let mend = |text: &str| program(text, Type::Bool).unwrap_err()[0].mend.clone();
    assert_eq!(mend("startWith(name, 'x')"), "did you mean `startsWith`?");
    assert_eq!(mend("chnaged(name)"), "did you mean `changed`?");
    assert!(mend("frobnicate(name)").starts_with("the functions are trim, upper,"));
    assert_eq!(mend("lpad(name) == ''"), "write `lpad(text, size[, fill])`");
    assert_eq!(mend("date(name, 'yyymmdd') == due"), "did you mean `yyyymmdd`?");
    assert_eq!(mend("code == 450"), "write the number in quotes, or `number(...)` around the text");
    assert_eq!(mend("due > '2026-01-01'"), "write `date(...)` around the text");
    assert_eq!(mend("due - due == 1"), "write `days_between(from, to)` or `add_days(date, -1)`");
    assert_eq!(mend("name == 'a' or open"), "write `||`");
}

#[test]
fn constant_parts_are_computed_when_the_mapping_is_loaded() {
    refused(
        Type::Bool,
        &[
            ("qty > 1 / 0", 9, "`/`: division by zero"),
            ("due > date('2026-02-30')", 7, "`date`: the text is not a day"),
            ("qty > number('x')", 7, "`number`: the text is not a number"),
            ("qty > 9e75 * 9e75", 12, "`*`: the result does not fit 76 digits"),
            ("at > instant('2026-11-21 10:00:00')", 6, "`instant`: the text is not an instant"),
        ],
    );
}

#[test]
fn without_columns_what_can_be_said_is_said() {
    let found = |text: &str, wanted| {
        let mut findings = Findings::new();
        let expression = Expression::parse(text, &start(), &mut findings).unwrap();
        expression.check_alone(wanted, &mut findings);
        findings.into_vec().into_iter().map(|one| one.subject).collect::<Vec<_>>()
    };
    let sound = [
        "a + b > c",
        "a.b.c",
        "a in [b, 'x']",
        "a in b",
        "split(a, b)[c] == d",
        "changed(a)",
        "x ? y : z",
        "coalesce(a, b)",
        "min(a, b) == c",
        "date(a, 'iso') == b",
    ];
    for text in sound {
        assert_eq!(found(text, Type::Bool), [""; 0], "{text}");
    }
    assert_eq!(found("\"10\" + 5", Type::Number), ["m.yaml:1:6"]);
    assert_eq!(found("a + 5 == 'x'", Type::Bool), ["m.yaml:1:7"]);
    assert_eq!(found("upper(a) == size(b)", Type::Bool), ["m.yaml:1:10"]);
    assert_eq!(found("frob(a)", Type::Bool), ["m.yaml:1:1"]);
    assert_eq!(found("a.matches('(')", Type::Bool), ["m.yaml:1:11"]);
    assert_eq!(found("trim(a)", Type::Number), ["m.yaml:1:1"]);
    assert_eq!(found("1 / 0", Type::Number), ["m.yaml:1:3"]);
}

#[test]
fn length_and_depth_are_bounded() {
    let long = format!("{}1", "1+".repeat(MAX_CHARACTERS / 2));
    let chain = format!("{}1", "1+".repeat(MAX_DEPTH));
    let brackets = format!("{}1{}", "(".repeat(MAX_DEPTH), ")".repeat(MAX_DEPTH));
    let signs = format!("{}1", "-".repeat(MAX_DEPTH));
    let choices = "open ? 1 : ".repeat(MAX_DEPTH) + "1";
    let calls = format!("{}'1'{}", "trim(".repeat(MAX_DEPTH), ")".repeat(MAX_DEPTH));
    for text in [&chain, &brackets, &signs, &choices, &calls] {
        let found = program(text, Type::Number).unwrap_err();
        assert!(found[0].problem.contains("levels"), "{found:?}");
    }
    assert!(program(&long, Type::Number).unwrap_err()[0].problem.contains("4096 characters"));
    let deepest = [
        format!("{}qty", "1+".repeat(MAX_DEPTH - 1)),
        format!("{}qty{}", "(".repeat(MAX_DEPTH - 1), ")".repeat(MAX_DEPTH - 1)),
        format!("{}qty", "-".repeat(MAX_DEPTH - 1)),
        "open ? 1 : ".repeat(MAX_DEPTH - 1) + "qty",
        format!("number({}code{})", "trim(".repeat(MAX_DEPTH - 2), ")".repeat(MAX_DEPTH - 2)),
    ];
    for text in deepest {
        assert!(matches!(value(&text, Type::Number), Ok(Some(_))), "{text}");
    }
}

#[test]
fn the_place_is_inside_the_scalar() {
    let places = |yaml: &str| {
        let node = Document::parse("m.yaml", yaml).unwrap();
        let mut findings = Findings::new();
        let node = node.fields(&["if"], &mut findings).unwrap().get("if").unwrap();
        let expression = Expression::of(node, &mut findings);
        expression.map(|expression| expression.check(Type::Bool, &mut resolve, &mut findings));
        findings.into_vec().into_iter().map(|one| one.subject).collect::<Vec<_>>()
    };
    assert_eq!(places("if: qty > nam"), ["m.yaml:1:11"]);
    assert_eq!(places("if: 'größe == \"ä\" && qty > nam'"), ["m.yaml:1:6", "m.yaml:1:28"]);
    assert_eq!(places("if: |\n  qty > 1\n    && nam > 2\n"), ["m.yaml:3:8"]);
    assert_eq!(places("if: [a]"), ["m.yaml:1:5"]);
    assert_eq!(places("if: 'qty > 1'"), [""; 0]);
}

#[test]
fn references_are_told_with_their_moment() {
    let mut findings = Findings::new();
    let text = "changed(a) && old.b == new.c && order.supplier.code in [old, `x y`, `old`.z]";
    let expression = Expression::parse(text, &start(), &mut findings).unwrap();
    let told: Vec<(Moment, String, usize)> = expression
        .references()
        .map(|one| (one.moment, one.path.join("."), one.place.column))
        .collect();
    let expected = [
        (Moment::New, "a", 9),
        (Moment::Old, "a", 9),
        (Moment::Old, "b", 15),
        (Moment::New, "c", 24),
        (Moment::New, "order.supplier.code", 33),
        (Moment::New, "old", 57),
        (Moment::New, "x y", 62),
        (Moment::New, "old.z", 69),
    ];
    assert_eq!(told, expected.map(|(moment, path, column)| (moment, path.to_owned(), column)));
    let place = Place { column: 9, ..start() };
    assert_eq!(expression.references().next().unwrap().place, place);
}
