//! What people get wrong in files, and what ERPs get wrong in rows: each is told with its place and
//! what to do, none is guessed at, and none makes the bridge stumble.

use std::sync::Arc;
use std::time::{Duration, Instant};

use erpbridge_connector::{
    BatchBuilder, Column, ColumnKind, Operation, Position, ReplicaIdentity, Sequence, TableName,
    TableSchema, Timestamp, Transaction, Value,
};

use super::{FULL, line, orders, problems, run, with};
use crate::canonical::EventBatch;
use crate::deadletter::Reason;
use crate::document::MAX_BYTES;
use crate::mapping::{Desk, Mapping, MemoryRows, contradictions};
use crate::pipeline::{Plans, convert_whole};

/// The first finding of a text.
fn first(text: &str) -> String {
    problems(text).into_iter().next().unwrap_or_default()
}

#[test]
fn text_that_is_no_yaml_is_refused_where_it_breaks_and_says_what_to_do() {
    let head = "mapping: m\ncompany: { constant: a }\n";
    for (text, place, problem) in [
        ("tables:\n\tt: { table: a.b }\n", "m.yaml:4:1", "the line is indented with a tab"),
        ("tables:\n  t:\n  \ttable: a.b\n", "m.yaml:5:", "the line is indented with a tab"),
        ("codes: { a: \"open }\n", "m.yaml:", "not readable as YAML"),
        ("codes: { a: 'open }\n", "m.yaml:", "not readable as YAML"),
        ("codes: { a: [1, 2 }\n", "m.yaml:", "not readable as YAML"),
        ("codes:\n  a: 1\n b: 2\n", "m.yaml:", "not readable as YAML"),
        ("codes: a: b\n", "m.yaml:", "not readable as YAML"),
        ("codes: &c { a: b }\n", "m.yaml:3:8", "anchors (`&name`) are not read"),
        ("codes: *c\n", "m.yaml:", "YAML"),
        ("codes: !!map { a: b }\n", "m.yaml:3:8", "tags (`!name`) are not read"),
        ("---\nmapping: other\n", "m.yaml:3:1", "a second document begins here"),
        ("codes: { [a]: b }\n", "m.yaml:3:10", "a list or map cannot be a key"),
        ("codes: { a: \"\\q\" }\n", "m.yaml:3:", "not readable as YAML"),
        ("codes: @x\n", "m.yaml:3:", "not readable as YAML"),
    ] {
        let found = first(&format!("{head}{text}"));
        assert!(found.starts_with(place) && found.contains(problem), "{text}\n{found}");
        assert!(found.contains("; "), "it says what to do: {found}");
    }
}

#[test]
fn a_key_written_twice_is_refused_at_the_second_wherever_it_stands() {
    for (part, place) in [
        ("company: { constant: b }\n", "m.yaml:3:1"),
        ("tables: { t: { table: a.b, table: a.c } }\n", "m.yaml:3:28"),
        ("codes: { s: { A: open, A: closed, '*': dead_letter } }\n", "m.yaml:3:24"),
    ] {
        let found = problems(&format!("mapping: m\ncompany: {{ constant: a }}\n{part}")).join("\n");
        assert!(found.contains(place) && found.contains("twice"), "{part}\n{found}");
    }
}

#[test]
fn a_value_of_the_wrong_kind_is_a_finding_at_its_place_and_the_rest_is_read() {
    let text = "mapping: [m]\ncompany: acme\ntables: [a, b]\ncodes: { s: open }\nevents: { emit: x }\nlinks: 7\n";
    let found = problems(text).join("\n");
    for place in ["m.yaml:1:", "m.yaml:2:", "m.yaml:3:", "m.yaml:4:", "m.yaml:5:", "m.yaml:6:"] {
        assert!(found.contains(place), "{place}\n{found}");
    }
    let wrong = orders(FULL).replace("ignore: [touched]", "ignore: { touched: yes }");
    assert!(first(&wrong).starts_with("m.yaml:"), "{}", first(&wrong));
}

#[test]
fn a_file_that_holds_no_mapping_is_told_as_that() {
    for text in ["", "# nothing\n", "7", "[1, 2]", "just words\n"] {
        let found = problems(text).join("\n");
        assert!(!found.is_empty(), "{text:?}");
    }
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("m.yaml");
    std::fs::write(&path, b"mapping: \xff\xfe\n").unwrap();
    let found = Mapping::load(std::slice::from_ref(&path)).unwrap_err();
    assert!(found[0].problem.contains("cannot be read"), "{found:?}");
}

/// Texts made to make a reader swell, recurse or run for ever.
#[test]
fn a_bomb_is_refused_at_once() {
    let n = 100_000;
    let bombs = [
        "[".repeat(n),
        "{".repeat(n),
        "{a: ".repeat(n),
        "- ".repeat(n),
        "? ".repeat(n),
        "[{a: ".repeat(n),
        (0..2000).flat_map(|depth| [" ".repeat(depth), "a:\n".to_owned()]).collect(),
        "#".repeat(MAX_BYTES + 1),
        format!("mapping: {}", "x".repeat(MAX_BYTES)),
        format!("a: &a [x]\n{}", "b: [*a, *a]\n".repeat(1000)),
        "\"".repeat(n),
        "a: |\n".repeat(n),
    ];
    for bomb in bombs {
        let start = Instant::now();
        let found = Mapping::from_texts(&[("m.yaml", &bomb)]).unwrap_err();
        let head: String = bomb.chars().take(9).collect();
        assert!(!found.is_empty(), "{head}");
        assert!(start.elapsed() < Duration::from_secs(20), "{head}: {:?}", start.elapsed());
    }
}

#[test]
fn two_mappings_that_claim_one_axis_of_one_company_are_refused_and_a_replica_is_not() {
    let mapping = |name: &str, company: &str, voice: &str| {
        let text = format!(
            "mapping: {name}\ncompany: {{ constant: {company} }}\n\
             authority:\n  procurement.purchaseorder: {{ lifecycle: {voice} }}\n\
             tables: {{ t{name}: {{ table: a.b, deleted: ignore }} }}\n\
             events:\n  - {{ emit: procurement.purchaseorder.closed, rule: {name}, on: t{name}, \
             when: updated, fields: {{ supplier: su }} }}\n"
        );
        Mapping::from_texts(&[("m.yaml", &text)]).unwrap()
    };
    let (one, other) = (mapping("a", "acme", "owner"), mapping("b", "acme", "owner"));
    let found = contradictions([&one, &other]);
    assert_eq!(
        found[0].problem,
        "two mappings speak for `lifecycle` of `procurement.purchaseorder`"
    );
    assert!(found[0].mend.contains("replica"), "{found:?}");
    for fine in [mapping("b", "acme", "replica"), mapping("b", "globe", "owner")] {
        assert_eq!(contradictions([&one, &fine]), []);
    }
}

#[test]
fn lookups_that_could_run_in_circles_are_refused() {
    let text = |lookups: &str, from: &str| {
        format!(
            "mapping: m\ncompany: {{ constant: a }}\ntables:\n  t:\n    table: a.t\n    deleted: ignore\n    \
             lookups: {lookups}\nevents:\n  - {{ emit: procurement.purchaseorder.closed, on: t, when: \
             updated, fields: {{ supplier: {from} }} }}\n"
        )
    };
    let leaning = text("{ up: { to: t, by: down.x }, down: { to: t, by: up.x } }", "up.y");
    let found = problems(&leaning).join("\n");
    assert!(found.contains("a lookup cannot lean on another one"), "{found}");
    let path = format!("{}supplier", "up.".repeat(9));
    let found = problems(&text("{ up: { to: t, by: parent } }", &path)).join("\n");
    assert!(found.contains("the path goes over more than 8 lookups"), "{found}");
    let path = format!("{}supplier", "up.".repeat(8));
    assert_eq!(problems(&text("{ up: { to: t, by: parent } }", &path)), Vec::<String>::new());
    let nowhere = problems(&text("{ up: { to: tt, by: parent } }", "up.y")).join("\n");
    assert!(nowhere.contains("there is no table `tt` in this mapping"), "{nowhere}");
}

#[test]
fn how_long_a_change_waits_must_be_a_time() {
    let text = |missing: &str| {
        orders(FULL).replace(
            "    deleted: physical\n",
            &format!(
                "    deleted: physical\n    lookups: {{ up: {{ to: orders, by: no, missing: {missing} }} }}\n"
            ),
        )
    };
    for fine in ["wait", "{ wait: 3d }", "{ wait: 90s }", "null", "dead_letter"] {
        assert_eq!(problems(&text(fine)), Vec::<String>::new(), "{fine}");
    }
    for wrong in ["{ wait: 3 }", "{ wait: -1d }", "{ wait: [3d] }"] {
        assert!(first(&text(wrong)).contains("a length of time"), "{}", first(&text(wrong)));
    }
    for wrong in ["{ wait: 0s }", "{ wait: 367d }", "{ wait: 99999999999999d }"] {
        assert!(first(&text(wrong)).contains("that short or that long"), "{}", first(&text(wrong)));
    }
    assert!(first(&text("wiat")).contains("did you mean `wait`?"));
    assert!(problems(&text("{ wiat: 3d }")).join("\n").contains("unknown key `wiat`"));
}

#[test]
fn a_row_with_an_unknown_unit_is_a_dead_letter() {
    let rules = "
  - emit: procurement.purchaseorderline.added
    on: orders
    when: inserted
    fields:
      order: su
      quantity: { value: { from: weight, float: { scale: 3 } }, unit: cur }
  - { emit: procurement.purchaseorder.deleted, on: orders, when: deleted }
";
    let batch = run(rules, Operation::Insert, None, Some(with(&[(7, "PCE")])));
    let [letter] = batch.dead_letters.as_slice() else { panic!("{:?}", batch.dead_letters) };
    assert_eq!(letter.reason, Reason::Decode);
    assert!(!letter.detail.contains("PCE"), "no value in a sentence: {}", letter.detail);
    assert_eq!(letter.row["after"]["cur"], "PCE");
}

#[test]
fn a_conversion_by_nothing_is_refused() {
    let rules = |convert: &str| {
        FULL.replacen("value: tot,", &format!("value: {{ from: tot, convert: {convert} }},"), 1)
    };
    for by in ["{ factor: 0 }", "{ factor: -0.00 }", "{ numerator: 1, denominator: 0, scale: 2 }"] {
        let found = first(&orders(&rules(by)));
        assert!(found.contains("converted by nothing"), "{by}: {found}");
    }
    assert_eq!(problems(&orders(&rules("{ factor: 0.001 }"))), Vec::<String>::new());
}

const SITES: &str = "
mapping: sites
company: { constant: acme }
plant: { column: site }
tables: { items: { table: s.item, deleted: ignore } }
events:
  - { emit: masterdata.item.upserted, on: items, when: [inserted, updated], fields: { description: text } }
";

fn table(name: &str) -> Arc<TableSchema> {
    let column = |name: &str| Column {
        name: name.into(),
        kind: ColumnKind::Text,
        type_name: "text".into(),
        missing_in_log: false,
    };
    Arc::new(TableSchema {
        name: TableName::new("s", name),
        columns: ["id", "site", "text"].map(column).to_vec(),
        primary_key: vec![0],
        identity: ReplicaIdentity::Full,
    })
}

/// Inserts items of these sites, one transaction each.
fn insert(mapping: &str, rows: &mut MemoryRows, desk: &mut Desk, sites: &[&str]) -> EventBatch {
    let mapping = Arc::new(Mapping::from_texts(&[("m.yaml", mapping)]).unwrap());
    let (table, mut batch) = (table("item"), BatchBuilder::new());
    for (number, site) in (1_u64..).zip(sites) {
        batch.begin(Transaction {
            id: "1".into(),
            sequence: Sequence::new(format!("{number:016X}")),
            committed_at: Timestamp::default(),
            resume: Position::new("1"),
            complete: true,
            snapshot: false,
            seed: false,
        });
        let id = number.to_string();
        let row = [Value::Text(&id), Value::Text(site), Value::Text("x")];
        batch.change(&table, Operation::Insert, 1).after(row);
    }
    let mut plans = Plans::new("erp1", mapping, Vec::new());
    convert_whole(&batch.finish(), &mut plans, rows, desk).unwrap()
}

#[test]
fn a_second_value_under_a_subject_token_is_a_dead_letter_also_after_a_restart() {
    let (mut rows, mut desk) = (MemoryRows::new(), Desk::default());
    let batch = insert(SITES, &mut rows, &mut desk, &["Main 1", "Main.1", "Main 1 ", "m30"]);
    assert_eq!((batch.len(), batch.dead_letters.len()), (3, 1));
    assert_eq!(batch.dead_letters[0].reason, Reason::Collision);
    assert!(batch.dead_letters[0].detail.contains("column `site`"));
    // The one that was first keeps it, whichever comes first then.
    let batch = insert(SITES, &mut rows, &mut Desk::default(), &["Main.1", "M30", "Main 1"]);
    assert_eq!((batch.len(), batch.dead_letters.len()), (1, 2));
}

#[test]
fn an_alias_may_not_be_taken_by_a_value_that_passes() {
    let aliased = SITES.replace("site }", "site, aliases: { '01': north, '*': pass } }");
    let (mut rows, mut desk) = (MemoryRows::new(), Desk::default());
    let batch = insert(&aliased, &mut rows, &mut desk, &["01", "North", "South"]);
    assert_eq!((batch.len(), batch.dead_letters.len()), (2, 1));
    let closed = SITES.replace("site }", "site, aliases: { '01': north, '*': dead_letter } }");
    let batch = insert(&closed, &mut MemoryRows::new(), &mut Desk::default(), &["01", "North"]);
    assert_eq!(batch.dead_letters[0].reason, Reason::UnknownCode);
}

#[test]
fn two_tables_whose_names_give_one_company_are_refused() {
    let text = r"
mapping: companies
company: { capture: company }
tables: { items: { pattern: 's\.(?<company>.+)\$Item', deleted: ignore } }
events:
  - { emit: masterdata.item.upserted, on: items, when: [inserted, updated], fields: { description: text } }
";
    let mapping = Mapping::from_texts(&[("m.yaml", text)]).unwrap();
    let (one, other) = (table("A Ltd$Item"), table("A-Ltd$Item"));
    let third = table("A.Ltd.$Item");
    assert!(mapping.bind("erp1", &one, &[Arc::clone(&one), other]).is_ok(), "these differ");
    let found = mapping.bind("erp1", &one, &[Arc::clone(&one), third]).unwrap_err();
    let found: Vec<String> = found.iter().map(line).collect();
    assert!(found[0].contains("`A.Ltd.` and `A Ltd` would both be `a_ltd`"), "{found:?}");
    let aliased = text.replace(
        "capture: company }",
        "capture: company, aliases: { 'A Ltd': a, 'A.Ltd.': b, '*': dead_letter } }",
    );
    let mapping = Mapping::from_texts(&[("m.yaml", &aliased)]).unwrap();
    assert!(mapping.bind("erp1", &one, &[Arc::clone(&one), table("A.Ltd.$Item")]).is_ok());
}
