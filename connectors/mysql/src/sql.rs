//! Text that becomes part of a statement: the one place where it is quoted.

use erpbridge_connector::TableName;

/// An identifier in backquotes, whatever it contains.
pub(crate) fn identifier(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

/// A string literal. Every session pins an `sql_mode` in which a backslash escapes, and the text
/// is also shown to people whose sessions may have another; so a text with a backslash is written
/// in a form that does not depend on it.
pub(crate) fn literal(text: &str) -> String {
    if text.contains('\\') {
        let digits = text.bytes().flat_map(|byte| [byte >> 4, byte & 15]);
        let digits = digits.filter_map(|digit| char::from_digit(u32::from(digit), 16));
        return format!("_utf8mb4 X'{}'", digits.collect::<String>());
    }
    format!("'{}'", text.replace('\'', "''"))
}

/// A table with its database, both quoted.
pub(crate) fn table(name: &TableName) -> String {
    format!("{}.{}", identifier(&name.schema), identifier(&name.table))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_quotes_and_blanks_stays_one_identifier() {
        assert_eq!(identifier("Order `Head`"), "`Order ``Head```");
        assert_eq!(table(&TableName::new("erp", "PO;DROP")), "`erp`.`PO;DROP`");
    }

    #[test]
    fn a_literal_means_the_same_whatever_a_backslash_does() {
        assert_eq!(literal("it's"), "'it''s'");
        assert_eq!(literal("a\\"), "_utf8mb4 X'615c'");
    }
}
