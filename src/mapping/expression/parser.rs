//! From words to a tree, by the strength of the operators (Pratt's way).
//!
//! ```text
//! ? :      from the right
//! ||
//! &&
//! == != < <= > >= in
//! + -
//! * / %
//! ! -      before their operand
//! . () []  after it
//! ```
//!
//! Two depths are bounded: that of the calls in here, which brackets deepen, and that of the tree,
//! which also a long `a + b + c` deepens. So nothing that walks a tree can run out of stack.

use super::lexer::{Fault, Token, Word, words};
use super::tree::{Binary, Call, Operator, Tree, Unary, What};
use super::{MAX_CHARACTERS, MAX_DEPTH, Moment};

/// The name of the one function that takes a column and not its value.
const CHANGED: &str = "changed";

/// A column an expression names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) moment: Moment,
    pub(super) path: Box<[Box<str>]>,
    pub(super) at: usize,
}

/// The tree of an expression and the columns it names, in the order they are named.
pub(super) fn parse(text: &str) -> Result<(Tree, Vec<Named>), Fault> {
    if text.chars().nth(MAX_CHARACTERS).is_some() {
        let problem = format!("the expression is longer than {MAX_CHARACTERS} characters");
        return Err(Fault::new(0, problem, "use a code table, or compute less in one place"));
    }
    let mut words = words(text)?;
    words.reverse();
    let mut parser = Parser { words, columns: Vec::new(), depth: 0 };
    let tree = parser.expression(0)?;
    let next = parser.next();
    match next.word {
        Word::End => Ok((tree, parser.columns)),
        word => Err(unexpected(next.at, &word, "an operator or the end")),
    }
}

struct Parser {
    /// The words to come, the next one last.
    words: Vec<Token>,
    columns: Vec<Named>,
    depth: usize,
}

impl Parser {
    /// An expression whose operators are stronger than `strength`.
    fn expression(&mut self, strength: u8) -> Result<Tree, Fault> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(too_deep(self.at()));
        }
        let mut left = self.operand()?;
        while let Some(operator) = self.operator().filter(|next| next.strength() > strength) {
            let at = self.next().at;
            let right = self.expression(operator.strength())?;
            let binary = Binary { operator, at };
            left = node(left.at, What::Binary(binary, Box::new(left), Box::new(right)))?;
        }
        if strength == 0 && self.takes("?") {
            left = self.choice(left)?;
        }
        self.depth -= 1;
        Ok(left)
    }

    fn choice(&mut self, condition: Tree) -> Result<Tree, Fault> {
        let then = self.expression(0)?;
        self.expect(":", "`:` and the other value")?;
        let otherwise = self.expression(0)?;
        let at = condition.at;
        node(at, What::Choice(Box::new(condition), Box::new(then), Box::new(otherwise)))
    }

    /// One operand with the signs before it and what is asked of it after it.
    fn operand(&mut self) -> Result<Tree, Fault> {
        let at = self.at();
        let unary = match self.peek() {
            Word::Sign("!") => Unary::Not,
            Word::Sign("-") => Unary::Minus,
            _ => return self.member(),
        };
        self.next();
        // Stronger than every operator between two operands.
        let operand = self.expression(u8::MAX)?;
        node(at, What::Unary(unary, Box::new(operand)))
    }

    fn member(&mut self) -> Result<Tree, Fault> {
        let mut tree = self.primary()?;
        loop {
            if self.takes("[") {
                let place = self.expression(0)?;
                self.expect("]", "`]`")?;
                tree = node(tree.at, What::Element(Box::new(tree), Box::new(place)))?;
            } else if self.takes(".") {
                tree = self.method(tree)?;
            } else {
                return Ok(tree);
            }
        }
    }

    /// `.function(arguments)` of the tree before it. (The names of a path are taken with its
    /// first one.)
    fn method(&mut self, receiver: Tree) -> Result<Tree, Fault> {
        let Token { at, word } = self.next();
        match word {
            Word::Name(name) if self.takes("(") => {
                let start = receiver.at;
                let arguments = self.arguments(vec![receiver], ")")?;
                self.call(start, Call { name, at, arguments })
            }
            Word::Name(_) | Word::Quoted(_) => {
                let problem = "only a column can be followed by `.name`";
                Err(Fault::new(at, problem, "a function is called with brackets: `x.trim()`"))
            }
            word => Err(unexpected(at, &word, "a name after `.`")),
        }
    }

    fn primary(&mut self) -> Result<Tree, Fault> {
        let Token { at, word } = self.next();
        let what = match word {
            Word::Number(number) => What::Number(number),
            Word::Text(text) => What::Text(text),
            Word::Sign("(") => {
                let inner = self.expression(0)?;
                self.expect(")", "`)`")?;
                return Ok(inner);
            }
            Word::Sign("[") => What::List(self.arguments(Vec::new(), "]")?),
            Word::Name(name) => return self.named(at, name),
            Word::Quoted(name) => return Ok(self.path(at, name, false)),
            other => return Err(unexpected(at, &other, "a value")),
        };
        node(at, what)
    }

    /// What begins with a name: a word of the language, a function, or a path.
    fn named(&mut self, at: usize, name: Box<str>) -> Result<Tree, Fault> {
        match &*name {
            "null" => node(at, What::Null),
            "true" | "false" => node(at, What::Bool(&*name == "true")),
            "in" => Err(unexpected(at, &Word::Name(name), "a value")),
            _ if self.takes("(") => {
                let arguments = self.arguments(Vec::new(), ")")?;
                self.call(at, Call { name, at, arguments })
            }
            _ => Ok(self.path(at, name, true)),
        }
    }

    /// `a.b.c`, as far as names follow that are not called. `old.` and `new.` before a path say
    /// which moment is meant; a column of that name stands between backquotes.
    fn path(&mut self, at: usize, first: Box<str>, plain: bool) -> Tree {
        let mut path = vec![first];
        while let Some(name) = self.takes_name() {
            path.push(name);
        }
        let moment = match path.first().map(|first| &**first) {
            Some("old") if plain && path.len() > 1 => Some(Moment::Old),
            Some("new") if plain && path.len() > 1 => Some(Moment::New),
            _ => None,
        };
        if moment.is_some() {
            path.remove(0);
        }
        let moment = moment.unwrap_or(Moment::New);
        self.columns.push(Named { moment, path: path.into(), at });
        Tree { at, depth: 1, what: What::Column(self.columns.len() - 1) }
    }

    /// `.name` that is not a call.
    fn takes_name(&mut self) -> Option<Box<str>> {
        let mut ahead = self.words.iter().rev().map(|token| &token.word);
        let (point, name, after) = (ahead.next()?, ahead.next()?, ahead.next()?);
        let (Word::Name(name) | Word::Quoted(name)) = name else { return None };
        if *point != Word::Sign(".") || *after == Word::Sign("(") {
            return None;
        }
        let name = name.clone();
        self.next();
        self.next();
        Some(name)
    }

    /// Values with commas between them, up to the closing bracket.
    fn arguments(&mut self, mut list: Vec<Tree>, end: &'static str) -> Result<Vec<Tree>, Fault> {
        if self.takes(end) {
            return Ok(list);
        }
        loop {
            list.push(self.expression(0)?);
            if !self.takes(",") {
                break;
            }
        }
        self.expect(end, if end == ")" { "`,` or `)`" } else { "`,` or `]`" })?;
        Ok(list)
    }

    /// A call; `changed` takes the column itself and needs it at both moments.
    fn call(&mut self, at: usize, call: Call) -> Result<Tree, Fault> {
        if &*call.name != CHANGED {
            return node(at, What::Call(call));
        }
        let column = match &*call.arguments {
            [Tree { what: What::Column(column), .. }] => Some(*column),
            _ => None,
        };
        let named = column.and_then(|column| self.columns.get(column));
        let Some(named) = named.filter(|named| named.moment == Moment::New) else {
            let problem = "`changed` takes one column, as it is";
            return Err(Fault::new(call.at, problem, "write `changed(qty)`"));
        };
        self.columns.push(Named { moment: Moment::Old, ..named.clone() });
        node(at, What::Changed(column.unwrap_or_default(), self.columns.len() - 1))
    }

    fn operator(&self) -> Option<Operator> {
        let sign = match self.peek() {
            Word::Sign(sign) => *sign,
            Word::Name(name) if &**name == "in" => "in",
            _ => return None,
        };
        Operator::ALL.into_iter().find(|operator| operator.sign() == sign)
    }

    fn at(&self) -> usize {
        self.words.last().map_or(0, |token| token.at)
    }

    fn peek(&self) -> &Word {
        self.words.last().map_or(&Word::End, |token| &token.word)
    }

    /// The next word. The end stays where it is.
    fn next(&mut self) -> Token {
        let end = Token { at: self.at(), word: Word::End };
        if *self.peek() == Word::End { end } else { self.words.pop().unwrap_or(end) }
    }

    fn takes(&mut self, sign: &'static str) -> bool {
        let found = *self.peek() == Word::Sign(sign);
        if found {
            self.next();
        }
        found
    }

    fn expect(&mut self, sign: &'static str, wanted: &str) -> Result<(), Fault> {
        if self.takes(sign) {
            return Ok(());
        }
        Err(unexpected(self.at(), self.peek(), wanted))
    }
}

/// A part one level deeper than what it holds.
fn node(at: usize, what: What) -> Result<Tree, Fault> {
    let below = match &what {
        What::Null
        | What::Bool(_)
        | What::Number(_)
        | What::Text(_)
        | What::Column(_)
        | What::Changed(..) => 0,
        What::Unary(_, operand) => operand.depth,
        What::Binary(_, left, right) | What::Element(left, right) => {
            std::cmp::max(left.depth, right.depth)
        }
        What::Choice(condition, then, otherwise) => {
            std::cmp::max(condition.depth, std::cmp::max(then.depth, otherwise.depth))
        }
        What::List(values) | What::Call(Call { arguments: values, .. }) => {
            values.iter().map(|value| value.depth).max().unwrap_or(0)
        }
    };
    if below >= MAX_DEPTH {
        return Err(too_deep(at));
    }
    Ok(Tree { at, depth: below + 1, what })
}

fn too_deep(at: usize) -> Fault {
    let problem = format!("the expression has more than {MAX_DEPTH} levels");
    Fault::new(at, problem, "use `in [...]`, a code table, or compute less in one place")
}

fn unexpected(at: usize, word: &Word, wanted: &str) -> Fault {
    let (found, mend) = match word {
        Word::End => ("the expression ends".to_owned(), "write the rest"),
        Word::Number(_) => ("a number stands".to_owned(), "put an operator or a comma before it"),
        Word::Text(_) => ("a text stands".to_owned(), "put an operator or a comma before it"),
        Word::Sign(sign) => {
            (format!("`{sign}` stands"), "look for a bracket or an operand left out")
        }
        Word::Name(name) | Word::Quoted(name) => {
            let mend = match name.to_lowercase().as_str() {
                "and" => "write `&&`",
                "or" => "write `||`",
                "not" => "write `!`",
                "is" => "write `== null` or `!= null`",
                "if" | "then" | "else" => "write `condition ? value : other`",
                "like" => "write `startsWith`, `contains` or `matches`",
                _ => {
                    "put an operator before it; a name with blanks is written `` `Document Type` ``"
                }
            };
            (format!("`{name}` stands"), mend)
        }
    };
    Fault::new(at, format!("{found} where {wanted} is expected"), mend)
}
