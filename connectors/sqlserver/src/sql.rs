//! Text that becomes part of a statement: the one place where it is quoted.

use erpbridge_connector::TableName;

/// An identifier in brackets, whatever it contains.
pub(crate) fn identifier(name: &str) -> String {
    format!("[{}]", name.replace(']', "]]"))
}

/// A string literal in Unicode.
pub(crate) fn literal(text: &str) -> String {
    format!("N'{}'", text.replace('\'', "''"))
}

/// A table with its schema, both quoted.
pub(crate) fn table(name: &TableName) -> String {
    format!("{}.{}", identifier(&name.schema), identifier(&name.table))
}

/// The change table of a capture instance.
pub(crate) fn change_table(instance: &str) -> String {
    format!("cdc.{}", identifier(&format!("{instance}_CT")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_brackets_and_blanks_stays_one_identifier() {
        assert_eq!(identifier("Order [Head]"), "[Order [Head]]]");
        assert_eq!(table(&TableName::new("dbo", "PO;DROP")), "[dbo].[PO;DROP]");
        assert_eq!(change_table("dbo_a]b"), "cdc.[dbo_a]]b_CT]");
        assert_eq!(literal("it's"), "N'it''s'");
    }
}
