//! The tree of an expression, as it was written: names are not yet resolved.

use super::decimal::Decimal;

/// A part of an expression.
#[derive(Clone, Debug)]
pub(super) struct Tree {
    /// Where it begins, in characters from the start of the expression.
    pub(super) at: usize,
    /// How many levels it has: everything that walks a tree may recurse so deep.
    pub(super) depth: usize,
    pub(super) what: What,
}

#[derive(Clone, Debug)]
pub(super) enum What {
    Null,
    Bool(bool),
    Number(Decimal),
    Text(Box<str>),
    /// A column, by its place among the references of the expression.
    Column(usize),
    /// Whether a column differs: the reference to it as it is, then as it was.
    Changed(usize, usize),
    List(Vec<Tree>),
    Unary(Unary, Box<Tree>),
    Binary(Binary, Box<Tree>, Box<Tree>),
    /// `condition ? then : otherwise`
    Choice(Box<Tree>, Box<Tree>, Box<Tree>),
    /// `list[place]`
    Element(Box<Tree>, Box<Tree>),
    Call(Call),
}

/// A function, known or not, and what it is given; `x.f(y)` is `f(x, y)`.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) name: Box<str>,
    /// Where the name stands.
    pub(super) at: usize,
    pub(super) arguments: Vec<Tree>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unary {
    Not,
    Minus,
}

/// An operator between two operands, and where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Binary {
    pub(super) operator: Operator,
    pub(super) at: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Or,
    And,
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    In,
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

impl Operator {
    /// How it is written.
    pub(super) fn sign(self) -> &'static str {
        match self {
            Self::Or => "||",
            Self::And => "&&",
            Self::Equal => "==",
            Self::Unequal => "!=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
            Self::In => "in",
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::Remainder => "%",
        }
    }

    /// How tightly it binds; all of one strength are read from the left.
    pub(super) fn strength(self) -> u8 {
        match self {
            Self::Or => 2,
            Self::And => 3,
            Self::Equal
            | Self::Unequal
            | Self::Less
            | Self::LessOrEqual
            | Self::Greater
            | Self::GreaterOrEqual
            | Self::In => 4,
            Self::Add | Self::Subtract => 5,
            Self::Multiply | Self::Divide | Self::Remainder => 6,
        }
    }

    pub(super) const ALL: [Self; 14] = [
        Self::Or,
        Self::And,
        Self::Equal,
        Self::Unequal,
        Self::Less,
        Self::LessOrEqual,
        Self::Greater,
        Self::GreaterOrEqual,
        Self::In,
        Self::Add,
        Self::Subtract,
        Self::Multiply,
        Self::Divide,
        Self::Remainder,
    ];
}
