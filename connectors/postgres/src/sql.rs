//! Text that becomes part of a statement: the one place where it is quoted.

use erpbridge_connector::TableName;

/// An identifier in double quotes, whatever it contains.
pub(crate) fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A string literal. Every session pins `standard_conforming_strings`, so a backslash is itself;
/// the `E''` form is used nevertheless, because the text is also shown to people to run elsewhere.
pub(crate) fn literal(text: &str) -> String {
    let quoted = text.replace('\'', "''");
    if quoted.contains('\\') {
        format!("E'{}'", quoted.replace('\\', "\\\\"))
    } else {
        format!("'{quoted}'")
    }
}

/// A table with its schema, both quoted.
pub(crate) fn table(name: &TableName) -> String {
    format!("{}.{}", identifier(&name.schema), identifier(&name.table))
}

/// Quoted identifiers with commas between them.
pub(crate) fn identifiers<'n>(names: impl IntoIterator<Item = &'n str>) -> String {
    names.into_iter().map(identifier).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_quotes_and_blanks_stays_one_identifier() {
        assert_eq!(identifier("Order \"Head\""), "\"Order \"\"Head\"\"\"");
        assert_eq!(table(&TableName::new("erp", "PO;DROP")), "\"erp\".\"PO;DROP\"");
        assert_eq!(identifiers(["a", "B"]), "\"a\", \"B\"");
    }

    #[test]
    fn a_literal_survives_quotes_and_backslashes() {
        assert_eq!(literal("it's"), "'it''s'");
        assert_eq!(literal(r"a\'b"), r"E'a\\''b'");
    }
}
