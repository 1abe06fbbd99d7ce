//! Operators, and what they make of nulls and cells the log did not carry.

use super::super::Type;
use super::expect;

#[test]
fn arithmetic_is_exact() {
    expect(
        Type::Number,
        &[
            ("0.1 + 0.2", "0.3"),
            ("qty + price", "15.50"),
            ("qty - 12.5", "0.00"),
            ("qty * price", "37.50"),
            ("qty * 1.10", "13.7500"),
            ("qty / price", "4.16666666666666666667"),
            ("qty / 4", "3.125"),
            ("-qty / 2.5", "-5"),
            ("2 / 3", "0.66666666666666666667"),
            ("-2 / 3", "-0.66666666666666666667"),
            ("7 % 3", "1"),
            ("-7 % 3", "-1"),
            ("7.5 % -2", "1.5"),
            ("-debt", "0.25"),
            ("1 - -1", "2"),
            ("2 + 3 * 4 - 10 / 5", "12"),
            ("(2 + 3) * 4", "20"),
            ("10 - 3 - 2", "5"),
            ("qty / zero", "!`/`: division by zero"),
            ("qty % zero", "!`%`: division by zero"),
            (
                "98765432109876543210987654321098765432 * (price - 2)",
                "98765432109876543210987654321098765432",
            ),
            ("qty * 1e75", "!`*`: the result does not fit 76 digits"),
            ("price * 9e75", "!`*`: the result does not fit 76 digits"),
            ("9e75 + price * 3e75", "!`+`: the result does not fit 76 digits"),
        ],
    );
}

#[test]
fn comparisons_compare_values() {
    expect(
        Type::Bool,
        &[
            ("qty == 12.5", "true"),
            ("qty != 12.50", "false"),
            ("qty > price", "true"),
            ("qty <= 12.500", "true"),
            ("debt < zero", "true"),
            ("code == '000450'", "true"),
            ("'B' < name", "true"),
            ("'Z' < 'a' && 'a' < 'ä'", "true"),
            ("due >= date('2026-11-21')", "true"),
            ("at < instant('2026-11-22T00:00:00+00:30')", "false"),
            ("at == instant('2026-11-21T23:30:00.12Z')", "true"),
            ("open == true", "true"),
            ("open != false", "true"),
            ("price in [1, 2, 3.0]", "true"),
            ("price in [1, 2]", "false"),
            ("code in ['1', '000450']", "true"),
            ("'17' in split(origin, ',')", "true"),
            ("'1' in split(origin, ',')", "false"),
            ("due in [date('2026-11-21')]", "true"),
        ],
    );
}

#[test]
fn null_is_a_value_only_where_equality_is_asked() {
    expect(
        Type::Bool,
        &[
            ("no_text == null", "true"),
            ("no_text != null", "false"),
            ("code == null", "false"),
            ("null != code", "true"),
            ("null == null", "true"),
            ("no_text == no_text", "true"),
            ("no_text == code", "false"),
            ("no_text in ['a', 'b']", "false"),
            ("no_text in ['a', null]", "true"),
            ("code in ['a', null]", "false"),
            ("no_text in split(origin, ',')", "false"),
            ("code in split(no_text, ',')", "null"),
            ("no_number < 1", "null"),
            ("1 >= no_number", "null"),
            ("no_date < due", "null"),
            ("!no_bool", "null"),
            ("no_bool", "null"),
        ],
    );
    expect(
        Type::Number,
        &[
            ("no_number + 1", "null"),
            ("1 - no_number", "null"),
            ("-no_number", "null"),
            ("no_number / zero", "null"),
            ("gone_number + 1", "absent"),
            ("null", "null"),
            ("null + 1", "null"),
        ],
    );
    expect(Type::Text, &[("no_text + 'a'", "null"), ("'a' + gone_text", "absent")]);
}

#[test]
fn and_and_or_know_three_values() {
    expect(
        Type::Bool,
        &[
            ("no_bool && true", "null"),
            ("true && no_bool", "null"),
            ("no_bool && false", "false"),
            ("false && no_bool", "false"),
            ("no_bool || true", "true"),
            ("true || no_bool", "true"),
            ("no_bool || false", "null"),
            ("no_bool && no_bool", "null"),
            ("no_bool || no_bool", "null"),
            ("open && !false", "true"),
            ("open && price == 3 || qty / zero > 1", "true"),
        ],
    );
}

#[test]
fn an_absent_cell_matters_only_where_it_decides() {
    expect(
        Type::Bool,
        &[
            ("gone_bool", "absent"),
            ("!gone_bool", "absent"),
            ("gone_bool && false", "false"),
            ("false && gone_bool", "false"),
            ("gone_bool || true", "true"),
            ("true || gone_bool", "true"),
            ("gone_bool && true", "absent"),
            ("gone_bool || false", "absent"),
            ("no_bool && gone_bool", "absent"),
            ("gone_bool && no_bool", "absent"),
            ("gone_text == null", "absent"),
            ("gone_number in [1]", "absent"),
            ("price in [gone_number, 3]", "true"),
            ("price in [gone_number, 4]", "absent"),
            ("price != 0 && qty / price > 4", "true"),
            ("zero != 0 && qty / zero > 4", "false"),
            ("qty / zero > 4 && false", "!`/`: division by zero"),
        ],
    );
}

#[test]
fn a_choice_evaluates_one_side() {
    expect(
        Type::Text,
        &[
            ("open ? 'yes' : 'no'", "yes"),
            ("no_bool ? 'yes' : 'no'", "no"),
            ("gone_bool ? 'yes' : 'no'", "absent"),
            ("open ? code : gone_text", "000450"),
            ("open ? null : code", "null"),
            ("qty > 20 ? 'a' : qty > 10 ? 'b' : 'c'", "b"),
            ("price < 5 ? qty > 20 ? 'a' : 'b' : 'c'", "b"),
        ],
    );
    expect(Type::Number, &[("zero == 0 ? 0 : qty / zero", "0")]);
}

#[test]
fn old_and_new_are_moments_unless_they_are_columns() {
    expect(
        Type::Number,
        &[
            ("old.price - new.price", "1"),
            ("old.qty", "12.5"),
            ("`price`", "3"),
            ("new.`price`", "3"),
        ],
    );
}
