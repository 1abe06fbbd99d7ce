//! The trees.

use std::cmp::Ordering;

use crate::value::Value;
use crate::value::kind::Type;

/// A name of one to four parts, as written; unquoted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Name(pub(crate) Vec<String>);

/// Something that has a value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Expression {
    Literal(Value, Type),
    /// `@P1`, in lower case.
    Variable(String),
    /// `@@SPID`, in lower case without the signs.
    Global(String),
    Column(Name),
    Negative(Box<Expression>),
    Binary(Operator, Box<Expression>, Box<Expression>),
    Cast {
        value: Box<Expression>,
        to: Type,
        style: i32,
        tries: bool,
    },
    Call {
        name: Name,
        arguments: Vec<Expression>,
        star: bool,
        distinct: bool,
    },
    /// A method of a CLR type: `[c].ToString()`.
    Method(Box<Expression>, String),
    Case {
        whens: Vec<(Condition, Expression)>,
        otherwise: Option<Box<Expression>>,
    },
    Scalar(Box<Query>),
    Collate(Box<Expression>, Type),
}

/// Arithmetic and bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
    BitAnd,
    BitOr,
    BitXor,
}

/// Something that is true, false or unknown.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Condition {
    And(Box<Condition>, Box<Condition>),
    Or(Box<Condition>, Box<Condition>),
    Not(Box<Condition>),
    /// True if the order of the two is one of these.
    Compare(Expression, &'static [Ordering], Expression),
    Like {
        text: Expression,
        pattern: Expression,
        escape: Option<char>,
    },
    IsNull(Expression),
    In(Expression, Vec<Expression>),
    Subquery(SubqueryKind, Box<Query>),
}

/// How a query is a condition.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum SubqueryKind {
    Exists,
    In(Expression),
}

/// A whole query.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Query {
    pub(crate) with: Vec<(String, Query)>,
    /// Put together by UNION ALL, or by UNION where it says so.
    pub(crate) selects: Vec<(Select, bool)>,
    pub(crate) order: Vec<Order>,
    pub(crate) offset: Option<Expression>,
    pub(crate) fetch: Option<Expression>,
}

/// One SELECT.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Select {
    pub(crate) distinct: bool,
    pub(crate) top: Option<Expression>,
    pub(crate) items: Vec<Item>,
    pub(crate) from: Option<Relation>,
    pub(crate) filter: Option<Condition>,
    pub(crate) group: Vec<Expression>,
    pub(crate) having: Option<Condition>,
}

/// One thing of a select list.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Item {
    /// `*` or `t.*`
    All(Option<String>),
    Value(Expression, Option<String>),
    /// `@x = …`
    Assign(String, Expression),
}

/// One thing of an order list.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Order {
    pub(crate) by: Expression,
    pub(crate) descending: bool,
}

/// Where rows come from.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Relation {
    Table { name: Name, alias: Option<String>, hints: Hints },
    Function { name: Name, arguments: Vec<Expression>, alias: Option<String> },
    Derived { query: Box<Query>, alias: String, columns: Vec<String> },
    Values { rows: Vec<Vec<Expression>>, alias: String, columns: Vec<String> },
    Joined { left: Box<Relation>, right: Box<Relation>, how: Join, on: Option<Condition> },
}

/// How two relations are put together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Join {
    Inner,
    Left,
    Right,
    Full,
    Cross,
    /// `CROSS APPLY`
    Apply,
    /// `OUTER APPLY`
    OuterApply,
}

/// Table hints that are about locks.
#[expect(clippy::struct_excessive_bools, reason = "each is a hint of its own")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Hints {
    pub(crate) exclusive: bool,
    pub(crate) table: bool,
    pub(crate) hold: bool,
    pub(crate) uncommitted: bool,
}

/// A column of CREATE TABLE.
#[expect(clippy::struct_excessive_bools, reason = "each is a property of its own")]
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) of: Type,
    pub(crate) nullable: bool,
    pub(crate) key: bool,
    pub(crate) identity: bool,
    pub(crate) computed: bool,
}

/// One statement.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Statement {
    Query(Query),
    Set(Setting),
    Declare(Vec<(String, Type, Option<Expression>)>),
    Assign(String, Expression),
    Begin,
    Commit,
    /// To the beginning or to a savepoint.
    Rollback(Option<String>),
    Save(String),
    If(Condition, Vec<Statement>, Vec<Statement>),
    Execute {
        name: Name,
        arguments: Vec<(Option<String>, Expression)>,
    },
    Use(String),
    Print,
    /// `THROW`/`RAISERROR` of a script: number and message.
    Raise(Expression),
    /// Permissions to principal.
    Grant {
        permission: String,
        on: Option<Name>,
        to: String,
    },
    CreateUser(String),
    CreateLogin {
        name: String,
        password: String,
    },
    CreateTable {
        name: Name,
        columns: Vec<Column>,
        key: Vec<String>,
    },
    AddMember {
        role: String,
        member: String,
    },
    /// `ALTER DATABASE … SET option ON|OFF`
    AlterDatabase {
        option: String,
        on: bool,
    },
}

/// One option of SET.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Setting {
    Isolation(&'static str),
    LockTimeout(i64),
    DeadlockPriority(i64),
    /// One that changes no answer here, with its new state.
    Switch(String, bool),
}
