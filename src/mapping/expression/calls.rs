//! Checking a call: the function is known, it gets as many values as it takes, of the right types,
//! and those that are literals are what it asks for.

use regex::RegexBuilder;

use super::Type;
use super::arguments::{EMPTY, NO_COUNT, count};
use super::check::{Checker, Part, alike, conversion};
use super::datum::Datum;
use super::functions::{self, Demand, FUNCTIONS, Function, Gives, Parameter, Signature};
use super::program::Node;
use super::tree::Call;
use crate::document::similar;
use crate::mapping::codec::DateFormat;

/// What a pattern may weigh when it is compiled, and its cache when it runs, in bytes.
const PATTERN_BYTES: usize = 1 << 20;

/// How deep a pattern may be nested.
const PATTERN_DEPTH: u32 = 50;

/// `+` of two texts.
pub(super) fn joined(texts: [Node; 2]) -> Node {
    Node::Call(Function::Concat, "+", Box::new(texts))
}

pub(super) fn check(checker: &mut Checker<'_>, call: &Call) -> (Node, Option<Type>) {
    // What is wrong inside of the call is told in any case.
    let parts: Vec<Part> = call.arguments.iter().map(|argument| checker.part(argument)).collect();
    let Some(signature) = functions::find(&call.name) else {
        unknown(checker, call);
        return (Node::Unknown, None);
    };
    let gives = match signature.gives {
        Gives::This(kind) => Some(kind),
        Gives::Theirs => parts.iter().find_map(|part| part.kind),
    };
    if !fits(checker, call, signature, &parts) {
        return (Node::Unknown, gives);
    }
    let constant = parts.iter().all(|part| part.node.is_constant());
    let node = step(checker, signature, parts);
    (checker.fold(node, constant, call.at), gives)
}

fn unknown(checker: &mut Checker<'_>, call: &Call) {
    let names = || FUNCTIONS.iter().map(|signature| signature.name).chain(["changed"]);
    let mend = match similar(&call.name, names()) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => format!("the functions are {}", names().collect::<Vec<_>>().join(", ")),
    };
    checker.note(call.at, format!("there is no function `{}`", call.name), mend);
}

/// Whether a function can be given these values.
fn fits(checker: &mut Checker<'_>, call: &Call, signature: &Signature, parts: &[Part]) -> bool {
    let (least, most) = (signature.required, signature.parameters.len());
    if parts.len() < least || (parts.len() > most && !signature.repeats) {
        let takes = match (signature.repeats, least == most) {
            (true, _) => format!("at least {least}"),
            (false, true) => format!("{least}"),
            (false, false) => format!("{least} or {most}"),
        };
        let name = signature.name;
        let problem = format!("`{name}` takes {takes}, and is given {} values", parts.len());
        checker.note(call.at, problem, format!("write `{}`", signature.usage));
        return false;
    }
    let last = signature.parameters.last();
    let parameters = signature.parameters.iter().chain(last.into_iter().cycle());
    let mut fit = true;
    for (part, parameter) in parts.iter().zip(parameters) {
        fit &= takes(checker, signature, parameter, part);
    }
    fit && (signature.gives != Gives::Theirs || of_one_type(checker, signature, parts))
}

fn takes(
    checker: &mut Checker<'_>,
    signature: &Signature,
    parameter: &Parameter,
    part: &Part,
) -> bool {
    let name = signature.name;
    if let Some(kind) = part.kind.filter(|kind| !parameter.types.contains(kind)) {
        let wanted: Vec<String> = parameter.types.iter().map(ToString::to_string).collect();
        let problem = format!("`{name}` takes a {} here, this is a {kind}", wanted.join(" or "));
        let mend = parameter.types.first().map_or("", |wanted| conversion(kind, *wanted));
        checker.note(part.at, problem, mend);
        return false;
    }
    let refused = match (parameter.demand, &part.node) {
        (Demand::Filled, Node::Constant(Datum::Text(text))) if text.is_empty() => Some(EMPTY),
        (Demand::Count, Node::Constant(Datum::Number(number))) if count(*number).is_none() => {
            Some(NO_COUNT)
        }
        (Demand::Literal, node) if !matches!(node, Node::Constant(_)) => {
            Some("it must be a text in quotes")
        }
        _ => None,
    };
    if let Some(why) = refused {
        checker.note(part.at, format!("`{name}`: {why}"), format!("write `{}`", signature.usage));
    }
    refused.is_none()
}

fn of_one_type(checker: &mut Checker<'_>, signature: &Signature, parts: &[Part]) -> bool {
    let Some(first) = parts.iter().find(|part| part.kind.is_some()) else { return true };
    let other = parts.iter().find(|part| part.kind.is_some() && part.kind != first.kind);
    let Some(other) = other else { return true };
    let kinds = [first, other].map(|part| part.kind.map_or(String::new(), |kind| kind.to_string()));
    let problem =
        format!("`{}` takes values of one type, not {}", signature.name, kinds.join(" and "));
    checker.note(other.at, problem, alike(first, other));
    false
}

/// The step a call becomes. Two functions are given a literal that is read here once.
fn step(checker: &mut Checker<'_>, signature: &Signature, parts: Vec<Part>) -> Node {
    let literal = parts.get(1).map(|part| part.at);
    let kind = parts.first().and_then(|part| part.kind);
    let mut nodes: Vec<Node> = parts.into_iter().map(|part| part.node).collect();
    match (signature.function, literal) {
        (Function::Matches, Some(at)) => {
            let (text, pattern) = (nodes.swap_remove(0), nodes.pop());
            matching(checker, text, pattern.as_ref(), at)
        }
        (Function::Date, Some(at)) => {
            let (text, format) = (nodes.swap_remove(0), nodes.pop());
            if kind == Some(Type::Instant) {
                let problem = "`date` takes a format only for a text";
                checker.note(at, problem, "leave the format out: an instant has none");
                return Node::Unknown;
            }
            day_in(checker, text, format.as_ref(), at)
        }
        (function, _) => Node::Call(function, signature.name, nodes.into()),
    }
}

fn matching(checker: &mut Checker<'_>, text: Node, pattern: Option<&Node>, at: usize) -> Node {
    let Some(Node::Constant(Datum::Text(pattern))) = pattern else { return Node::Unknown };
    let built = RegexBuilder::new(pattern)
        .size_limit(PATTERN_BYTES)
        .dfa_size_limit(PATTERN_BYTES)
        .nest_limit(PATTERN_DEPTH)
        .build();
    match built {
        Ok(regex) => Node::Matches(Box::new(text), Box::new(regex)),
        Err(error) => {
            let told = error.to_string();
            let why = told.lines().last().unwrap_or_default().trim_start_matches("error: ");
            let mend = "write a regular expression without look-around and back-references, as in \
                        r\"^PO-[0-9]+$\"";
            checker.note(at, format!("the pattern cannot be read: {why}"), mend);
            Node::Unknown
        }
    }
}

fn day_in(checker: &mut Checker<'_>, text: Node, format: Option<&Node>, at: usize) -> Node {
    let Some(Node::Constant(Datum::Text(format))) = format else { return Node::Unknown };
    let known = DateFormat::NAMES.iter().find(|(name, _)| name == format);
    if let Some((_, format)) = known {
        return Node::DateIn(Box::new(text), *format);
    }
    let names = || DateFormat::NAMES.iter().map(|(name, _)| *name);
    let mend = match similar(format, names()) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => format!("the formats are {}", names().collect::<Vec<_>>().join(", ")),
    };
    checker.note(at, format!("there is no date format `{format}`"), mend);
    Node::Unknown
}
