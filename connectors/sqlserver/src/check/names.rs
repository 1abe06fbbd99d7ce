//! Names that mappings use outright and no table bears: what was probably meant.

use erpbridge_connector::TableName;

/// What was probably meant: the same name in another schema or other letters, or a slip of at
/// most two letters.
pub(super) fn nearest<'t>(
    name: &TableName,
    tables: impl IntoIterator<Item = &'t TableName>,
) -> Option<TableName> {
    let wanted = name.to_string().to_lowercase();
    let distance = |candidate: &TableName| {
        if candidate.table.eq_ignore_ascii_case(&name.table) {
            return 1;
        }
        edits(&wanted, &candidate.to_string().to_lowercase())
    };
    let candidates = tables.into_iter().map(|table| (distance(table), table));
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
        let tables = [TableName::new("erp", "purchase_order"), TableName::new("stock", "Moves")];
        let found = |schema, table| nearest(&TableName::new(schema, table), &tables);
        assert_eq!(found("erp", "purchase_oder"), Some(TableName::new("erp", "purchase_order")));
        assert_eq!(found("erp", "moves"), Some(TableName::new("stock", "Moves")));
        assert_eq!(found("erp", "supplier"), None);
    }
}
