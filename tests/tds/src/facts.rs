//! What the server says about itself.

/// Which product it is; it decides what exists besides the tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edition {
    /// Has everything.
    Enterprise,
    /// Has change data capture since 2016 SP1.
    Standard,
    /// Never has change data capture nor an Agent.
    Express,
    /// Azure SQL Database: no Agent, no msdb; a scheduler captures.
    Azure,
}

/// What `SERVERPROPERTY`, `@@VERSION` and the views about the server answer.
#[derive(Clone, Debug)]
pub struct ServerFacts {
    /// `ProductVersion`; decides with the edition whether CDC exists, and before 12.0.4422
    /// whether change tables have a `__$command_id`.
    pub version: String,
    /// `Edition` and `EngineEdition`.
    pub edition: Edition,
    /// `ServerName`, also `@@SERVERNAME`.
    pub name: String,
    /// Whether the Agent's service runs.
    pub agent_running: bool,
    /// Minutes the server's local time is ahead of UTC.
    pub utc_offset: i16,
    /// Whether it is a readable secondary: every read is of a snapshot and the log scan views
    /// are empty.
    pub secondary: bool,
}

impl Default for ServerFacts {
    fn default() -> Self {
        Self {
            version: "15.0.4410.1".to_owned(),
            edition: Edition::Standard,
            name: "ERPSQL01".to_owned(),
            agent_running: true,
            utc_offset: 60,
            secondary: false,
        }
    }
}
