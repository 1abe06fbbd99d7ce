//! "Did you mean": the known name nearest to a mistyped one.

use std::cmp::min;

/// The candidate nearest to `name`, if it is near enough to be what was meant: at most one edit
/// for every three characters, where swapping two neighbours is one edit. Case does not count.
pub fn similar<'c>(name: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let name: Vec<char> = name.to_lowercase().chars().take(64).collect();
    let allowed = std::cmp::max(1, name.len() / 3);
    let measured = candidates.into_iter().map(|candidate| {
        let other: Vec<char> = candidate.to_lowercase().chars().take(64).collect();
        (distance(&name, &other), candidate)
    });
    measured
        .filter(|(edits, _)| *edits <= allowed)
        .min_by_key(|(edits, _)| *edits)
        .map(|(_, candidate)| candidate)
}

/// Edits (insert, drop, replace, swap neighbours) that turn `from` into `to`.
#[expect(
    clippy::indexing_slicing,
    reason = "the table is (from + 1) by (to + 1), so are the loops"
)]
fn distance(from: &[char], to: &[char]) -> usize {
    let mut table = vec![vec![0_usize; to.len() + 1]; from.len() + 1];
    for (row, line) in table.iter_mut().enumerate() {
        line[0] = row;
    }
    for (column, cell) in table[0].iter_mut().enumerate() {
        *cell = column;
    }
    for row in 1..=from.len() {
        for column in 1..=to.len() {
            let replaced = usize::from(from[row - 1] != to[column - 1]);
            let dropped = min(table[row - 1][column], table[row][column - 1]) + 1;
            let mut edits = min(dropped, table[row - 1][column - 1] + replaced);
            let swapped = row > 1
                && column > 1
                && from[row - 1] == to[column - 2]
                && from[row - 2] == to[column - 1];
            if swapped {
                edits = min(edits, table[row - 2][column - 2] + 1);
            }
            table[row][column] = edits;
        }
    }
    table[from.len()][to.len()]
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
}
