//! What is wrong with a mapping is found before it runs, all at once.

use std::sync::Arc;

use erpbridge_connector::{ReplicaIdentity, TableName, TableSchema};

use super::{FULL, line, orders, problems, schema};
use crate::mapping::Mapping;

fn misfits(rules: &str, identity: ReplicaIdentity) -> Vec<String> {
    let text = orders(rules);
    let mapping = Mapping::from_texts(&[("m.yaml", &text)]).unwrap();
    let bound = mapping.bind("erp1", &schema(identity), &[]);
    bound.err().unwrap_or_default().iter().map(line).collect()
}

#[test]
fn columns_that_do_not_exist_or_fit_are_found_when_binding() {
    let rules = "
  - emit: procurement.purchaseorder.created
    on: orders
    when: inserted
    number: computed
    fields:
      supplier: suu
      required_date: touched
      total: { value: weight, currency: cur }
      held: hold
      revision: no
  - emit: procurement.purchaseorder.closed
    on: orders
    when: inserted
    effective: touched
    fields: { supplier: su, required_date: weight }
  - { emit: procurement.purchaseorder.deleted, on: orders, when: deleted }
";
    let found = misfits(rules, ReplicaIdentity::Full).join("\n");
    for part in [
        "the log does not carry the generated column `computed`",
        "table `erp.po` has no column `suu`; did you mean `su`?",
        "column `weight` (float64) is a binary float",
        "column `hold` (text) is no truth value",
        "column `touched` (localtimestamp) is a local time; say its zone",
        "column `weight` (float64) holds no days",
    ] {
        assert!(found.contains(part), "{part}\n{found}");
    }
    assert_eq!(found.lines().count(), 6, "{found}");
}

#[test]
fn rules_that_need_old_rows_refuse_a_log_that_carries_keys_only() {
    let found = misfits(FULL, ReplicaIdentity::Key).join("\n");
    for part in [
        "the filter needs the old value of `kind`",
        "`changed` needs the old value of `su`",
        "the transition needs the old value of `st`",
        "the event of a delete needs the old value of `co`",
    ] {
        assert!(found.contains(part), "{part}\n{found}");
    }
}

#[test]
fn all_findings_come_at_once_with_their_places() {
    let text = "
mapping: shop
compny: { constant: x }
company: { constant: A.B }
tables:
  orders: { table: po, key: [] }
  lines: { table: erp.line }
codes:
  states: { D: drafft }
events:
  - emit: procurement.purchaseorder.relesed
    on: orders
    when: inserted
  - emit: procurement.purchaseorder.released
    on: line
    when: [updated, read]
    transition: { column: st, codes: statse, to: released }
    fields: { suplier: su, currency: { from: c, float: { scale: 2 } } }
";
    let found = problems(text).join("\n");
    for part in [
        "m.yaml:3:1: unknown key `compny`; did you mean `company`?",
        "m.yaml:4:22: `A.B` cannot stand in a subject; write `a_b`",
        "m.yaml:6:20: `po` does not name a table",
        "m.yaml:9:11: code table `states` does not say what an unknown code becomes",
        "there is no event `procurement.purchaseorder.relesed`; did you mean `procurement.purchaseorder.released`?",
        "there is no table `line` in this mapping; did you mean `lines`?",
        "rows found by a snapshot are not a change; write `snapshot: true`",
        "there is no code table `statse`; did you mean `states`?",
        "unknown key `suplier`; did you mean `supplier`?",
        "`float` does not fit this field",
        "needs the field `supplier`",
    ] {
        assert!(found.contains(part), "{part}\n\n{found}");
    }
}

#[test]
fn an_event_that_an_entity_does_not_have_is_told_with_those_it_has() {
    let found = problems(&orders(
        "
  - { emit: procurement.goodsreceipt.undone, on: orders, when: updated }
  - { emit: procurement.purchaseorder.deleted, on: orders, when: deleted }
",
    ));
    let told = "there is no event `procurement.goodsreceipt.undone`; write one of: \
                procurement.goodsreceipt.corrected, procurement.goodsreceipt.posted, \
                procurement.goodsreceipt.reversed";
    assert!(found.join("\n").contains(told), "{found:#?}");
}

#[test]
fn states_are_checked_against_the_event_and_the_code_table() {
    let rules = "
  - emit: procurement.purchaseorder.released
    on: orders
    transition: { column: st, codes: lifecycle, axis: lifecycle, to: relesed }
    fields: { supplier: su, receipt_status: { from: st, code: lifecycle } }
  - { emit: procurement.purchaseorder.deleted, on: orders, when: deleted }
";
    let found = problems(&orders(rules)).join("\n");
    assert!(
        found.contains("code table `lifecycle` never gives `relesed`; did you mean `released`?"),
        "{found}"
    );
    assert!(found.contains("`draft` is not one of none, partial, complete, over"), "{found}");
}

#[test]
fn what_a_delete_means_must_be_said_and_kept() {
    let rule = "
  - emit: procurement.purchaseorder.closed
    on: orders
    when: updated
    fields: { supplier: su }
";
    let silent = orders(rule).replace("    deleted: physical\n", "");
    assert!(
        problems(&silent)
            .join("\n")
            .contains("what does it mean when a row of `orders` is deleted?")
    );
    assert!(
        problems(&orders(rule))
            .join("\n")
            .contains("no rule says that a row of `orders` was deleted")
    );
    let wrong = format!(
        "{rule}  - {{ emit: procurement.purchaseorder.cancelled, on: orders, when: deleted }}\n"
    );
    assert!(
        problems(&orders(&wrong)).join("\n").contains("is not what `orders` says a delete means")
    );
    let created = format!(
        "{rule}  - {{ emit: procurement.purchaseorder.created, on: orders, when: deleted }}\n"
    );
    assert!(problems(&orders(&created)).join("\n").contains("a deleted row is not"));
}

#[test]
fn a_directory_is_all_its_mapping_files_and_no_cases() {
    let directory = tempfile::tempdir().unwrap();
    let text = orders(FULL);
    let (head, events) = text.split_once("events:").unwrap();
    let write = |name: &str, text: &str| std::fs::write(directory.path().join(name), text).unwrap();
    write("a.yaml", head);
    write("b.yml", &format!("mapping: shop\nevents:{events}"));
    write("orders.cases.yaml", "not a mapping");
    write("notes.txt", "not a mapping");
    let mapping = Mapping::load(&[directory.path().to_owned()]).unwrap();
    assert_eq!(mapping.event_types().len(), 5);
    let missing = directory.path().join("missing.yaml");
    let findings = Mapping::load(std::slice::from_ref(&missing)).unwrap_err();
    assert_eq!(findings[0].subject, missing.display().to_string());
    assert!(findings[0].problem.starts_with("the file cannot be read"));
}

#[test]
fn what_one_mapping_says_twice_is_found_across_its_files() {
    let text = orders(FULL);
    let other = "mapping: shop\ncompany: { constant: x }\ncodes: { lifecycle: { '*': pass } }\n";
    let findings = Mapping::from_texts(&[("a.yaml", &text), ("b.yaml", other)]).unwrap_err();
    let found: Vec<String> = findings.iter().map(line).collect();
    assert!(found.iter().any(|line| line.contains("`company` is said twice")), "{found:?}");
    assert!(found.iter().any(|line| line.contains("`lifecycle` is written in two files")));
}

#[test]
fn two_aliases_of_a_table_agree_on_its_key() {
    let rules = "
  - { emit: procurement.purchaseorder.closed, on: orders, when: updated, fields: { supplier: su } }
  - { emit: procurement.purchaseorder.deleted, on: orders, when: deleted }
  - { emit: procurement.purchaseorder.closed, on: again, when: updated, fields: { supplier: su } }
";
    let text = orders(rules);
    let again = "  again: { table: erp.po, key: [id, co], deleted: ignore }\ncodes:";
    let text = text.replace("codes:\n", &format!("{again}\n"));
    let mapping = Mapping::from_texts(&[("m.yaml", &text)]);
    let mapping = mapping.unwrap_or_else(|findings| panic!("{findings:#?}"));
    let findings = mapping.bind("erp1", &schema(ReplicaIdentity::Full), &[]).unwrap_err();
    assert!(findings[0].problem.contains("are the same table, yet differ"), "{findings:?}");
}

#[test]
fn rule_ids_are_unique() {
    let rule = "
  - { emit: procurement.purchaseorder.deleted, on: orders, when: deleted }
  - { emit: procurement.purchaseorder.deleted, on: orders, when: deleted }
";
    assert!(
        problems(&orders(rule))
            .join("\n")
            .contains("two rules have the id `purchaseorder-deleted-orders`")
    );
}

#[test]
fn a_set_of_fields_is_used_by_name_and_blamed_where_it_is_written() {
    let rules = "
  - { emit: procurement.purchaseorder.closed, on: orders, when: updated, fields: ordr }
  - { emit: procurement.purchaseorder.held, on: orders, when: updated, fields: order }
  - { emit: procurement.purchaseorder.unheld, on: orders, when: updated, fields: order }
  - { emit: procurement.purchaseorder.deleted, on: orders, when: deleted }
fields:
  order: { supplier: su, bayer: no }
  other: { supplier: su }
";
    let found = problems(&orders(rules));
    let count = |part: &str| found.iter().filter(|line| line.contains(part)).count();
    assert_eq!(count("there is no set of fields `ordr`; did you mean `order`?"), 1, "{found:?}");
    assert_eq!(count("unknown key `bayer`; did you mean `buyer`?"), 1, "{found:?}");
    assert_eq!(count("no event uses the set of fields `other`"), 1, "{found:?}");
}

#[test]
fn a_sum_has_no_old_value() {
    let text = "
mapping: shop
company: { constant: acme }
tables:
  orders:
    table: erp.po
    deleted: ignore
    sums: { came: { children: parts.order, of: tot } }
  parts: { table: erp.part, deleted: ignore, lookups: { order: { to: orders, by: weight } } }
events:
  - emit: procurement.purchaseorder.changed
    on: orders
    when: updated
    if: 'came != old.came'
    fields: { supplier: su }
";
    let mapping = Mapping::from_texts(&[("m.yaml", text)]).unwrap();
    let orders = schema(ReplicaIdentity::Full);
    let part = TableSchema { name: TableName::new("erp", "part"), ..(*orders).clone() };
    let found = mapping.bind("erp1", &orders, &[Arc::clone(&orders), Arc::new(part)]).err();
    let found: Vec<String> = found.unwrap_or_default().iter().map(line).collect();
    let [finding] = &*found else { panic!("{found:?}") };
    assert!(finding.contains("only the row itself has old values"), "{finding}");
}

#[test]
fn a_sum_of_a_sum_is_found_where_it_is_written() {
    let text = "mapping: shop
company: { constant: acme }
tables:
  orders: { table: erp.po, deleted: ignore, sums: { all: { children: lines.order, of: came } } }
  lines:
    table: erp.line
    deleted: ignore
    lookups: { order: { to: orders, by: po } }
    sums: { came: { children: moves.line, of: qty } }
  moves: { table: erp.move, deleted: ignore, lookups: { line: { to: lines, by: line_id } } }
events:
  - emit: procurement.purchaseorder.changed
    on: orders
    when: updated
    if: 'all > 0'
    fields: { supplier: su }
";
    let found = problems(text).join("\n");
    assert!(found.contains(":4:") && found.contains("`came` is a sum itself"), "{found}");
}

#[test]
fn a_zone_is_said_for_all_columns_and_a_site_says_its_own() {
    let rules = "
  - emit: procurement.purchaseorder.closed
    on: orders
    when: updated
    effective: touched
    fields: { supplier: su }
  - { emit: procurement.purchaseorder.deleted, on: orders, when: deleted }
";
    let bound = |read: &str, over: &str| {
        let text = orders(rules).replace("blank: null }", &format!("blank: null{read} }}"));
        let over = format!("overlay: shop\nread: {{{over}}}\n");
        let mapping = Mapping::from_texts(&[("m.yaml", &text), ("site.yaml", &over)]).unwrap();
        mapping.bind("erp1", &schema(ReplicaIdentity::Full), &[]).map(|plan| format!("{plan:?}"))
    };
    let problem = &bound("", "").unwrap_err()[0].problem;
    assert!(problem.contains("column `touched` (localtimestamp) is a local time"), "{problem}");
    assert!(bound(", zone: UTC", "").unwrap().contains("Fixed(Zone(0))"));
    assert!(bound(", zone: UTC", " zone: '+02:00' ").unwrap().contains("Fixed(Zone(120))"));
    let wrong = orders(rules).replace("blank: null }", "blank: null, zone: Berlin }");
    assert!(problems(&wrong).join("\n").contains("not a zone"));
}

#[test]
fn what_tells_a_row_is_of_the_row_itself() {
    for (from, to) in [
        ("deleted: physical", "key: [up.no]\n    deleted: physical"),
        ("ignore: [touched]", "ignore: [up.no]"),
        ("deleted: physical", "deleted: { moved_to: orders, by: [up.no], otherwise: physical }"),
    ] {
        let found = problems(&orders(FULL).replace(from, to)).join("\n");
        assert!(found.contains("`up.no` is no column of the row itself"), "{to}: {found}");
    }
}

#[test]
fn what_can_never_be_seen_to_change_is_not_watched() {
    let rule = |more: &str| {
        let rules = format!(
            "  - {{ emit: procurement.purchaseorder.changed, on: orders, when: updated, {more}, fields: {{ supplier: su }} }}\n  \
             - {{ emit: procurement.purchaseorder.deleted, on: orders, when: deleted }}\n"
        );
        orders(&rules).replace("codes:", "  lines: { table: erp.line, deleted: ignore, lookups: { order: { to: orders, by: po, if: 'kind == 1' } } }\ncodes:")
    };
    let found = |text: &str| problems(text).join("\n");
    assert!(found(&rule("changed: [up.no]")).contains("only the row itself changes"));
    assert!(found(&rule("changed: [touched]")).contains("a change of `touched` alone is ignored"));
    let twice = found(&rule("extensions: [U_Color, u_color]"));
    assert!(twice.contains("two extensions are called `u_color`"), "{twice}");
    let seen = "a row is seen at one moment here";
    let conditional = |condition: &str| {
        rule("changed: [no]")
            .replace("{ kind: OP }", &format!("{{ kind: OP }}\n    if: '{condition}'"))
    };
    assert!(
        found(&conditional("old.st != st")).contains(seen),
        "{}",
        found(&conditional("old.st != st"))
    );
    assert!(found(&conditional("changed(st)")).contains(seen));
    assert!(!found(&conditional("new.st != no")).contains(seen));
    assert!(found(&rule("changed: [no]").replace("'kind == 1'", "'changed(po)'")).contains(seen));
}

/// The shape of a remembered table differs when its rows would be found, read or chosen otherwise.
#[test]
fn what_is_remembered_is_read_anew_when_rows_are_found_read_or_chosen_otherwise() {
    let mapping = "
mapping: shapes
company: { constant: acme }
tables:
  orders: { table: s.po, deleted: ignore }
  lines:
    table: s.line
    where: { kind: [A] }
    keep: [po, old_po, kind]
    columns: { id: { strip_zeros: false } }
    lookups: { order: { to: orders, by: po, if: 'kind == \"A\"' } }
events:
  - emit: procurement.purchaseorder.changed
    on: orders
    when: updated
    fields:
      supplier: supplier
      lines:
        children: lines.order
        fields: { item: item, quantity: { value: qty, unit: { constant: C62 } } }
";
    let shapes = |mapping: &str| {
        let kept = Mapping::from_texts(&[("m.yaml", mapping)]).unwrap().kept();
        let shape = |name: &str| kept.iter().find(|kept| kept.name == name).unwrap().shape;
        (shape("shapes/lines"), shape("shapes/orders"))
    };
    let (lines, orders) = shapes(mapping);
    let moved = mapping.replace("company:", "\n\ncompany:");
    assert_eq!(shapes(&moved), (lines, orders), "only the lines of the file have moved");
    for (from, to) in [
        ("by: po", "by: old_po"),
        ("by: po", "by: { expr: 'kind + po' }"),
        ("if: 'kind == \"A\"'", "if: 'kind != \"A\"'"),
        ("strip_zeros: false", "strip_zeros: true"),
        ("where: { kind: [A] }", "where: { kind: { not: [A] } }"),
        ("where: { kind: [A] }", "if: 'kind == \"A\"'"),
    ] {
        let (edited, others) = shapes(&mapping.replace(from, to));
        assert_ne!(edited, lines, "{to}");
        assert_eq!(others, orders, "{to}");
    }
}
