//! Types, columns and constant parts: everything about an expression that needs no row.
//!
//! Without columns (`check_alone`) a column may be of any type, and so may `null` always. A part
//! about which a finding was noted is of any type too, so that one mistake gives one finding.

use erpbridge_connector::Value;

use super::arguments::{NO_COUNT, count};
use super::calls;
use super::datum::Datum;
use super::evaluate::Stop;
use super::program::{Cell, Node, Program};
use super::tree::{Binary, Operator, Tree, Unary, What};
use super::{EvalError, Expression, Inputs, Moment, Resolve, Type};
use crate::document::Findings;

/// The program, if the columns are known and nothing is wrong.
pub(super) fn check<'c>(
    expression: &'c Expression,
    wanted: Type,
    resolve: Option<Resolve<'c>>,
    findings: &'c mut Findings,
) -> Option<Program> {
    let alone = resolve.is_none();
    let mut checker = Checker { expression, resolve, findings, sound: true };
    let part = checker.part(&expression.tree);
    let node = checker.wanted("the expression", wanted, part);
    (checker.sound && !alone).then_some(Program { node, result: wanted })
}

/// A checked part of an expression.
pub(super) struct Part {
    pub(super) node: Node,
    /// Its type, if it has to have one.
    pub(super) kind: Option<Type>,
    /// Where it begins.
    pub(super) at: usize,
}

pub(super) struct Checker<'c> {
    expression: &'c Expression,
    resolve: Option<Resolve<'c>>,
    findings: &'c mut Findings,
    /// Whether nothing was found.
    sound: bool,
}

impl Checker<'_> {
    pub(super) fn part(&mut self, tree: &Tree) -> Part {
        let (node, kind) = match &tree.what {
            What::Null => (Node::Null, None),
            What::Bool(bool) => (Node::Constant(Datum::Bool(*bool)), Some(Type::Bool)),
            What::Number(number) => (Node::Constant(Datum::Number(*number)), Some(Type::Number)),
            What::Text(text) => {
                (Node::Constant(Datum::Text(text.to_string().into())), Some(Type::Text))
            }
            What::Column(column) => self.column(*column),
            What::Changed(new, old) => (self.changed(*new, *old), Some(Type::Bool)),
            What::List(values) => (self.list(values), Some(Type::Texts)),
            What::Unary(unary, operand) => self.unary(*unary, operand, tree.at),
            What::Binary(binary, left, right) => self.binary(*binary, left, right),
            What::Choice(condition, then, otherwise) => self.choice(condition, then, otherwise),
            What::Element(list, place) => self.element(list, place),
            What::Call(call) => calls::check(self, call),
        };
        Part { node, kind, at: tree.at }
    }

    /// A finding at a character of the expression.
    pub(super) fn note(&mut self, at: usize, problem: impl Into<String>, mend: impl Into<String>) {
        self.findings.error(&self.expression.origin.at(at), problem, mend);
        self.sound = false;
    }

    /// A part that must be of one type; `who` wants it.
    pub(super) fn wanted(&mut self, who: &str, wanted: Type, part: Part) -> Node {
        match part.kind {
            Some(kind) if kind != wanted => {
                let problem = match who {
                    "the expression" => format!("{who} gives a {kind}, a {wanted} is wanted"),
                    _ => format!("{who} takes a {wanted}, this is a {kind}"),
                };
                self.note(part.at, problem, conversion(kind, wanted));
                Node::Unknown
            }
            _ => part.node,
        }
    }

    /// The value of a step whose operands are all known, computed now.
    pub(super) fn fold(&mut self, node: Node, constant: bool, at: usize) -> Node {
        if !constant {
            return node;
        }
        let result = node.evaluate(&Nothing).map(Datum::into_owned);
        match result {
            Ok(datum) => Node::Constant(datum),
            Err(Stop::Null) => Node::Null,
            Err(Stop::Error(EvalError::Failed { detail })) => {
                self.note(at, detail, "this can never be computed: correct what is written here");
                Node::Unknown
            }
            Err(Stop::Error(EvalError::Absent { .. })) => node,
        }
    }

    fn column(&mut self, column: usize) -> (Node, Option<Type>) {
        match self.cell(column) {
            Some(cell) => {
                let kind = cell.kind;
                (Node::Cell(cell), Some(kind))
            }
            None => (Node::Unknown, None),
        }
    }

    fn cell(&mut self, column: usize) -> Option<Cell> {
        let expression = self.expression;
        let reference = expression.references.get(column)?;
        let resolve = self.resolve.as_mut()?;
        let Some((slot, kind)) = resolve(reference, self.findings) else {
            self.sound = false;
            return None;
        };
        let moment = if reference.moment == Moment::Old { "old." } else { "" };
        let name = format!("{moment}{}", reference.path.join("."));
        Some(Cell { slot, kind, name: name.into() })
    }

    fn changed(&mut self, new: usize, old: usize) -> Node {
        match (self.cell(new), self.cell(old)) {
            (Some(new), Some(old)) => Node::Changed(Box::new([new, old])),
            _ => Node::Unknown,
        }
    }

    /// A list of texts: as the second side of `in` it may hold anything (see [`Self::one_of`]).
    fn list(&mut self, values: &[Tree]) -> Node {
        let texts = values.iter().map(|value| {
            let part = self.part(value);
            self.wanted("a list", Type::Text, part)
        });
        Node::List(texts.collect())
    }

    fn unary(&mut self, unary: Unary, operand: &Tree, at: usize) -> (Node, Option<Type>) {
        let part = self.part(operand);
        match unary {
            Unary::Not => {
                let operand = self.wanted("`!`", Type::Bool, part);
                (Node::Not(Box::new(operand)), Some(Type::Bool))
            }
            Unary::Minus => {
                let operand = self.wanted("`-`", Type::Number, part);
                let constant = operand.is_constant();
                let node = self.fold(Node::Minus(Box::new(operand)), constant, at);
                (node, Some(Type::Number))
            }
        }
    }

    fn binary(&mut self, binary: Binary, left: &Tree, right: &Tree) -> (Node, Option<Type>) {
        let operator = binary.operator;
        if operator == Operator::In {
            return (self.within(left, right), Some(Type::Bool));
        }
        let (left, right) = (self.part(left), self.part(right));
        match operator {
            Operator::And | Operator::Or => {
                let who = format!("`{}`", operator.sign());
                let left = self.wanted(&who, Type::Bool, left);
                let right = self.wanted(&who, Type::Bool, right);
                let sides = Box::new([left, right]);
                let both = operator == Operator::And;
                (if both { Node::And(sides) } else { Node::Or(sides) }, Some(Type::Bool))
            }
            _ => self.compute(binary, left, right),
        }
    }

    /// Comparisons and arithmetic: both sides are of one type.
    fn compute(&mut self, binary: Binary, left: Part, right: Part) -> (Node, Option<Type>) {
        let Binary { operator, at } = binary;
        let sign = operator.sign();
        let (kind, given) = match self.one_type(&left, &right) {
            Ok(kind) => (kind, kind.unwrap_or(Type::Number)),
            Err((one, other)) => {
                let problem = format!("`{sign}` cannot take a {one} and a {other}");
                self.note(at, problem, alike(&left, &right));
                return (Node::Unknown, result(operator, None));
            }
        };
        if !takes(operator, given) {
            let problem = format!("`{sign}` cannot take a {given}");
            self.note(at, problem, instead(operator, given));
            return (Node::Unknown, result(operator, None));
        }
        let constant = left.node.is_constant() && right.node.is_constant();
        let sides = Box::new([left.node, right.node]);
        let node = match operator {
            Operator::Equal => Node::Equal(sides),
            Operator::Unequal => Node::Unequal(sides),
            Operator::Add if given == Type::Text => calls::joined(*sides),
            Operator::Less
            | Operator::LessOrEqual
            | Operator::Greater
            | Operator::GreaterOrEqual => Node::Order(operator, sides),
            _ => Node::Arithmetic(operator, sides),
        };
        (self.fold(node, constant, at), result(operator, kind))
    }

    /// `x in [a, b]` or `x in list`.
    fn within(&mut self, value: &Tree, list: &Tree) -> Node {
        let value = self.part(value);
        let What::List(values) = &list.what else {
            let list = self.part(list);
            if list.kind.is_some_and(|kind| kind != Type::Texts) {
                return self.wanted("`in`", Type::Texts, list);
            }
            let value = self.wanted("`in` a list of text", Type::Text, value);
            return Node::Among(Box::new([value, list.node]));
        };
        self.one_of(value, values, list.at)
    }

    fn one_of(&mut self, value: Part, values: &[Tree], at: usize) -> Node {
        if values.is_empty() {
            self.note(at, "the list is empty: nothing is in it", "name at least one value");
        }
        if value.kind == Some(Type::Texts) {
            self.note(value.at, "a list cannot be in a list", "take one of its texts with `[0]`");
            return Node::Unknown;
        }
        let nodes = values.iter().map(|other| {
            let other = self.part(other);
            if let Err((wanted, kind)) = self.one_type(&value, &other) {
                let problem = format!("the list has a {kind}, the value is a {wanted}");
                self.note(other.at, problem, alike(&value, &other));
            }
            other.node
        });
        let nodes: Box<[Node]> = nodes.collect();
        Node::OneOf(Box::new(value.node), nodes)
    }

    fn choice(&mut self, condition: &Tree, then: &Tree, otherwise: &Tree) -> (Node, Option<Type>) {
        let condition = self.part(condition);
        let condition = self.wanted("the condition before `?`", Type::Bool, condition);
        let (then, otherwise) = (self.part(then), self.part(otherwise));
        let kind = match self.one_type(&then, &otherwise) {
            Ok(kind) => kind,
            Err((one, other)) => {
                let problem = format!("one side of `:` is a {one}, the other a {other}");
                self.note(otherwise.at, problem, alike(&then, &otherwise));
                None
            }
        };
        (Node::Choice(Box::new([condition, then.node, otherwise.node])), kind)
    }

    fn element(&mut self, list: &Tree, place: &Tree) -> (Node, Option<Type>) {
        let (list, place) = (self.part(list), self.part(place));
        let at = place.at;
        let list = self.wanted("`[...]`", Type::Texts, list);
        let place = self.wanted("the place in `[...]`", Type::Number, place);
        if let Node::Constant(Datum::Number(number)) = &place
            && count(*number).is_none()
        {
            self.note(at, NO_COUNT, "write `[0]` for the first");
        }
        let constant = list.is_constant() && place.is_constant();
        let node = Node::Element(Box::new([list, place]));
        (self.fold(node, constant, at), Some(Type::Text))
    }

    /// The type two parts share.
    #[expect(clippy::unused_self, reason = "reads as a question to the checker")]
    pub(super) fn one_type(&self, one: &Part, other: &Part) -> Result<Option<Type>, (Type, Type)> {
        match (one.kind, other.kind) {
            (Some(one), Some(other)) if one != other => Err((one, other)),
            (one, other) => Ok(one.or(other)),
        }
    }
}

fn takes(operator: Operator, kind: Type) -> bool {
    match operator {
        Operator::Equal | Operator::Unequal => kind != Type::Texts,
        Operator::Less | Operator::LessOrEqual | Operator::Greater | Operator::GreaterOrEqual => {
            !matches!(kind, Type::Bool | Type::Texts)
        }
        Operator::Add => matches!(kind, Type::Number | Type::Text),
        _ => kind == Type::Number,
    }
}

/// What an operator gives for operands of a type.
fn result(operator: Operator, kind: Option<Type>) -> Option<Type> {
    match operator {
        Operator::Add => kind,
        Operator::Subtract | Operator::Multiply | Operator::Divide | Operator::Remainder => {
            Some(Type::Number)
        }
        _ => Some(Type::Bool),
    }
}

/// How to make one type of another.
pub(super) fn conversion(from: Type, into: Type) -> &'static str {
    match (from, into) {
        (Type::Texts, _) => "take one text with `[0]`, or count them with `size(...)`",
        (_, Type::Text) => "write `text(...)` around it",
        (Type::Text, Type::Number) => "write `number(...)` around it",
        (Type::Text | Type::Instant, Type::Date) => "write `date(...)` around it",
        (Type::Text, Type::Instant) => "write `instant(...)` around it",
        (_, Type::Bool) => "compare it with something: `... == ...`",
        _ => "use a value of the type that is wanted",
    }
}

/// How to make two types one.
pub(super) fn alike(one: &Part, other: &Part) -> &'static str {
    let literal = |part: &Part| matches!(part.node, Node::Constant(_));
    let kinds = [(one, other), (other, one)];
    let text = kinds.iter().find(|(part, _)| part.kind == Some(Type::Text));
    let Some((text, other)) = text else {
        return "make both of one type: `text(...)` makes a text of any value";
    };
    match other.kind {
        Some(Type::Number) if literal(other) && !literal(text) => {
            "write the number in quotes, or `number(...)` around the text"
        }
        Some(Type::Number) => {
            "write `number(...)` around the text, or `text(...)` around the number"
        }
        Some(Type::Date) => "write `date(...)` around the text",
        Some(Type::Instant) => "write `instant(...)` around the text",
        Some(Type::Bool) => "write `true` and `false` without quotes",
        _ => "take one text of the list with `[0]`",
    }
}

fn instead(operator: Operator, kind: Type) -> &'static str {
    match (operator, kind) {
        (_, Type::Texts) => "take one text of the list with `[0]`",
        (Operator::Add, Type::Date) => "write `add_days(date, days)`",
        (Operator::Subtract, Type::Date) => {
            "write `days_between(from, to)` or `add_days(date, -1)`"
        }
        (_, Type::Text) => "write `number(...)` around the texts",
        (_, Type::Instant) => "compare instants, or take their days with `date(...)`",
        (_, Type::Date) => "compare dates, or count with `days_between(from, to)`",
        (_, Type::Bool) => "write `&&`, `||` or `!`",
        (_, Type::Number) => "use another operator",
    }
}

/// A row without cells, for what needs none.
struct Nothing;

impl Inputs for Nothing {
    fn get(&self, _slot: usize) -> Value<'_> {
        Value::Absent
    }
}
