//! Names that mappings use outright: whether they lead to a table, and what was probably meant.

use std::collections::HashSet;

use erpbridge_connector::{TableName, TableSelection, similar_table};

use crate::catalog::Relation;

/// Each missing name with the nearest that exists.
pub(super) type Missing = Vec<(TableName, Option<TableName>)>;
/// Each name of something else than a table, with what it is.
pub(super) type Unfit = Vec<(TableName, &'static str)>;

/// Names that were written outright and lead nowhere, or to something without a log.
pub(super) fn misnamed(relations: &[Relation], selection: &dyn TableSelection) -> (Missing, Unfit) {
    let (mut missing, mut unfit) = (Vec::new(), Vec::new());
    let mut seen = HashSet::new();
    for name in selection.named().into_iter().filter(|name| seen.insert(name.clone())) {
        match relations.iter().find(|relation| relation.name == name) {
            None => {
                let names = relations.iter().map(|relation| &relation.name);
                let nearest = similar_table(&name, names).cloned();
                missing.push((name, nearest));
            }
            Some(relation) => match (relation.kind.as_str(), relation.partition) {
                ("v", _) => unfit.push((name, "a view")),
                ("m", _) => unfit.push((name, "a materialized view")),
                ("f", _) => unfit.push((name, "a foreign table")),
                (_, true) => unfit.push((name, "a partition")),
                _ => {}
            },
        }
    }
    (missing, unfit)
}
