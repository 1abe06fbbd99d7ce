//! Queries.

use super::{Expression, Hints, Item, Join, Order, Parser, Query, Relation, Select, Token};
use crate::problem::{Problem, Result};

impl Parser {
    /// A query in parentheses.
    pub(super) fn subquery(&mut self) -> Result<Query> {
        self.expect_symbol("(")?;
        let query = self.query()?;
        self.expect_symbol(")")?;
        Ok(query)
    }

    /// A query with its common table expressions, unions and order.
    pub(super) fn query(&mut self) -> Result<Query> {
        let with = if self.take("with") { self.list(Self::common_table)? } else { Vec::new() };
        let mut selects = vec![(self.select()?, false)];
        while self.take("union") {
            let distinct = !self.take("all");
            let parenthesised = self.take_symbol("(");
            selects.push((self.select()?, distinct));
            if parenthesised {
                self.expect_symbol(")")?;
            }
        }
        let mut query = Query { with, selects, order: Vec::new(), offset: None, fetch: None };
        if self.take("order by") {
            query.order = self.list(Self::order)?;
            if self.take("offset") {
                query.offset = Some(self.expression()?);
                self.rows_word()?;
                if self.take("fetch next") || self.take("fetch first") {
                    query.fetch = Some(self.expression()?);
                    self.rows_word()?;
                    self.expect("only")?;
                }
            }
        }
        if self.take("option") {
            self.skip_parenthesised()?;
        }
        Ok(query)
    }

    fn rows_word(&mut self) -> Result<()> {
        if self.take("rows") || self.take("row") { Ok(()) } else { Err(self.unexpected("ROWS")) }
    }

    fn common_table(&mut self) -> Result<(String, Query)> {
        let name = self.identifier()?;
        if self.at_symbol("(") {
            return Err(Problem::unknown("column names of a common table expression"));
        }
        self.expect("as")?;
        Ok((name, self.subquery()?))
    }

    fn order(&mut self) -> Result<Order> {
        let by = self.expression()?;
        let descending = self.take("desc");
        if !descending {
            self.take("asc");
        }
        Ok(Order { by, descending })
    }

    fn select(&mut self) -> Result<Select> {
        self.expect("select")?;
        let distinct = self.take("distinct");
        if !distinct {
            self.take("all");
        }
        let top = if self.take("top") { Some(self.top()?) } else { None };
        let items = self.list(Self::item)?;
        let from = if self.take("from") { Some(self.relations()?) } else { None };
        let filter = if self.take("where") { Some(self.condition()?) } else { None };
        let group = if self.take("group by") { self.list(Self::expression)? } else { Vec::new() };
        let having = if self.take("having") { Some(self.condition()?) } else { None };
        Ok(Select { distinct, top, items, from, filter, group, having })
    }

    /// Without parentheses only a number may be said.
    fn top(&mut self) -> Result<Expression> {
        if self.take_symbol("(") {
            let count = self.expression()?;
            self.expect_symbol(")")?;
            return Ok(count);
        }
        match self.peek() {
            Token::Number(_) => {
                let mut one = Parser::new(&match self.advance() {
                    Token::Number(text) => text,
                    _ => String::new(),
                })?;
                one.expression()
            }
            _ => Err(self.unexpected("a number or a parenthesis behind TOP")),
        }
    }

    fn item(&mut self) -> Result<Item> {
        if self.take_symbol("*") {
            return Ok(Item::All(None));
        }
        if let (Token::Variable(name), Token::Symbol("=")) =
            (self.peek().clone(), self.peek_after(1))
        {
            self.advance();
            self.advance();
            return Ok(Item::Assign(name, self.expression()?));
        }
        let mark = self.mark();
        if self.at_identifier() {
            let name = self.identifier()?;
            if self.at_symbol(".") && matches!(self.peek_after(1), Token::Symbol("*")) {
                self.advance();
                self.advance();
                return Ok(Item::All(Some(name)));
            }
            if self.take_symbol("=") {
                return Ok(Item::Value(self.expression()?, Some(name)));
            }
            self.back_to(mark);
        }
        let value = self.expression()?;
        let alias = self.alias()?;
        Ok(Item::Value(value, alias))
    }

    /// `AS name`, or a name alone; in a select list also a text.
    fn alias(&mut self) -> Result<Option<String>> {
        if self.take("as") {
            if let Token::Text(text, _) = self.peek().clone() {
                self.advance();
                return Ok(Some(text));
            }
            return self.identifier().map(Some);
        }
        if self.at_identifier() { self.identifier().map(Some) } else { Ok(None) }
    }

    fn relations(&mut self) -> Result<Relation> {
        let mut left = self.joined()?;
        while self.take_symbol(",") {
            let right = Box::new(self.joined()?);
            left = Relation::Joined { left: Box::new(left), right, how: Join::Cross, on: None };
        }
        Ok(left)
    }

    fn joined(&mut self) -> Result<Relation> {
        let mut left = self.relation()?;
        while let Some(how) = self.join() {
            let right = Box::new(self.relation()?);
            let bare = matches!(how, Join::Cross | Join::Apply | Join::OuterApply);
            let on = if bare {
                None
            } else {
                self.expect("on")?;
                Some(self.condition()?)
            };
            left = Relation::Joined { left: Box::new(left), right, how, on };
        }
        Ok(left)
    }

    fn join(&mut self) -> Option<Join> {
        [
            ("join", Join::Inner),
            ("inner join", Join::Inner),
            ("left join", Join::Left),
            ("left outer join", Join::Left),
            ("right join", Join::Right),
            ("right outer join", Join::Right),
            ("full join", Join::Full),
            ("full outer join", Join::Full),
            ("cross join", Join::Cross),
            ("cross apply", Join::Apply),
            ("outer apply", Join::OuterApply),
        ]
        .into_iter()
        .find_map(|(words, how)| self.take(words).then_some(how))
    }

    fn relation(&mut self) -> Result<Relation> {
        if self.at_symbol("(") {
            return self.derived();
        }
        let name = self.name()?;
        if self.take_symbol("(") {
            let arguments =
                if self.at_symbol(")") { Vec::new() } else { self.list(Self::expression)? };
            self.expect_symbol(")")?;
            let alias = self.alias()?;
            return Ok(Relation::Function { name, arguments, alias });
        }
        let alias = self.alias()?;
        let hints = self.hints()?;
        Ok(Relation::Table { name, alias, hints })
    }

    fn derived(&mut self) -> Result<Relation> {
        self.expect_symbol("(")?;
        let rows = if self.take("values") { Some(self.list(Self::values_row)?) } else { None };
        let query = if rows.is_none() { Some(Box::new(self.query()?)) } else { None };
        self.expect_symbol(")")?;
        let alias = self.alias()?.ok_or_else(|| self.unexpected("a name of the derived table"))?;
        let mut columns = Vec::new();
        if self.take_symbol("(") {
            columns = self.list(Self::identifier)?;
            self.expect_symbol(")")?;
        }
        Ok(match (rows, query) {
            (Some(rows), _) => Relation::Values { rows, alias, columns },
            (None, Some(query)) => Relation::Derived { query, alias, columns },
            (None, None) => return Err(self.unexpected("a query")),
        })
    }

    fn values_row(&mut self) -> Result<Vec<Expression>> {
        self.expect_symbol("(")?;
        let row = self.list(Self::expression)?;
        self.expect_symbol(")")?;
        Ok(row)
    }

    fn hints(&mut self) -> Result<Hints> {
        let mut hints = Hints::default();
        if !self.at("with") || !matches!(self.peek_after(1), Token::Symbol("(")) {
            return Ok(hints);
        }
        self.advance();
        self.expect_symbol("(")?;
        for hint in self.list(Self::hint)? {
            match hint.to_lowercase().as_str() {
                "tablock" => hints.table = true,
                "tablockx" => (hints.table, hints.exclusive) = (true, true),
                "holdlock" | "serializable" | "repeatableread" => hints.hold = true,
                "nolock" | "readuncommitted" => hints.uncommitted = true,
                "readcommitted" | "readcommittedlock" | "rowlock" | "paglock" | "forceseek"
                | "readpast" | "nowait" => {}
                other => return Err(Problem::unknown(format!("the hint {other}"))),
            }
        }
        self.expect_symbol(")")?;
        Ok(hints)
    }

    fn hint(&mut self) -> Result<String> {
        match self.advance() {
            Token::Word(word) => Ok(word),
            _ => Err(self.unexpected("a hint")),
        }
    }

    /// Takes everything up to the closing parenthesis.
    fn skip_parenthesised(&mut self) -> Result<()> {
        self.expect_symbol("(")?;
        let mut depth = 1;
        while depth > 0 {
            match self.advance() {
                Token::Symbol("(") => depth += 1,
                Token::Symbol(")") => depth -= 1,
                Token::End => return Err(self.unexpected(")")),
                _ => {}
            }
        }
        Ok(())
    }
}
