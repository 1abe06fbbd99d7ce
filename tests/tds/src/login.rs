//! Who may come in, and what they may do.

/// A login with its user in the database.
#[expect(clippy::struct_excessive_bools, reason = "each is a permission of its own")]
#[derive(Clone, Debug, Default)]
pub struct Login {
    pub(crate) user: String,
    pub(crate) password: String,
    pub(crate) owner: bool,
    pub(crate) roles: Vec<String>,
    /// Schemas, and tables with their schema, that may be selected from.
    pub(crate) select: Vec<String>,
    pub(crate) view_server_state: bool,
    pub(crate) view_database_state: bool,
    pub(crate) msdb: bool,
}

impl Login {
    /// A login whose user may connect to the database and nothing else.
    pub fn new(user: &str, password: &str) -> Self {
        Self { user: user.to_owned(), password: password.to_owned(), ..Self::default() }
    }

    /// Makes the user `db_owner`, and the login sysadmin.
    #[must_use]
    pub fn owner(self) -> Self {
        Self { owner: true, ..self }
    }

    /// Adds the user to a database role: a gating role, `db_datareader`.
    #[must_use]
    pub fn role(mut self, role: &str) -> Self {
        self.roles.push(role.to_owned());
        self
    }

    /// `GRANT SELECT ON SCHEMA::<schema>`, or of one object where the name has a point in it.
    #[must_use]
    pub fn select(mut self, on: &str) -> Self {
        self.select.push(on.to_owned());
        self
    }

    /// `GRANT VIEW SERVER STATE`.
    #[must_use]
    pub fn view_server_state(self) -> Self {
        Self { view_server_state: true, ..self }
    }

    /// `GRANT VIEW DATABASE STATE`.
    #[must_use]
    pub fn view_database_state(self) -> Self {
        Self { view_database_state: true, ..self }
    }

    /// A user in msdb that may read the jobs.
    #[must_use]
    pub fn msdb(self) -> Self {
        Self { msdb: true, ..self }
    }
}
