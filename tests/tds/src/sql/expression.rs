//! Expressions and conditions.

use std::cmp::Ordering::{Equal, Greater, Less};

use super::{Condition, Expression, Name, Operator, Parser, SubqueryKind, Token};
use crate::problem::{Problem, Result};
use crate::value::kind::{Kind, Type};
use crate::value::{Decimal, Value};

/// Functions that are called without parentheses.
const BARE: [&str; 5] =
    ["current_timestamp", "current_user", "session_user", "system_user", "user"];

impl Parser {
    /// A condition: OR of ANDs of predicates.
    pub(super) fn condition(&mut self) -> Result<Condition> {
        let mut left = self.conjunction()?;
        while self.take("or") {
            left = Condition::Or(Box::new(left), Box::new(self.conjunction()?));
        }
        Ok(left)
    }

    fn conjunction(&mut self) -> Result<Condition> {
        let mut left = self.negation()?;
        while self.take("and") {
            left = Condition::And(Box::new(left), Box::new(self.negation()?));
        }
        Ok(left)
    }

    fn negation(&mut self) -> Result<Condition> {
        if self.take("not") {
            return Ok(Condition::Not(Box::new(self.negation()?)));
        }
        if self.at("exists") {
            self.advance();
            let query = self.subquery()?;
            return Ok(Condition::Subquery(SubqueryKind::Exists, Box::new(query)));
        }
        // A parenthesis opens a condition or an expression; which of them shows only behind it.
        if self.at_symbol("(") {
            let mark = self.mark();
            self.advance();
            if let Ok(condition) = self.condition()
                && self.take_symbol(")")
                && !self.continues_expression()
            {
                return Ok(condition);
            }
            self.back_to(mark);
        }
        self.predicate()
    }

    fn continues_expression(&self) -> bool {
        let symbols = ["=", "<", ">", "<>", "!=", "<=", ">=", "+", "-", "*", "/", "%"];
        symbols.iter().any(|symbol| self.at_symbol(symbol))
            || ["is", "in", "like", "between"].iter().any(|word| self.at(word))
    }

    fn predicate(&mut self) -> Result<Condition> {
        let left = self.expression()?;
        if self.take("is not null") {
            return Ok(Condition::Not(Box::new(Condition::IsNull(left))));
        }
        if self.take("is null") {
            return Ok(Condition::IsNull(left));
        }
        if let Some(orders) = self.comparison() {
            return Ok(Condition::Compare(left, orders, self.expression()?));
        }
        let negated = self.take("not");
        let condition = self.membership(left)?;
        Ok(if negated { Condition::Not(Box::new(condition)) } else { condition })
    }

    fn membership(&mut self, left: Expression) -> Result<Condition> {
        if self.take("between") {
            let low = self.expression()?;
            self.expect("and")?;
            let high = self.expression()?;
            let from = Condition::Compare(left.clone(), &[Greater, Equal], low);
            let to = Condition::Compare(left, &[Less, Equal], high);
            return Ok(Condition::And(Box::new(from), Box::new(to)));
        }
        if self.take("like") {
            let pattern = self.expression()?;
            let escape = if self.take("escape") { self.character()? } else { None };
            return Ok(Condition::Like { text: left, pattern, escape });
        }
        self.expect("in")?;
        if matches!(self.peek_after(1), Token::Word(word) if word.eq_ignore_ascii_case("select")) {
            let query = Box::new(self.subquery()?);
            return Ok(Condition::Subquery(SubqueryKind::In(left), query));
        }
        self.expect_symbol("(")?;
        let list = self.list(Self::expression)?;
        self.expect_symbol(")")?;
        Ok(Condition::In(left, list))
    }

    fn character(&mut self) -> Result<Option<char>> {
        match self.advance() {
            Token::Text(text, _) => Ok(text.chars().next()),
            _ => Err(self.unexpected("a character")),
        }
    }

    fn comparison(&mut self) -> Option<&'static [std::cmp::Ordering]> {
        let Token::Symbol(symbol) = self.peek() else { return None };
        let orders: &'static [std::cmp::Ordering] = match *symbol {
            "=" => &[Equal],
            "<>" | "!=" => &[Less, Greater],
            "<" => &[Less],
            ">" => &[Greater],
            "<=" | "!>" => &[Less, Equal],
            ">=" | "!<" => &[Greater, Equal],
            _ => return None,
        };
        self.advance();
        Some(orders)
    }

    /// An expression: sums of products of terms.
    pub(crate) fn expression(&mut self) -> Result<Expression> {
        let mut left = self.product()?;
        loop {
            let operator = match self.peek() {
                Token::Symbol("+") => Operator::Add,
                Token::Symbol("-") => Operator::Subtract,
                Token::Symbol("&") => Operator::BitAnd,
                Token::Symbol("|") => Operator::BitOr,
                Token::Symbol("^") => Operator::BitXor,
                _ => return Ok(left),
            };
            self.advance();
            left = Expression::Binary(operator, Box::new(left), Box::new(self.product()?));
        }
    }

    fn product(&mut self) -> Result<Expression> {
        let mut left = self.term()?;
        loop {
            let operator = match self.peek() {
                Token::Symbol("*") => Operator::Multiply,
                Token::Symbol("/") => Operator::Divide,
                Token::Symbol("%") => Operator::Modulo,
                _ => return Ok(left),
            };
            self.advance();
            left = Expression::Binary(operator, Box::new(left), Box::new(self.term()?));
        }
    }

    /// A term with what may follow it: methods and a collation.
    fn term(&mut self) -> Result<Expression> {
        let mut term = self.primary()?;
        while self.at_symbol(".") && matches!(self.peek_after(1), Token::Word(_)) {
            self.advance();
            let method = self.identifier()?;
            self.expect_symbol("(")?;
            self.expect_symbol(")")?;
            term = Expression::Method(Box::new(term), method);
        }
        if self.take("collate") {
            let of = Type { kind: Kind::NVarChar(None), collation: self.collation()? };
            term = Expression::Collate(Box::new(term), of);
        }
        Ok(term)
    }

    fn primary(&mut self) -> Result<Expression> {
        let token = self.peek().clone();
        match token {
            Token::Symbol("-") => {
                self.advance();
                Ok(Expression::Negative(Box::new(self.term()?)))
            }
            Token::Symbol("+") => {
                self.advance();
                self.term()
            }
            Token::Symbol("(") => self.parenthesised(),
            Token::Number(text) => {
                self.advance();
                number(&text).ok_or_else(|| Problem::unknown(format!("the number {text}")))
            }
            Token::Text(text, national) => {
                self.advance();
                Ok(text_literal(&text, national))
            }
            Token::Bytes(bytes) => {
                self.advance();
                let length = u16::try_from(std::cmp::max(bytes.len(), 1)).ok();
                Ok(Expression::Literal(bytes.into(), Kind::VarBinary(length).into()))
            }
            Token::Variable(name) => {
                self.advance();
                Ok(Expression::Variable(name))
            }
            Token::Global(name) => {
                self.advance();
                Ok(Expression::Global(name))
            }
            Token::Word(word) => self.word(&word.to_lowercase()),
            Token::Quoted(_) => self.named(),
            _ => Err(self.unexpected("a value")),
        }
    }

    fn parenthesised(&mut self) -> Result<Expression> {
        if matches!(self.peek_after(1), Token::Word(word) if word.eq_ignore_ascii_case("select")) {
            return Ok(Expression::Scalar(Box::new(self.subquery()?)));
        }
        self.advance();
        let inner = self.expression()?;
        self.expect_symbol(")")?;
        Ok(inner)
    }

    /// What begins with a word: a keyword that makes a value, a function, or a column.
    fn word(&mut self, word: &str) -> Result<Expression> {
        match word {
            "null" => {
                self.advance();
                Ok(Expression::Literal(Value::Null, Kind::Int.into()))
            }
            "case" => self.case(),
            "cast" | "try_cast" => self.cast(word == "try_cast"),
            "convert" | "try_convert" => self.convert(word == "try_convert"),
            "coalesce" | "nullif" | "left" | "right" => {
                self.advance();
                self.call(Name(vec![word.to_owned()]))
            }
            _ if BARE.contains(&word) => {
                self.advance();
                let name = Name(vec![word.to_owned()]);
                Ok(Expression::Call { name, arguments: Vec::new(), star: false, distinct: false })
            }
            _ => self.named(),
        }
    }

    fn named(&mut self) -> Result<Expression> {
        let name = self.name()?;
        if !self.at_symbol("(") {
            return Ok(Expression::Column(name));
        }
        // `[c].ToString()`: the last part is a method of what stands before it.
        let method = name.0.last().is_some_and(|last| last.eq_ignore_ascii_case("tostring"));
        if method && name.0.len() > 1 {
            let (last, owner) = name.0.split_last().expect("a name has parts");
            self.expect_symbol("(")?;
            self.expect_symbol(")")?;
            let owner = Expression::Column(Name(owner.to_vec()));
            return Ok(Expression::Method(Box::new(owner), last.clone()));
        }
        self.call(name)
    }

    fn call(&mut self, name: Name) -> Result<Expression> {
        self.expect_symbol("(")?;
        if self.take_symbol("*") {
            self.expect_symbol(")")?;
            return Ok(Expression::Call {
                name,
                arguments: Vec::new(),
                star: true,
                distinct: false,
            });
        }
        let distinct = self.take("distinct");
        let mut arguments = Vec::new();
        if !self.at_symbol(")") {
            // The first argument of the date functions is a bare word.
            let part = matches!(self.peek(), Token::Word(_)) && is_date_function(&name);
            arguments = if part { self.date_arguments()? } else { self.list(Self::expression)? };
        }
        self.expect_symbol(")")?;
        if self.at("over") {
            return Err(Problem::unknown("window functions"));
        }
        Ok(Expression::Call { name, arguments, star: false, distinct })
    }

    fn date_arguments(&mut self) -> Result<Vec<Expression>> {
        let part = self.identifier()?.to_lowercase();
        let mut arguments = vec![text_literal(&part, false)];
        while self.take_symbol(",") {
            arguments.push(self.expression()?);
        }
        Ok(arguments)
    }

    fn cast(&mut self, tries: bool) -> Result<Expression> {
        self.advance();
        self.expect_symbol("(")?;
        let value = Box::new(self.expression()?);
        self.expect("as")?;
        let to = long_by_default(self.type_name()?);
        self.expect_symbol(")")?;
        Ok(Expression::Cast { value, to, style: 0, tries })
    }

    fn convert(&mut self, tries: bool) -> Result<Expression> {
        self.advance();
        self.expect_symbol("(")?;
        let to = long_by_default(self.type_name()?);
        self.expect_symbol(",")?;
        let value = Box::new(self.expression()?);
        let style = if self.take_symbol(",") { self.style()? } else { 0 };
        self.expect_symbol(")")?;
        Ok(Expression::Cast { value, to, style, tries })
    }

    fn style(&mut self) -> Result<i32> {
        match self.advance() {
            Token::Number(text) => text.parse().map_err(|_| self.unexpected("a style")),
            _ => Err(self.unexpected("a style")),
        }
    }

    fn case(&mut self) -> Result<Expression> {
        self.advance();
        let operand = if self.at("when") { None } else { Some(self.expression()?) };
        let mut whens = Vec::new();
        while self.take("when") {
            let condition = match &operand {
                Some(operand) => Condition::Compare(operand.clone(), &[Equal], self.expression()?),
                None => self.condition()?,
            };
            self.expect("then")?;
            whens.push((condition, self.expression()?));
        }
        let otherwise = if self.take("else") { Some(Box::new(self.expression()?)) } else { None };
        self.expect("end")?;
        Ok(Expression::Case { whens, otherwise })
    }
}

fn is_date_function(name: &Name) -> bool {
    let functions = ["datepart", "dateadd", "datediff", "datename", "datediff_big"];
    matches!(name.0.as_slice(), [one] if functions.contains(&one.to_lowercase().as_str()))
}

/// In a cast a length not said is 30, where a column's would be 1.
fn long_by_default(of: Type) -> Type {
    let kind = match of.kind {
        Kind::VarChar(Some(1)) => Kind::VarChar(Some(30)),
        Kind::NVarChar(Some(1)) => Kind::NVarChar(Some(30)),
        Kind::VarBinary(Some(1)) => Kind::VarBinary(Some(30)),
        other => other,
    };
    Type { kind, ..of }
}

fn number(text: &str) -> Option<Expression> {
    if text.contains('e') {
        return Some(Expression::Literal(Value::Float(text.parse().ok()?), Kind::Float.into()));
    }
    if let Ok(number) = text.parse::<i32>() {
        return Some(Expression::Literal(number.into(), Kind::Int.into()));
    }
    let number = Decimal::read(text)?;
    let precision = u8::try_from(number.digits.unsigned_abs().to_string().len()).ok()?;
    let precision = std::cmp::max(precision, number.scale);
    let kind = Kind::Decimal(precision, number.scale);
    Some(Expression::Literal(Value::Decimal(number), kind.into()))
}

fn text_literal(text: &str, national: bool) -> Expression {
    let units = std::cmp::max(text.encode_utf16().count(), 1);
    let length = u16::try_from(units).ok().filter(|length| *length <= 4000);
    let kind = if national { Kind::NVarChar(length) } else { Kind::VarChar(length) };
    Expression::Literal(text.into(), kind.into())
}
