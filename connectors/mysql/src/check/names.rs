//! Names that mappings use outright: whether they lead to a table, and what was probably meant.

use std::collections::HashSet;

use erpbridge_connector::{TableName, TableSelection};

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
            None => missing.push((name.clone(), nearest(&name, relations))),
            Some(relation) => match relation.kind.as_str() {
                "BASE TABLE" => {}
                "VIEW" => unfit.push((name, "a view")),
                "SEQUENCE" => unfit.push((name, "a sequence")),
                "SYSTEM VERSIONED" => unfit.push((name, "a system-versioned table")),
                _ => unfit.push((name, "a table of the server's own")),
            },
        }
    }
    (missing, unfit)
}

/// What was probably meant: the same name in another schema or other letters, or a slip of at
/// most two letters.
fn nearest(name: &TableName, relations: &[Relation]) -> Option<TableName> {
    let wanted = name.to_string().to_lowercase();
    let distance = |candidate: &TableName| {
        if candidate.table.eq_ignore_ascii_case(&name.table) {
            return 1;
        }
        edits(&wanted, &candidate.to_string().to_lowercase())
    };
    let candidates = relations.iter().map(|relation| (distance(&relation.name), &relation.name));
    let best = candidates.min_by_key(|(distance, _)| *distance);
    best.filter(|(distance, _)| *distance <= 2).map(|(_, name)| name.clone())
}

/// How many letters must change (Levenshtein).
fn edits(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (line, letter) in left.chars().enumerate() {
        let mut diagonal = line;
        let mut last = line + 1;
        for (cell, other) in row.iter_mut().skip(1).zip(&right) {
            let replaced = diagonal + usize::from(letter != *other);
            diagonal = *cell;
            last = std::cmp::min(replaced, std::cmp::min(last, *cell) + 1);
            *cell = last;
        }
        if let Some(first) = row.first_mut() {
            *first = line + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_distance_of_words_counts_changed_letters() {
        for (left, right, expected) in
            [("", "abc", 3), ("kitten", "sitting", 3), ("same", "same", 0), ("ab", "ba", 2)]
        {
            assert_eq!(edits(left, right), expected, "{left} {right}");
        }
    }

    #[test]
    fn a_slip_in_a_name_finds_the_name_that_was_meant() {
        let relation = |schema: &str, table: &str| Relation {
            name: TableName::new(schema, table),
            kind: "BASE TABLE".to_owned(),
        };
        let relations = [relation("erp", "purchase_order"), relation("stock", "Moves")];
        let found = |schema, table| nearest(&TableName::new(schema, table), &relations);
        assert_eq!(found("erp", "purchase_oder"), Some(TableName::new("erp", "purchase_order")));
        assert_eq!(found("erp", "moves"), Some(TableName::new("stock", "Moves")));
        assert_eq!(found("erp", "supplier"), None);
    }
}
