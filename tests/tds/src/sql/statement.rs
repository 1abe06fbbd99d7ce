//! Statements and column lists.

use super::{Column, Parser, Setting, Statement, Token};
use crate::problem::{Problem, Result};

impl Parser {
    /// All statements of a batch.
    pub(crate) fn batch(&mut self) -> Result<Vec<Statement>> {
        let mut statements = Vec::new();
        loop {
            while self.take_symbol(";") {}
            if self.at_end() {
                return Ok(statements);
            }
            statements.push(self.statement()?);
        }
    }

    fn statement(&mut self) -> Result<Statement> {
        if self.at("select") || self.at("with") {
            return Ok(Statement::Query(self.query()?));
        }
        if self.take("set") {
            return self.set();
        }
        if self.take("declare") {
            return Ok(Statement::Declare(self.list(Self::declaration)?));
        }
        if self.take("if") {
            return self.conditional();
        }
        if self.take("exec") || self.take("execute") {
            return self.execute();
        }
        if self.take("use") {
            return Ok(Statement::Use(self.identifier()?));
        }
        if self.take("print") {
            self.expression()?;
            return Ok(Statement::Print);
        }
        if self.take("throw") {
            let list = self.list(Self::expression)?;
            let message = list.into_iter().nth(1);
            return message.map(Statement::Raise).ok_or_else(|| self.unexpected("a message"));
        }
        self.transaction().unwrap_or_else(|| self.definition())
    }

    fn transaction(&mut self) -> Option<Result<Statement>> {
        let word = |parser: &mut Self| parser.take("tran") || parser.take("transaction");
        let mark = self.mark();
        if self.take("begin") && word(self) {
            self.optional_name();
            return Some(Ok(Statement::Begin));
        }
        self.back_to(mark);
        if self.take("commit") {
            if !word(self) {
                self.take("work");
            }
            self.optional_name();
            return Some(Ok(Statement::Commit));
        }
        if self.take("rollback") {
            if !word(self) {
                self.take("work");
            }
            return Some(Ok(Statement::Rollback(self.optional_name())));
        }
        if self.take("save") && word(self) {
            return Some(self.identifier().map(Statement::Save));
        }
        self.back_to(mark);
        None
    }

    fn optional_name(&mut self) -> Option<String> {
        if self.at_identifier() && !self.at("throw") { self.identifier().ok() } else { None }
    }

    fn set(&mut self) -> Result<Statement> {
        if let Token::Variable(name) = self.peek().clone() {
            self.advance();
            self.expect_symbol("=")?;
            return Ok(Statement::Assign(name, self.expression()?));
        }
        if self.take("transaction isolation level") {
            let level = [
                "read uncommitted",
                "read committed",
                "repeatable read",
                "snapshot",
                "serializable",
            ]
            .into_iter()
            .find(|level| self.take(level))
            .ok_or_else(|| self.unexpected("an isolation level"))?;
            return Ok(Statement::Set(Setting::Isolation(level)));
        }
        if self.take("lock_timeout") {
            return self.signed().map(|number| Statement::Set(Setting::LockTimeout(number)));
        }
        if self.take("deadlock_priority") {
            let named = [("low", -5), ("normal", 0), ("high", 5)];
            let named = named.into_iter().find_map(|(word, n)| self.take(word).then_some(n));
            let priority = named.map_or_else(|| self.signed(), Ok)?;
            return Ok(Statement::Set(Setting::DeadlockPriority(priority)));
        }
        self.switch()
    }

    fn switch(&mut self) -> Result<Statement> {
        const KNOWN: [&str; 14] = [
            "ansi_null_dflt_on",
            "ansi_nulls",
            "ansi_padding",
            "ansi_warnings",
            "arithabort",
            "concat_null_yields_null",
            "implicit_transactions",
            "nocount",
            "numeric_roundabort",
            "quoted_identifier",
            "textsize",
            "xact_abort",
            "language",
            "dateformat",
        ];
        let found = KNOWN.into_iter().find(|word| self.take(word));
        let name = found.ok_or_else(|| self.unexpected("an option of SET"))?.to_owned();
        let on = match self.advance() {
            Token::Word(word) => !word.eq_ignore_ascii_case("off"),
            Token::Number(_) => true,
            _ => return Err(self.unexpected("ON or OFF")),
        };
        Ok(Statement::Set(Setting::Switch(name, on)))
    }

    fn signed(&mut self) -> Result<i64> {
        let sign = if self.take_symbol("-") { -1 } else { 1 };
        match self.advance() {
            Token::Number(text) => text.parse::<i64>().map(|n| n * sign).ok(),
            _ => None,
        }
        .ok_or_else(|| self.unexpected("a number"))
    }

    fn declaration(
        &mut self,
    ) -> Result<(String, crate::value::kind::Type, Option<super::Expression>)> {
        let Token::Variable(name) = self.advance() else {
            return Err(self.unexpected("a variable"));
        };
        self.take("as");
        let of = self.type_name()?;
        let value = if self.take_symbol("=") { Some(self.expression()?) } else { None };
        Ok((name, of, value))
    }

    /// What `sp_executesql` is told of its parameters: names and types.
    pub(crate) fn declarations(&mut self) -> Result<Vec<(String, crate::value::kind::Type)>> {
        let declared = self.list(Self::declaration)?;
        Ok(declared.into_iter().map(|(name, of, _)| (name, of)).collect())
    }

    fn conditional(&mut self) -> Result<Statement> {
        let condition = self.condition()?;
        let then = self.block()?;
        self.take_symbol(";");
        let otherwise = if self.take("else") { self.block()? } else { Vec::new() };
        Ok(Statement::If(condition, then, otherwise))
    }

    fn block(&mut self) -> Result<Vec<Statement>> {
        let opens = self.at("begin")
            && !matches!(self.peek_after(1), Token::Word(word)
                if ["tran", "transaction"].iter().any(|tran| word.eq_ignore_ascii_case(tran)));
        if !opens {
            return Ok(vec![self.statement()?]);
        }
        self.advance();
        let mut statements = Vec::new();
        loop {
            while self.take_symbol(";") {}
            if self.take("end") {
                return Ok(statements);
            }
            statements.push(self.statement()?);
        }
    }

    fn execute(&mut self) -> Result<Statement> {
        let name = self.name()?;
        let begins = |token: &Token| {
            !matches!(token, Token::End | Token::Symbol(";" | ")"))
                && !matches!(token, Token::Word(word) if !word.eq_ignore_ascii_case("null"))
        };
        let arguments = if begins(self.peek()) { self.list(Self::argument)? } else { Vec::new() };
        Ok(Statement::Execute { name, arguments })
    }

    fn argument(&mut self) -> Result<(Option<String>, super::Expression)> {
        if let (Token::Variable(name), Token::Symbol("=")) =
            (self.peek().clone(), self.peek_after(1))
        {
            self.advance();
            self.advance();
            return Ok((Some(name), self.expression()?));
        }
        Ok((None, self.expression()?))
    }

    /// The columns of CREATE TABLE as a whole text, without parentheses around them.
    pub(crate) fn columns(&mut self) -> Result<(Vec<Column>, Vec<String>)> {
        let columns = self.column_list()?;
        if self.at_end() { Ok(columns) } else { Err(self.unexpected("a comma")) }
    }

    /// The columns of CREATE TABLE, and the names of its key in order.
    pub(super) fn column_list(&mut self) -> Result<(Vec<Column>, Vec<String>)> {
        let (mut columns, mut key) = (Vec::new(), Vec::new());
        loop {
            if self.take("constraint") {
                self.identifier()?;
            }
            if self.take("primary key") {
                self.take("clustered");
                self.expect_symbol("(")?;
                key = self.list(Self::identifier)?;
                self.expect_symbol(")")?;
            } else {
                columns.push(self.column()?);
            }
            if !self.take_symbol(",") {
                break;
            }
        }
        if key.is_empty() {
            key = columns.iter().filter(|column| column.key).map(|c| c.name.clone()).collect();
        }
        Ok((columns, key))
    }

    /// One column of CREATE TABLE.
    pub(crate) fn column(&mut self) -> Result<Column> {
        let name = self.identifier()?;
        if self.take("as") {
            return self.computed(name);
        }
        let mut of = self.type_name()?;
        let (mut nullable, mut key, mut identity) = (true, false, false);
        loop {
            if self.take("collate") {
                of.collation = self.collation()?;
            } else if self.take("not null") {
                nullable = false;
            } else if self.take("null") {
                nullable = true;
            } else if self.take("primary key") {
                self.take("clustered");
                (nullable, key) = (false, true);
            } else if self.take("identity") {
                identity = true;
                if self.take_symbol("(") {
                    self.list(Self::expression)?;
                    self.expect_symbol(")")?;
                }
            } else if self.take("default") {
                self.expression()?;
            } else {
                break;
            }
        }
        Ok(Column { name, of, nullable, key, identity, computed: false })
    }

    /// A computed column takes its type from a cast around its expression.
    fn computed(&mut self, name: String) -> Result<Column> {
        let expression = self.expression()?;
        self.take("persisted");
        match expression {
            super::Expression::Cast { to, .. } => {
                let column = Column {
                    name,
                    of: to,
                    nullable: true,
                    key: false,
                    identity: false,
                    computed: true,
                };
                Ok(column)
            }
            _ => Err(Problem::unknown("a computed column needs a CAST, which gives its type")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(sql: &str) -> Result<Vec<Statement>> {
        Parser::new(sql)?.batch()
    }

    #[test]
    fn what_a_client_of_cdc_asks_is_read() {
        for sql in [
            "SET LOCK_TIMEOUT 5000; SET DEADLOCK_PRIORITY LOW; SET NOCOUNT ON",
            "SET TRANSACTION ISOLATION LEVEL SNAPSHOT BEGIN TRAN SAVE TRANSACTION x COMMIT",
            "IF @@TRANCOUNT > 0 ROLLBACK TRAN",
            "SELECT TOP (@P1 + 1) start_lsn FROM [ERP].cdc.lsn_time_mapping AS m WITH (NOLOCK) \
             WHERE start_lsn >= @P2 AND tran_id <> 0x00 ORDER BY start_lsn DESC",
            "WITH x AS (SELECT 1 AS a) SELECT x.*, CASE WHEN a > 1 THEN 'b' END AS c FROM x",
            "SELECT CAST(c.[a] AS decimal(19,4)) AS [a], CONVERT(nvarchar(max), b, 1) FROM t c \
             LEFT JOIN u ON u.k = c.k WHERE (c.a = 1 OR (c.a > 2)) AND (c.a + 1) * 2 < 3",
            "SELECT 1 WHERE EXISTS (SELECT 1 FROM t) UNION ALL SELECT 2 FROM (VALUES (1),(2)) v(n)",
            "DECLARE @a binary(10) = 0x00; EXEC sys.sp_cdc_enable_table @source_schema = N'dbo', \
             @role_name = NULL; EXEC sys.sp_cdc_help_jobs",
            "GRANT SELECT ON SCHEMA::cdc TO [erp bridge]; GRANT VIEW DATABASE STATE TO x",
            "ALTER DATABASE CURRENT SET ALLOW_SNAPSHOT_ISOLATION ON",
            "CREATE SCHEMA erp; CREATE LOGIN bridge WITH PASSWORD = N'word'; \
             CREATE TABLE erp.T (id int NOT NULL DEFAULT 1, note char(3), PRIMARY KEY (id))",
        ] {
            read(sql).unwrap_or_else(|problem| panic!("{sql}: {problem}"));
        }
    }

    #[test]
    fn a_condition_is_not_a_value() {
        assert!(read("SELECT a > b FROM t").is_err());
        assert!(read("SELECT 1 WHERE a").is_err());
        assert!(read("SELECT a FROM t LIMIT 5").is_err());
    }
}
