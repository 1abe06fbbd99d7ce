//! Who we are to the server, and what is granted to us.

use erpbridge_connector::{SourceError, TableName};
use mysql_async::Row;

use crate::binlog::Family;
use crate::catalog::text;
use crate::session::Session;
use crate::sql;

/// Who we are to the server, and what we may do everywhere.
#[derive(Debug, Default)]
pub(super) struct Account {
    /// As statements name it: `'bridge'@'10.0.0.%'`.
    pub(super) name: String,
    /// The name we gave is not the one the server knows us by.
    pub(super) shadowed: Option<String>,
    /// What is granted on `*.*`, in upper case.
    pub(super) global: Vec<String>,
    /// What is granted on a database or a table: where, and what.
    pub(super) local: Vec<(String, Vec<String>)>,
}

impl Account {
    /// Whether a privilege holds everywhere. Some have two names.
    pub(super) fn may(&self, privileges: &[&str]) -> bool {
        self.global.iter().any(|granted| {
            granted.starts_with("ALL PRIVILEGES") || privileges.contains(&granted.as_str())
        })
    }

    /// Whether a privilege holds for this table: everywhere, in its database or on it.
    pub(super) fn may_on(&self, privilege: &str, table: &TableName) -> bool {
        let name = sql::table(table);
        self.may(&[privilege])
            || self.local.iter().any(|(place, granted)| {
                let here = place == &name
                    || place.strip_suffix(".*").is_some_and(|place| names(place, &table.schema));
                let all = || granted.iter().any(|granted| granted.starts_with("ALL PRIVILEGES"));
                here && (all() || granted.iter().any(|granted| granted == privilege))
            })
    }
}

impl Account {
    /// How a grant on this database is to be written. Of two patterns that match, the server takes
    /// one and forgets the other, so a pattern that is there already must be used again.
    pub(super) fn place(&self, database: &str) -> String {
        let mut places = self.local.iter().filter_map(|(place, _)| place.strip_suffix(".*"));
        let known = places.find(|place| names(place, database)).map(str::to_owned);
        let database = known.unwrap_or_else(|| sql::identifier(&escaped(database)));
        format!("{database}.*")
    }
}

fn escaped(database: &str) -> String {
    database.replace('\\', "\\\\").replace('_', "\\_").replace('%', "\\%")
}

/// In a grant the name of a database is a pattern, in which a plain `_` is any character.
fn names(granted: &str, database: &str) -> bool {
    let pattern = granted.trim_matches('`').replace("``", "`");
    let letters = |text: &str| text.chars().collect::<Vec<_>>();
    like(&letters(&pattern), &letters(database))
}

/// SQL's `LIKE`, with a backslash before what is meant as it stands.
fn like(pattern: &[char], text: &[char]) -> bool {
    match (pattern, text) {
        ([], []) => true,
        (['%', rest @ ..], _) => {
            like(rest, text) || text.split_first().is_some_and(|(_, text)| like(pattern, text))
        }
        (['_', rest @ ..], [_, text @ ..]) => like(rest, text),
        (['\\', wanted, rest @ ..] | [wanted, rest @ ..], [found, text @ ..]) => {
            wanted == found && like(rest, text)
        }
        _ => false,
    }
}

pub(super) async fn read(session: &mut Session) -> Result<Account, SourceError> {
    let doing = "ask the server who we are";
    let asked = |row: &Row| (text(row, 0), text(row, 1));
    let names = session.read(doing, "SELECT CURRENT_USER(), USER()", asked).await?;
    let (known, given) = names.into_iter().next().unwrap_or_default();
    let user = |account: &str| account.rsplit_once('@').map_or("", |(user, _)| user).to_owned();
    let mut account = Account {
        shadowed: (user(&known) != user(&given)).then(|| user(&given)),
        name: quoted(&known),
        ..Account::default()
    };
    for grant in grants(session).await? {
        account.add(&grant);
    }
    Ok(account)
}

fn quoted(account: &str) -> String {
    let (user, host) = account.rsplit_once('@').unwrap_or((account, "%"));
    format!("{}@{}", sql::literal(user), sql::literal(host))
}

/// The statements that would grant what we have, those of the roles in force among them.
/// <https://dev.mysql.com/doc/refman/8.0/en/show-grants.html>
async fn grants(session: &mut Session) -> Result<Vec<String>, SourceError> {
    let doing = "list what is granted to us";
    let grants = session.read(doing, "SHOW GRANTS", |row| text(row, 0)).await?;
    if session.family() != Family::MySql || session.version() < (8, 0, 0) {
        return Ok(grants);
    }
    let roles = session.read(doing, "SELECT CURRENT_ROLE()", |row| text(row, 0)).await?;
    match roles.first().map(String::as_str) {
        None | Some("" | "NONE") => Ok(grants),
        Some(roles) => {
            let sql = format!("SHOW GRANTS FOR CURRENT_USER() USING {roles}");
            session.read(doing, &sql, |row| text(row, 0)).await
        }
    }
}

impl Account {
    /// `GRANT SELECT, LOCK TABLES ON `erp`.* TO 'bridge'@'%'`
    fn add(&mut self, grant: &str) {
        let Some((what, rest)) = grant.strip_prefix("GRANT ").and_then(|g| g.split_once(" ON "))
        else {
            // A role, which says nothing by itself.
            return;
        };
        let place = rest.rsplit_once(" TO ").map_or(rest, |(place, _)| place);
        let privileges = privileges(what);
        if place == "*.*" {
            self.global.extend(privileges);
        } else {
            self.local.push((place.to_owned(), privileges));
        }
    }
}

/// Between commas, except those of a list of columns.
fn privileges(what: &str) -> Vec<String> {
    let mut depth = 0_u32;
    let separates = |character: char| {
        match character {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        character == ',' && depth == 0
    };
    what.split(separates).map(|privilege| privilege.trim().to_ascii_uppercase()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(grants: &[&str]) -> Account {
        let mut account = Account::default();
        for grant in grants {
            account.add(grant);
        }
        account
    }

    #[test]
    fn grants_are_read_as_both_servers_print_them() {
        let mysql = account(&[
            "GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO 'bridge'@'%' IDENTIFIED BY PASSWORD '*x'",
            "GRANT SELECT, LOCK TABLES ON `erp\\_1`.* TO 'bridge'@'%'",
            "GRANT SELECT (a, b), INSERT ON `stock`.`move` TO 'bridge'@'%'",
        ]);
        assert!(mysql.may(&["REPLICATION SLAVE"]) && !mysql.may(&["PROCESS"]));
        let on = |schema, table| mysql.may_on("LOCK TABLES", &TableName::new(schema, table));
        assert!(on("erp_1", "item") && !on("erpx1", "item") && !on("stock", "move"));
        assert!(mysql.may_on("INSERT", &TableName::new("stock", "move")));
        assert_eq!(mysql.place("erp_1"), "`erp\\_1`.*");
        assert_eq!(mysql.place("stock_2"), "`stock\\_2`.*");
        let mariadb = account(&[
            "GRANT BINLOG MONITOR ON *.* TO `bridge`@`%` IDENTIFIED BY PASSWORD '*x'",
            "GRANT ALL PRIVILEGES ON `erp%`.* TO `bridge`@`%`",
            "GRANT `reader` TO `bridge`@`%`",
        ]);
        assert_eq!(mariadb.place("erp_1"), "`erp%`.*");
        assert!(mariadb.may(&["REPLICATION CLIENT", "BINLOG MONITOR"]));
        assert!(mariadb.may_on("SELECT", &TableName::new("erp_2", "item")));
    }
}
