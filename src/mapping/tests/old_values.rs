//! Where the log carries only keys of old rows: what is told of it, and what makes it harmless.

use erpbridge_connector::{Explored, ReplicaIdentity, TableName};

use super::{line, orders, schema};
use crate::mapping::Mapping;

#[test]
fn rules_that_say_too_much_without_old_values_are_told_what_remembers_them() {
    let rules = "
  - { emit: procurement.purchaseorder.changed, on: orders, when: updated, fields: { supplier: su } }
  - { emit: procurement.purchaseorder.deleted, on: orders, when: deleted, fields: { supplier: su } }
";
    let told = |keep: &str, identity: ReplicaIdentity| -> Vec<String> {
        let text = orders(rules).replace("  orders:\n", &format!("  orders:\n{keep}"));
        let mapping = Mapping::from_texts(&[("m.yaml", &text)]).unwrap();
        let schema = schema(identity);
        let (names, nullable) = (vec![schema.name.clone()], vec![true; schema.columns.len()]);
        let table = Explored { schema, nullable, rows_estimate: None };
        mapping.examine_tables(&names, &[table]).iter().map(line).collect()
    };
    let found = told("", ReplicaIdentity::Key).join("\n");
    for part in [
        "rule `purchaseorder-changed-orders`: the log of `erp.po` carries only keys of old rows: \
         `changed` stays empty, and updates of columns that are not mapped are told, too; let the \
         bridge remember the rows: `keep: all`",
        "rule `purchaseorder-deleted-orders`: the log of `erp.po` carries only keys of old rows: \
         `before` of a deleted row stays empty",
    ] {
        assert!(found.contains(part), "{part}\n\n{found}");
    }
    assert!(told("    keep: all\n", ReplicaIdentity::Key).is_empty());
    assert!(told("", ReplicaIdentity::Full).is_empty());
}

#[test]
fn a_table_is_remembered_if_all_that_its_rules_read_is_kept() {
    let rules = "
  - { emit: procurement.purchaseorder.changed, on: orders, when: updated, fields: { supplier: su } }
  - { emit: procurement.purchaseorder.deleted, on: orders, when: deleted }
";
    for (keep, remembered) in [("", false), ("    keep: [su]\n", false), ("    keep: all\n", true)]
    {
        let text = orders(rules).replace("  orders:\n", &format!("  orders:\n{keep}"));
        let mapping = Mapping::from_texts(&[("m.yaml", &text)]).unwrap();
        let selection = mapping.selection(&[]);
        assert_eq!(selection.remembers(&TableName::new("erp", "po")), remembered, "{keep}");
    }
}
