//! Every function, with what it makes of values, nulls and cells the log did not carry.

use super::super::{EvalError, Type};
use super::{Row, expect, program, value};

#[test]
fn functions_of_text() {
    expect(
        Type::Text,
        &[
            ("trim(padded)", "A1"),
            ("padded.trim().lower()", "a1"),
            ("upper(name)", "BOLT M8, GRÖSSE 2"),
            ("lower('ÄÖ')", "äö"),
            ("code.upper()", "000450"),
            ("substr(name, 0, 4)", "Bolt"),
            ("substr(name, 9)", "größe 2"),
            ("substr(name, 11, 2)", "öß"),
            ("substr(name, 15, 99)", "2"),
            ("substr(name, 99)", ""),
            ("substr(name, 5, 0)", ""),
            ("concat('a', name.substr(0, 1), code)", "aB000450"),
            ("'PO-' + code", "PO-000450"),
            ("split(origin, ',')[1]", "17"),
            ("split(origin, ',')[0]", "purchase.line"),
            ("split(origin, ',')[2]", "null"),
            ("split(upper(origin), 'LINE,')[1]", "17"),
            ("split(empty, ',')[0]", ""),
            ("['a', name, 'c'][1]", "Bolt M8, größe 2"),
            ("['a', 'b'][7]", "null"),
            ("replace(origin, 'purchase', 'sale')", "sale.line,17"),
            ("replace(origin, 'x', 'y')", "purchase.line,17"),
            ("replace('aaa', 'aa', 'b')", "ba"),
            ("lpad('7', 4, '0')", "0007"),
            ("lpad('7', 4)", "   7"),
            ("lpad('7', 6, 'äb')", "äbäbä7"),
            ("rpad('7', 4, '0')", "7000"),
            ("rpad(code, 2)", "000450"),
            ("ltrim0(code)", "450"),
            ("ltrim0('000')", "0"),
            ("ltrim0('')", ""),
            ("ltrim0('0a')", "a"),
            ("text(qty)", "12.50"),
            ("text(debt)", "-0.25"),
            ("text(open)", "true"),
            ("text(due)", "2026-11-21"),
            ("text(at)", "2026-11-21T23:30:00.120Z"),
            ("text(name)", "Bolt M8, größe 2"),
            ("key(price)", "3"),
            ("key('a/b')", "a/b"),
            ("key(code, price)", "000450/3"),
            ("key('a/b', '50%', qty)", "a%2Fb/50%25/12.50"),
            ("json('{\"a\": [1.50, \"x\"]}', 'a.0')", "1.50"),
            ("json('{\"a\": [1.50, \"x\"]}', 'a.1').upper()", "X"),
            ("json('{\"a\": 1}', 'b')", "null"),
            ("order.number", "purchase.line,17"),
        ],
    );
}

#[test]
fn functions_of_conditions() {
    expect(
        Type::Bool,
        &[
            ("origin.startsWith('purchase.line,')", "true"),
            ("startsWith(origin, 'sale')", "false"),
            ("origin.endsWith(',17')", "true"),
            ("origin.contains('.l')", "true"),
            ("origin.contains('')", "true"),
            (r"matches(origin, r'^purchase\.\w+,\d+$')", "true"),
            ("code.matches('^0+$')", "false"),
            ("name.matches('gr..e')", "true"),
            ("changed(qty)", "false"),
            ("changed(price)", "true"),
            ("changed(no_text)", "true"),
            ("changed(no_number)", "false"),
            ("changed(nan)", "true"),
            ("changed(code)", "absent"),
            ("changed(gone_text)", "absent"),
            ("price < old.price && new.price == price", "true"),
        ],
    );
}

#[test]
fn functions_of_numbers() {
    expect(
        Type::Number,
        &[
            ("qty", "12.50"),
            ("debt", "-0.25"),
            ("size(name)", "16"),
            ("size(split(origin, ','))", "2"),
            ("size(['a'])", "1"),
            ("number('-0.50')", "-0.50"),
            ("number(code)", "450"),
            ("number('1e3')", "1000"),
            ("round(2.5)", "3"),
            ("round(-2.5)", "-3"),
            ("round(2.345, 2)", "2.35"),
            ("round(qty, 5)", "12.50"),
            ("round(0.4)", "0"),
            ("abs(debt)", "0.25"),
            ("floor(debt)", "-1"),
            ("ceil(debt)", "0"),
            ("floor(qty)", "12"),
            ("ceil(qty)", "13"),
            ("floor(price)", "3"),
            ("min(qty, price, 7)", "3"),
            ("max(qty, price, 12.500)", "12.50"),
            ("days_between(due, date('2026-12-01'))", "10"),
            ("days_between(due, date('2025-11-21'))", "-365"),
            ("number(name)", "!`number`: the text is not a number"),
            ("nan", "!`nan`: what it holds is not a number"),
            ("old.nan + nan", "!`nan`"),
        ],
    );
}

#[test]
fn functions_of_days_and_instants() {
    expect(
        Type::Date,
        &[
            ("date('2026-11-21')", "2026-11-21"),
            ("date('2026-11-21 10:00:00')", "2026-11-21"),
            ("date('21.11.2026', 'dd.mm.yyyy')", "2026-11-21"),
            ("date(text(jde), 'cyyddd')", "2026-11-21"),
            ("date(at)", "2026-11-21"),
            ("jde_date(jde)", "2026-11-21"),
            ("jde_date('126325')", "2026-11-21"),
            ("jde_date(zero)", "null"),
            ("jde_date(0)", "null"),
            ("jde_date(qty)", "!`jde_date`: the value is not a day as CYYDDD"),
            ("add_days(due, 10)", "2026-12-01"),
            ("add_days(due, -price)", "2026-11-18"),
            ("add_days(due, qty)", "!`add_days`: the days are not a whole number"),
            ("add_days(due, price * 1000000)", "!`add_days`: the day is not in the years"),
            ("add_days(due, price * 1000000000000)", "!`add_days`: the day is not in the years"),
            ("min(due, date('2026-01-01'))", "2026-01-01"),
            ("date(name)", "!`date`: the text is not a day"),
            ("never", "!`never`: what it holds is not a day"),
        ],
    );
    expect(
        Type::Instant,
        &[
            ("at", "2026-11-21T23:30:00.120Z"),
            ("instant('2026-11-21T10:00:00+01:00')", "2026-11-21T09:00:00Z"),
            ("instant('2026-11-21 00:30:00.5-0230')", "2026-11-21T03:00:00.5Z"),
            ("instant('2026-01-01T00:30:00+02')", "2025-12-31T22:30:00Z"),
            ("max(at, instant('2027-01-01T00:00:00Z'))", "2027-01-01T00:00:00Z"),
            ("instant(name)", "!`instant`: the text is not an instant with its zone"),
            ("instant('2026-11-21 10:00:00' + empty)", "!`instant`"),
        ],
    );
}

#[test]
fn coalesce_takes_the_first_that_is_not_null() {
    expect(
        Type::Text,
        &[
            ("coalesce(no_text, name)", "Bolt M8, größe 2"),
            ("coalesce(no_text, null, 'EUR')", "EUR"),
            ("coalesce(no_text, no_text)", "null"),
            ("coalesce(code, gone_text)", "000450"),
            ("coalesce(gone_text, code)", "absent"),
            ("coalesce(null, null)", "null"),
        ],
    );
    expect(Type::Number, &[("coalesce(no_number, 0) + 1", "1")]);
}

/// What functions give and take.
const CALLS: [(Type, &str, &[&str]); 28] = [
    (Type::Text, "trim", &["text"]),
    (Type::Text, "upper", &["text"]),
    (Type::Text, "lower", &["text"]),
    (Type::Text, "substr", &["text", "number", "number"]),
    (Type::Text, "concat", &["text", "text", "text"]),
    (Type::Text, "replace", &["text", "text", "text"]),
    (Type::Bool, "startsWith", &["text", "text"]),
    (Type::Bool, "endsWith", &["text", "text"]),
    (Type::Bool, "contains", &["text", "text"]),
    (Type::Number, "size", &["text"]),
    (Type::Text, "lpad", &["text", "number", "text"]),
    (Type::Text, "rpad", &["text", "number", "text"]),
    (Type::Text, "ltrim0", &["text"]),
    (Type::Number, "number", &["text"]),
    (Type::Text, "text", &["number"]),
    (Type::Text, "key", &["number", "text"]),
    (Type::Text, "key", &["text"]),
    (Type::Date, "date", &["text"]),
    (Type::Instant, "instant", &["text"]),
    (Type::Date, "jde_date", &["number"]),
    (Type::Number, "round", &["number", "number"]),
    (Type::Number, "abs", &["number"]),
    (Type::Number, "floor", &["number"]),
    (Type::Number, "ceil", &["number"]),
    (Type::Number, "min", &["number", "number"]),
    (Type::Text, "max", &["text", "text", "text"]),
    (Type::Number, "days_between", &["date", "date"]),
    (Type::Date, "add_days", &["date", "number"]),
];

/// Every function with null or an absent cell in one place after the other.
#[test]
fn null_and_absent_go_through_every_function() {
    let sound = |kind: &str| match kind {
        "text" => "code",
        "number" => "price",
        _ => "due",
    };
    for (result, name, kinds) in CALLS {
        for place in 0..kinds.len() {
            for (missing, found) in [("no_", "null"), ("gone_", "absent")] {
                if missing == "gone_" && kinds[place] == "date" {
                    continue;
                }
                let given: Vec<String> = (0..kinds.len())
                    .map(|at| {
                        if at == place {
                            format!("{missing}{}", kinds[at])
                        } else {
                            sound(kinds[at]).to_owned()
                        }
                    })
                    .collect();
                expect(result, &[(&format!("{name}({})", given.join(", ")), found)]);
            }
        }
    }
    expect(
        Type::Text,
        &[
            ("split(no_text, ',')[0]", "null"),
            ("split(code, no_text)[0]", "null"),
            ("split(code, ',')[no_number]", "null"),
            ("split(gone_text, ',')[0]", "absent"),
            ("['a', no_text][0]", "null"),
        ],
    );
    expect(Type::Bool, &[("no_text.matches('x')", "null"), ("gone_text.matches('x')", "absent")]);
}

#[test]
fn what_would_swell_fails_instead() {
    expect(
        Type::Text,
        &[
            ("lpad(code, price * 1000000000)", "!`lpad`: a size or place is not a whole number"),
            ("lpad(code, price * 349525, 'ä')", "!`lpad`: the text it makes is longer than 1 MiB"),
            ("rpad(code, qty)", "!`rpad`: a size or place"),
            ("substr(code, -price)", "!`substr`: a size or place"),
            ("substr(code, 0, qty)", "!`substr`"),
            ("split(code, empty)[0]", "!`split`: a text that must have characters is empty"),
            ("replace(code, empty, 'x')", "!`replace`: a text that must have characters is empty"),
            ("lpad(code, 9, empty)", "!`lpad`: a text that must have characters is empty"),
            ("split(code, ',')[-price]", "!`[]`: the place is not a whole number from 0"),
            ("split(code, ',')[qty]", "!`[]`"),
        ],
    );
    let large = "lpad(code, 1000000, 'x')";
    let cases = [
        format!("concat({large}, {large})"),
        format!("{large} + {large}"),
        format!("replace({large}, 'x', 'xx')"),
        format!("key({large}, {large})"),
        format!("upper(replace({large}, 'x', 'ΐ'))"),
    ];
    for case in &cases {
        expect(Type::Text, &[(case, "!longer than 1 MiB")]);
    }
    expect(Type::Number, &[("size(lpad(code, 1000000))", "1000000")]);
}

#[test]
fn only_what_is_made_is_written() {
    let mut scratch = "before".to_owned();
    for text in ["name", "'x'", "split(name, ',')[1]", "trim(padded)", "open ? name : 'y'"] {
        program(text, Type::Text).unwrap().text(&Row, &mut scratch).unwrap().unwrap();
        assert_eq!(scratch, "before", "{text}");
    }
    assert_eq!(program("open", Type::Bool).unwrap().text(&Row, &mut scratch), Ok(Some("true")));
    assert_eq!(scratch, "before");
    program("name + '!'", Type::Text).unwrap().text(&Row, &mut scratch).unwrap();
    assert_eq!(scratch, "Bolt M8, größe 2!");
}

#[test]
fn a_condition_that_is_null_does_not_hold() {
    let truth = |text: &str| program(text, Type::Bool).unwrap().truth(&Row);
    assert_eq!(truth("open"), Ok(true));
    assert_eq!(truth("no_bool"), Ok(false));
    assert_eq!(truth("null"), Ok(false));
    assert_eq!(truth("no_number > 1"), Ok(false));
    assert_eq!(truth("!(no_number > 1)"), Ok(false));
    assert!(matches!(truth("gone_bool"), Err(EvalError::Absent { slot: 21 })));
    assert!(matches!(truth("qty / zero > 1"), Err(EvalError::Failed { .. })));
}

#[test]
fn errors_never_hold_a_value() {
    for text in ["number(name)", "number(split(origin, ',')[0])", "nan * 2", "qty / zero"] {
        let told = format!("{:?}", value(text, Type::Number).unwrap_err());
        for cell in ["Bolt", "purchase", "NaN", "12.5"] {
            assert!(!told.contains(cell), "{told}");
        }
    }
}

#[test]
fn literals_are_told_if_nothing_else_can_come_out() {
    let literals = |text: &str| {
        let program = program(text, Type::Text).unwrap();
        program.literals().map(|texts| texts.into_iter().map(str::to_owned).collect::<Vec<_>>())
    };
    let some = |texts: &[&str]| Some(texts.iter().map(|text| (*text).to_owned()).collect());
    assert_eq!(
        literals("qty >= 5 ? 'complete' : qty > 0 ? 'partial' : 'none'"),
        some(&["complete", "partial", "none"])
    );
    assert_eq!(literals("open ? 'a' : null"), some(&["a"]));
    assert_eq!(literals("coalesce(open ? 'a' : null, 'a')"), some(&["a"]));
    assert_eq!(literals("'a' + 'b'"), some(&["ab"]));
    assert_eq!(literals("null"), some(&[]));
    assert_eq!(literals("open ? 'a' : code"), None);
    assert_eq!(literals("upper(code)"), None);
}
