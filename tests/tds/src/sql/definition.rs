//! The statements of a set-up script: tables, users, permissions, options of the database.

use super::{Name, Parser, Statement, Token};
use crate::problem::Result;

impl Parser {
    /// The statements of a set-up script.
    pub(super) fn definition(&mut self) -> Result<Statement> {
        if self.take("grant") {
            return self.grant();
        }
        if self.take("create user") {
            let user = self.identifier()?;
            if self.take("for login") || self.take("from login") {
                self.identifier()?;
            }
            return Ok(Statement::CreateUser(user));
        }
        if self.take("reconfigure") {
            return Ok(Statement::Print);
        }
        if self.take("create login") {
            return self.login();
        }
        if self.take("create table") {
            return self.table();
        }
        if self.take("create schema") {
            // A schema is there as soon as a table is in it.
            self.identifier()?;
            return Ok(Statement::Print);
        }
        if self.take("alter role") {
            let role = self.identifier()?;
            self.expect("add member")?;
            return Ok(Statement::AddMember { role, member: self.identifier()? });
        }
        if self.take("create role") {
            self.identifier()?;
            return Ok(Statement::Print);
        }
        if self.take("alter database") {
            // CURRENT is reserved and a name here all the same.
            if !self.take("current") {
                self.identifier()?;
            }
            self.expect("set")?;
            let option = self.identifier()?.to_lowercase();
            let on = self.take("on");
            if !on && !self.take("off") {
                return Err(self.unexpected("ON or OFF"));
            }
            return Ok(Statement::AlterDatabase { option, on });
        }
        Err(self.unexpected("a statement"))
    }

    fn login(&mut self) -> Result<Statement> {
        let name = self.identifier()?;
        self.expect("with password")?;
        self.expect_symbol("=")?;
        match self.advance() {
            Token::Text(password, _) => Ok(Statement::CreateLogin { name, password }),
            _ => Err(self.unexpected("a password")),
        }
    }

    fn table(&mut self) -> Result<Statement> {
        let name = self.name()?;
        self.expect_symbol("(")?;
        let (columns, key) = self.column_list()?;
        self.expect_symbol(")")?;
        Ok(Statement::CreateTable { name, columns, key })
    }

    fn grant(&mut self) -> Result<Statement> {
        let mut words = Vec::new();
        while !self.at("on") && !self.at("to") {
            match self.advance() {
                Token::Word(word) => words.push(word.to_lowercase()),
                _ => return Err(self.unexpected("a permission")),
            }
        }
        let on = if self.take("on") { Some(self.securable()?) } else { None };
        self.expect("to")?;
        Ok(Statement::Grant { permission: words.join(" "), on, to: self.identifier()? })
    }

    /// `SCHEMA::cdc` is a name of one part, `OBJECT::dbo.OPOR` and `dbo.OPOR` are of two.
    fn securable(&mut self) -> Result<Name> {
        if matches!(self.peek_after(1), Token::Symbol("::")) {
            self.advance();
            self.advance();
        }
        self.name()
    }
}
