//! The checks of [`Explorer`](crate::Explorer).

use super::checks::{expressions, value};
use super::{Explores, Write};
use crate::{Sample, TableName};

/// Tables are listed with the others and described with their key and what may be NULL; one that
/// does not exist is left out.
pub async fn tables_are_described(bench: &impl Explores) {
    let table = bench.create_table("described").await;
    let explorer = bench.explorer();
    let names = explorer.names().await.expect("the names of all tables");
    assert!(names.contains(&table), "{table} is not among {names:?}");
    assert!(names.is_sorted(), "{names:?}");
    let asked = [TableName::new(&table.schema, "missing"), table.clone()];
    let found = explorer.describe(&asked).await.expect("a description");
    let [found] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!(found.schema.name, table);
    let columns: Vec<&str> = found.schema.columns.iter().map(|c| c.name.as_str()).collect();
    assert_eq!(columns, ["id", "note"]);
    assert_eq!(found.schema.primary_key, [0]);
    assert_eq!(found.nullable, [false, true]);
}

/// Every value of every type has the text in a sample that it has in the log.
pub async fn a_sample_gives_the_text_of_the_log(bench: &impl Explores) {
    let types = bench.types();
    let table = bench.create_table_of("sampled", &types).await;
    let rows = types.iter().map(|case| case.values.len()).max().unwrap_or(0);
    let ids = 0..u32::try_from(rows).expect("few values");
    for id in ids.clone() {
        bench.insert_values(&table, id, &expressions(&types, id)).await;
    }
    let explorer = bench.explorer();
    let sampled = explorer.sample(&Sample::any(table, rows)).await.expect("a sample");
    assert_eq!(sampled.rows.len(), rows);
    for id in ids {
        let own = |row: &&Vec<Option<String>>| row.first() == Some(&Some(id.to_string()));
        let row = sampled.rows.iter().find(own).expect("every row");
        for (place, case) in types.iter().enumerate() {
            let (expression, text) = value(case, id);
            let column = sampled.table.column(&format!("c{place}")).expect("its column");
            let found = row.get(column).and_then(Option::as_deref);
            assert_eq!(found, text, "{} {expression} in a sample", case.declared);
        }
    }
}

/// Rows are found by the texts of their columns, the newest first where nothing is asked, and no
/// more than asked for; what is no value of a column finds nothing or is refused, and texts are
/// never taken for statements.
pub async fn rows_are_found_by_their_keys(bench: &impl Explores) {
    let table = bench.create_table("found_by_key").await;
    let rows = (1..=5).map(|id| Write::Insert(table.clone(), id, format!("n{id}")));
    bench.commit(&rows.collect::<Vec<_>>()).await;
    let explorer = bench.explorer();
    let ids = async |columns: &[&str], keys: &[&[&str]], limit: usize| {
        let texts = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect::<Vec<_>>();
        let keys = keys.iter().map(|key| texts(key)).collect();
        let asked = Sample::with(table.clone(), texts(columns), keys, limit);
        let found = explorer.sample(&asked).await.expect("a sample").rows;
        found.into_iter().filter_map(|row| row.into_iter().next()?).collect::<Vec<_>>()
    };
    assert_eq!(ids(&[], &[], 2).await, ["5", "4"]);
    let mut found = ids(&["id"], &[&["2"], &["3"], &["9"]], 10).await;
    found.sort_unstable();
    assert_eq!(found, ["2", "3"]);
    assert_eq!(ids(&["id", "note"], &[&["2", "n2"], &["3", "n4"]], 10).await, ["2"]);
    assert!(ids(&["note"], &[&["' OR ''='"], &["\\' OR 1=1 --"]], 10).await.is_empty());
    assert!(ids(&["id"], &[], 10).await.is_empty(), "no keys, no rows");
    let nonsense = Sample::with(table.clone(), vec!["id".into()], vec![vec!["x".into()]], 10);
    let refused = explorer.sample(&nonsense).await;
    let quotes = |error: crate::SourceError| error.to_string().contains("\"x\"");
    assert!(!refused.is_err_and(quotes), "an error quotes no values");
}
