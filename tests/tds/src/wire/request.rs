//! Batches and calls: the text, and parameters with their types.

use std::io::{Error, Result};

use super::Reader;
use super::parameters::parameter_value;
use crate::engine::Parameter;
use crate::sql::Parser;
use crate::value::Value;
use crate::value::cast::cast;
use crate::value::kind::Type;

/// What a client asks.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) sql: String,
    pub(crate) parameters: Vec<Parameter>,
    /// Whether it is a call, which is answered in other tokens.
    pub(crate) call: bool,
}

/// The number of `sp_executesql`.
const EXECUTE_SQL: u16 = 10;

/// A batch is nothing but text.
pub(crate) fn batch(body: &[u8]) -> Result<Asked> {
    let mut reader = Reader::new(body);
    skip_headers(&mut reader)?;
    Ok(Asked { sql: reader.rest_text(), parameters: Vec::new(), call: false })
}

/// A call of `sp_executesql`; the inner error is what is not understood.
pub(crate) fn call(body: &[u8]) -> Result<std::result::Result<Asked, String>> {
    let mut reader = Reader::new(body);
    skip_headers(&mut reader)?;
    let length = reader.u16()?;
    if length != 0xffff {
        let name = reader.text(length.into())?;
        return Ok(Err(format!("a call of the procedure {name}")));
    }
    let number = reader.u16()?;
    if number != EXECUTE_SQL {
        return Ok(Err(format!("a call of the procedure with the number {number}")));
    }
    reader.u16()?;
    let mut values = Vec::new();
    while !reader.is_empty() {
        let length = reader.u8()?;
        let name = reader.text(length.into())?;
        reader.u8()?;
        let (of, value) = parameter_value(&mut reader)?;
        values.push(Parameter { name, of, value });
    }
    let mut values = values.into_iter();
    let sql = text_of(values.next().as_ref());
    let declared = text_of(values.next().as_ref());
    let parameters = values.collect();
    Ok(typed(&declared, parameters).map(|parameters| Asked { sql, parameters, call: true }))
}

fn text_of(parameter: Option<&Parameter>) -> String {
    match parameter.map(|parameter| &parameter.value) {
        Some(Value::Text(text)) => text.as_ref().to_owned(),
        _ => String::new(),
    }
}

/// Gives each value the type it was declared with.
fn typed(
    declared: &str,
    parameters: Vec<Parameter>,
) -> std::result::Result<Vec<Parameter>, String> {
    let declarations =
        declarations(declared).map_err(|problem| format!("{declared}: {problem}"))?;
    if declarations.len() != parameters.len() {
        return Err(format!("{} parameters for \"{declared}\"", parameters.len()));
    }
    let one = |(parameter, (name, of)): (Parameter, (String, Type))| {
        let value = cast(&parameter.value, parameter.of, of, 0);
        let value = value.map_err(|problem| format!("{name}: {problem}"))?;
        Ok(Parameter { name: parameter.name, of, value })
    };
    parameters.into_iter().zip(declarations).map(one).collect()
}

/// `@P1 int,@P2 nvarchar(4000)`
fn declarations(text: &str) -> crate::problem::Result<Vec<(String, Type)>> {
    if text.trim().is_empty() { Ok(Vec::new()) } else { Parser::new(text)?.declarations() }
}

/// The headers before the text, which tell of transactions and notifications.
fn skip_headers(reader: &mut Reader<'_>) -> Result<()> {
    let length = usize::try_from(reader.u32()?).map_err(Error::other)?;
    reader.take(length.saturating_sub(4)).map(|_| ())
}
