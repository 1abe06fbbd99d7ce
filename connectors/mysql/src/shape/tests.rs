use super::*;

fn column(data_type: &str, column_type: &str) -> ColumnShape {
    ColumnShape {
        name: "a".to_owned(),
        data_type: data_type.to_owned(),
        column_type: column_type.to_owned(),
        character_set: None,
        octet_length: None,
        datetime_precision: None,
        nullable: true,
        key: None,
        generated: false,
    }
}

#[test]
fn labels_are_read_from_the_type() {
    let labels = |text: &str| column("enum", text).labels();
    assert_eq!(labels("enum('a','it''s','b,c')"), ["a", "it's", "b,c"]);
    assert_eq!(labels("enum('')"), [""]);
    assert_eq!(labels("enum('''','')"), ["'", ""]);
    assert_eq!(column("int", "int('a')").labels(), [""; 0]);
}

#[test]
fn a_label_makes_no_number_unsigned() {
    assert!(column("int", "int(10) unsigned zerofill").unsigned());
    assert!(!column("int", "int(10)").unsigned());
    assert!(!column("enum", "enum('unsigned')").unsigned());
}

#[test]
fn the_primary_key_stands_in_its_own_order() {
    let mut shape = TableShape { schema: "erp".into(), table: "po".into(), columns: Vec::new() };
    for (name, key) in [("line", Some(2)), ("note", None), ("po", Some(1))] {
        shape.columns.push(ColumnShape { name: name.into(), key, ..column("int", "int(11)") });
    }
    let schema = shape.schema(ReplicaIdentity::Full);
    assert_eq!(schema.primary_key, [2, 0]);
    assert_eq!(schema.columns[1].type_name, "int(11)");
}

#[test]
fn a_shape_reads_back_from_what_is_kept_of_it() {
    let shape = TableShape {
        schema: "erp".into(),
        table: "po".into(),
        columns: vec![ColumnShape { key: Some(1), ..column("enum", "enum('ä')") }],
    };
    let kept = serde_json::to_string(&shape).unwrap();
    assert_eq!(serde_json::from_str::<TableShape>(&kept).unwrap(), shape);
}
