//! "Did you mean": the known name nearest to a mistyped one.

use strsim::osa_distance;

use crate::TableName;

/// So much of a name is looked at.
const LONGEST: usize = 64;

/// The candidate nearest to `name`, if it is near enough to be what was meant: at most one edit
/// for every three characters, where swapping two neighbours is one edit. Case does not count.
pub fn similar<'c>(name: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let name = comparable(name);
    let allowed = std::cmp::max(1, name.chars().count() / 3);
    let measured = candidates
        .into_iter()
        .map(|candidate| (osa_distance(&name, &comparable(candidate)), candidate));
    measured
        .filter(|(edits, _)| *edits <= allowed)
        .min_by_key(|(edits, _)| *edits)
        .map(|(_, candidate)| candidate)
}

/// The table that was probably meant: one of the same name in another schema or other letters, or
/// one whose whole name is at most two slips away.
pub fn similar_table<'t>(
    name: &TableName,
    tables: impl IntoIterator<Item = &'t TableName>,
) -> Option<&'t TableName> {
    let wanted = comparable(&name.to_string());
    let slips = |table: &TableName| {
        if table.table.eq_ignore_ascii_case(&name.table) {
            return 1;
        }
        osa_distance(&wanted, &comparable(&table.to_string()))
    };
    let nearest = tables.into_iter().map(|table| (slips(table), table)).min_by_key(|(n, _)| *n);
    nearest.filter(|(slips, _)| *slips <= 2).map(|(_, table)| table)
}

fn comparable(name: &str) -> String {
    name.to_lowercase().chars().take(LONGEST).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn swapped_neighbours_are_one_edit() {
        assert_eq!(similar("form", ["field", "from", "rule"]), Some("from"));
        assert_eq!(similar("requierd", ["required", "rule"]), Some("required"));
    }

    #[test]
    fn a_distant_name_is_not_suggested() {
        assert_eq!(similar("colour", ["from", "code"]), None);
        assert_eq!(similar("", ["from"]), None);
    }

    #[test]
    fn case_does_not_count() {
        assert_eq!(similar("STATE", ["state", "status"]), Some("state"));
    }

    #[test]
    fn a_slip_in_a_table_s_name_finds_the_table_that_was_meant() {
        let tables = [TableName::new("erp", "purchase_order"), TableName::new("stock", "Moves")];
        let found = |schema, table| similar_table(&TableName::new(schema, table), &tables);
        assert_eq!(found("erp", "purchase_oder"), Some(&tables[0]));
        assert_eq!(found("erp", "moves"), Some(&tables[1]));
        assert_eq!(found("erp", "supplier"), None);
    }
}
