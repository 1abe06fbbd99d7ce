//! Functions that ask the server about itself, the session or the database.
#![expect(clippy::unnecessary_wraps, reason = "all functions are of one type")]

use super::Context;
use super::calls::{Entry, Gives};
use super::context::{has_role, is_owner, may_select};
use crate::catalog::schemas;
use crate::database::state::split_name;
use crate::problem::{Problem, Result};
use crate::value::Value;
use crate::value::kind::{Kind, Type};
use crate::value::order::compare;
use crate::{Edition, Lsn, ServerFacts};

const NAME: Gives = Gives::Kind(Kind::NAME);
const INT: Gives = Gives::Kind(Kind::Int);
const LSN: Gives = Gives::Kind(Kind::Binary(10));
const VARIANT: Gives = Gives::Kind(Kind::Variant);

/// The functions of metadata, permissions and CDC.
pub(super) const ENTRIES: &[Entry] = &[
    ("db_name", (0, 1), NAME, |context, values, _| {
        Ok(match values {
            [] => context.name.as_str().into(),
            [Value::Int(id)] if *id == i64::from(context.state().data.id) => {
                context.name.as_str().into()
            }
            _ => Value::Null,
        })
    }),
    ("db_id", (0, 1), Gives::Kind(Kind::SmallInt), |context, values, _| {
        Ok(match values {
            [Value::Text(name)] if !name.eq_ignore_ascii_case(&context.name) => {
                system_database(name)
            }
            _ => Value::Int(context.state().data.id.into()),
        })
    }),
    ("suser_sname", (0, 1), NAME, |context, _, _| Ok(context.login.user.as_str().into())),
    ("suser_name", (0, 1), NAME, |context, _, _| Ok(context.login.user.as_str().into())),
    ("original_login", (0, 0), NAME, |context, _, _| Ok(context.login.user.as_str().into())),
    ("system_user", (0, 0), NAME, |context, _, _| Ok(context.login.user.as_str().into())),
    ("user_name", (0, 1), NAME, |context, _, _| Ok(user(context))),
    ("current_user", (0, 0), NAME, |context, _, _| Ok(user(context))),
    ("session_user", (0, 0), NAME, |context, _, _| Ok(user(context))),
    ("user", (0, 0), NAME, |context, _, _| Ok(user(context))),
    ("schema_name", (0, 1), NAME, |context, values, _| {
        Ok(match values {
            [Value::Int(id)] => {
                let all = schemas(&context.state());
                all.into_iter().find(|(_, one)| i64::from(*one) == *id).map(|(name, _)| name).into()
            }
            _ => "dbo".into(),
        })
    }),
    ("schema_id", (0, 1), INT, |context, values, _| {
        Ok(match values {
            [Value::Text(name)] => {
                let all = schemas(&context.state());
                all.into_iter()
                    .find(|(one, _)| one.eq_ignore_ascii_case(name))
                    .map(|(_, id)| id)
                    .into()
            }
            _ => 1.into(),
        })
    }),
    ("app_name", (0, 0), NAME, |context, _, _| Ok(context.session.application.as_str().into())),
    ("xact_state", (0, 0), Gives::Kind(Kind::SmallInt), |context, _, _| {
        Ok(i64::from(context.session.depth > 0).into())
    }),
    ("current_transaction_id", (0, 0), Gives::Kind(Kind::BigInt), |context, _, _| {
        Ok(Value::Int(context.session.transaction.cast_signed()))
    }),
    ("serverproperty", (1, 1), VARIANT, server_property),
    ("databasepropertyex", (2, 2), VARIANT, database_property),
    ("object_id", (1, 2), INT, |context, values, _| match values.first() {
        Some(Value::Text(name)) => Ok(object_id(context, name).map_or(Value::Null, Value::from)),
        _ => Ok(Value::Null),
    }),
    ("object_name", (1, 2), NAME, |context, values, _| {
        Ok(object(context, values, |(_, name)| name))
    }),
    ("object_schema_name", (1, 2), NAME, |c, values, _| {
        Ok(object(c, values, |(schema, _)| schema))
    }),
    ("col_length", (2, 2), Gives::Kind(Kind::SmallInt), |context, values, _| {
        Ok(column(context, values).map_or(Value::Null, |(_, of)| of.kind.sizes().0.into()))
    }),
    ("col_name", (2, 2), NAME, |context, values, _| match values {
        [Value::Int(id), Value::Int(number)] => {
            let state = context.state();
            let table = i32::try_from(*id).ok().and_then(|id| state.data.by_id(id));
            let column = table.and_then(|t| t.columns.iter().find(|c| i64::from(c.id) == *number));
            Ok(column.map(|column| column.column.name.as_str()).into())
        }
        _ => Ok(Value::Null),
    }),
    ("type_name", (1, 1), NAME, |_, values, _| {
        Ok(match values {
            [Value::Int(id)] => crate::catalog::type_name(*id).into(),
            _ => Value::Null,
        })
    }),
    ("has_perms_by_name", (3, 5), INT, has_permission),
    ("has_dbaccess", (1, 1), INT, |context, values, _| match values {
        [Value::Text(name)] if name.eq_ignore_ascii_case(&context.name) => Ok(1.into()),
        [Value::Text(name)] if name.eq_ignore_ascii_case("msdb") => {
            Ok(i64::from(context.login.msdb || context.login.owner).into())
        }
        _ => Ok(Value::Null),
    }),
    ("is_member", (1, 1), INT, |context, values, _| role(context, values)),
    ("is_rolemember", (1, 2), INT, |context, values, _| role(context, values)),
    ("is_srvrolemember", (1, 2), INT, |context, values, _| {
        Ok(match values.first() {
            Some(Value::Text(name)) if name.eq_ignore_ascii_case("sysadmin") => {
                i64::from(context.login.owner).into()
            }
            _ => 0.into(),
        })
    }),
    ("fn_cdc_get_max_lsn", (0, 0), LSN, |context, _, _| {
        let state = context.state();
        let mapping = state.data.capture().map_err(|_| missing("fn_cdc_get_max_lsn"))?;
        let seen = mapping.mapping.iter().filter(|(_, entry)| entry.written <= context.as_of.1);
        Ok(seen.map(|(lsn, _)| *lsn).next_back().into())
    }),
    ("fn_cdc_get_min_lsn", (1, 1), LSN, min_lsn),
    ("fn_cdc_increment_lsn", (1, 1), LSN, |_, values, _| Ok(lsn(values).map(Lsn::next).into())),
    ("fn_cdc_decrement_lsn", (1, 1), LSN, |_, values, _| Ok(lsn(values).map(Lsn::previous).into())),
    ("fn_cdc_map_lsn_to_time", (1, 1), Gives::Kind(Kind::DateTime), |context, values, _| {
        let state = context.state();
        let entry = lsn(values).and_then(|lsn| state.data.cdc.as_ref()?.mapping.get(&lsn));
        let local = entry.map(|entry| state.local(entry.ended));
        Ok(local
            .map_or(Value::Null, |at| Value::Moment(crate::value::calendar::round_datetime(at))))
    }),
    ("fn_cdc_map_time_to_lsn", (2, 2), LSN, time_to_lsn),
    ("fn_cdc_is_bit_set", (2, 2), Gives::Kind(Kind::Bit), |_, values, _| {
        Ok(match values {
            [Value::Int(ordinal), Value::Bytes(mask)] => {
                let bit = usize::try_from(ordinal - 1).unwrap_or(0);
                let byte = mask.iter().rev().nth(bit / 8).copied().unwrap_or(0);
                Value::Bit(byte >> (bit % 8) & 1 == 1)
            }
            _ => Value::Null,
        })
    }),
    ("fn_cdc_get_column_ordinal", (2, 2), INT, |context, values, _| match values {
        [Value::Text(instance), Value::Text(name)] => {
            let state = context.state();
            let found = state.data.cdc.as_ref().and_then(|cdc| cdc.instance(instance));
            let column =
                found.and_then(|i| i.columns.iter().find(|c| c.name.eq_ignore_ascii_case(name)));
            Ok(column.map(|column| column.ordinal).into())
        }
        _ => Ok(Value::Null),
    }),
];

fn missing(function: &str) -> Problem {
    Problem::raised(208, format!("Invalid object name 'sys.{function}'."))
}

fn system_database(name: &str) -> Value {
    let known = [("master", 1), ("tempdb", 2), ("model", 3), ("msdb", 4)];
    known.iter().find(|(one, _)| one.eq_ignore_ascii_case(name)).map(|(_, id)| *id).into()
}

fn user(context: &Context) -> Value {
    if context.login.owner { "dbo".into() } else { context.login.user.as_str().into() }
}

fn role(context: &Context, values: &[Value]) -> Result<Value> {
    let Some(Value::Text(name)) = values.first() else { return Ok(Value::Null) };
    let owner = is_owner(&context.login) && name.eq_ignore_ascii_case("db_owner");
    Ok(i64::from(owner || has_role(&context.login, name)).into())
}

/// The major version.
pub(crate) fn major(facts: &ServerFacts) -> u8 {
    facts.version.split('.').next().and_then(|major| major.parse().ok()).unwrap_or(0)
}

/// What `@@VERSION` says.
pub(crate) fn version_text(facts: &ServerFacts) -> String {
    let year = match major(facts) {
        10 => "2008 R2",
        11 => "2012",
        12 => "2014",
        13 => "2016",
        14 => "2017",
        15 => "2019",
        _ => "2022",
    };
    let (edition, _) = edition(facts.edition);
    if facts.edition == Edition::Azure {
        return format!("Microsoft SQL Azure (RTM) - {}", facts.version);
    }
    format!("Microsoft SQL Server {year} - {} (X64) {edition}", facts.version)
}

/// `Edition` and `EngineEdition`.
fn edition(edition: Edition) -> (&'static str, i32) {
    match edition {
        Edition::Enterprise => ("Enterprise Edition (64-bit)", 3),
        Edition::Standard => ("Standard Edition (64-bit)", 2),
        Edition::Express => ("Express Edition (64-bit)", 4),
        Edition::Azure => ("SQL Azure", 5),
    }
}

fn server_property(context: &Context, values: &[Value], _: &[Type]) -> Result<Value> {
    let [Value::Text(name)] = values else { return Ok(Value::Null) };
    let facts = &context.facts;
    let (edition, engine) = edition(facts.edition);
    Ok(match name.to_lowercase().as_str() {
        "productversion" => facts.version.as_str().into(),
        // Since 2012; before that it is unknown.
        "productmajorversion" if major(facts) < 11 => Value::Null,
        "productmajorversion" => major(facts).to_string().into(),
        "productlevel" => "RTM".into(),
        "edition" => edition.into(),
        "engineedition" => engine.into(),
        "servername" => facts.name.as_str().into(),
        "machinename" | "computernamephysicalnetbios" => {
            facts.name.split('\\').next().unwrap_or_default().into()
        }
        "instancename" => facts.name.split_once('\\').map(|(_, instance)| instance).into(),
        "collation" => crate::value::collation::Collation::DEFAULT.name().into(),
        "ishadrenabled" => i32::from(facts.secondary).into(),
        "isclustered" | "isintegratedsecurityonly" => 0.into(),
        other => return Err(Problem::unknown(format!("SERVERPROPERTY('{other}')"))),
    })
}

fn database_property(context: &Context, values: &[Value], _: &[Type]) -> Result<Value> {
    let [Value::Text(name), Value::Text(property)] = values else { return Ok(Value::Null) };
    if !name.eq_ignore_ascii_case(&context.name) {
        return Ok(Value::Null);
    }
    Ok(match property.to_lowercase().as_str() {
        "updateability" if context.facts.secondary => "READ_ONLY".into(),
        "updateability" => "READ_WRITE".into(),
        "status" => "ONLINE".into(),
        "recovery" => "FULL".into(),
        "collation" => crate::value::collation::Collation::DEFAULT.name().into(),
        other => return Err(Problem::unknown(format!("DATABASEPROPERTYEX of '{other}'"))),
    })
}

/// The parts of a name in a text: schema and object, whatever database stands before.
fn parts(name: &str) -> (String, String) {
    let plain = name.replace(['[', ']'], "");
    let mut parts = plain.rsplit('.');
    let object = parts.next().unwrap_or_default().to_owned();
    (parts.next().filter(|s| !s.is_empty()).unwrap_or("dbo").to_owned(), object)
}

/// The object's id, for those who may see it.
fn object_id(context: &Context, name: &str) -> Option<i32> {
    let (schema, object) = parts(name);
    if !may_select(&context.login, &schema, &object) {
        return None;
    }
    let state = context.state();
    if let Some(table) = state.data.table(&schema, &object) {
        return Some(table.id);
    }
    let cdc = state.data.cdc.as_ref().filter(|_| schema.eq_ignore_ascii_case("cdc"))?;
    let instance = cdc.instances.iter().find(|i| i.change_table().eq_ignore_ascii_case(&object));
    if let Some(instance) = instance {
        return Some(instance.object);
    }
    let function = object.to_lowercase();
    let of = function.strip_prefix("fn_cdc_get_all_changes_");
    if let Some(instance) = of.and_then(|name| cdc.instance(name)) {
        return Some(instance.object + 1);
    }
    crate::catalog::CDC_TABLES
        .iter()
        .find(|(one, _)| one.eq_ignore_ascii_case(&object))
        .map(|(_, id)| *id)
}

/// Schema or name of an object by its id.
fn object(context: &Context, values: &[Value], pick: fn((String, String)) -> String) -> Value {
    let Some(Value::Int(id)) = values.first() else { return Value::Null };
    let state = context.state();
    let found = i32::try_from(*id).ok().and_then(|id| {
        let table = state.data.by_id(id).map(|table| (table.schema.clone(), table.name.clone()));
        let instances = state.data.cdc.iter().flat_map(|cdc| &cdc.instances);
        let change = || {
            let mut found = instances.filter(|instance| instance.object == id);
            found.next().map(|instance| ("cdc".to_owned(), instance.change_table()))
        };
        table.or_else(change)
    });
    drop(state);
    let seen = found.filter(|(schema, name)| may_select(&context.login, schema, name));
    seen.map(pick).into()
}

fn column(context: &Context, values: &[Value]) -> Option<(String, Type)> {
    let [Value::Text(table), Value::Text(name)] = values else { return None };
    let (schema, object) = parts(table);
    let state = context.state();
    if let Some(table) = state.data.table(&schema, &object) {
        let place = table.column(name)?;
        return table.columns.get(place).map(|c| (c.column.name.clone(), c.column.of));
    }
    let mut instances = state.data.cdc.iter().flat_map(|cdc| &cdc.instances);
    let instance = instances.find(|i| {
        schema.eq_ignore_ascii_case("cdc") && i.change_table().eq_ignore_ascii_case(&object)
    })?;
    instance.change_columns().into_iter().find(|(one, _)| one.eq_ignore_ascii_case(name))
}

fn has_permission(context: &Context, values: &[Value], _: &[Type]) -> Result<Value> {
    let [securable, class, Value::Text(permission), ..] = values else { return Ok(Value::Null) };
    let login = &context.login;
    let class = match class {
        Value::Text(class) => class.to_uppercase(),
        _ => "SERVER".to_owned(),
    };
    let named = match securable {
        Value::Text(name) => name.replace(['[', ']'], ""),
        _ => String::new(),
    };
    let holds = match (class.as_str(), permission.to_uppercase().as_str()) {
        ("SERVER", "VIEW SERVER STATE") => login.view_server_state || login.owner,
        ("DATABASE", "VIEW DATABASE STATE") => {
            login.view_database_state || login.view_server_state || is_owner(login)
        }
        ("DATABASE", "CONNECT") => true,
        ("DATABASE", "SELECT") => is_owner(login) || has_role(login, "db_datareader"),
        ("SCHEMA", "SELECT") => may_select(login, &named, ""),
        ("OBJECT", "SELECT") => {
            let (schema, object) = split_name(&named);
            may_select(login, &schema, &object)
        }
        (class, permission) => {
            return Err(Problem::unknown(format!("HAS_PERMS_BY_NAME of {permission} on {class}")));
        }
    };
    Ok(i64::from(holds).into())
}

fn lsn(values: &[Value]) -> Option<Lsn> {
    match values.first() {
        Some(Value::Bytes(bytes)) => {
            let mut lsn = Lsn::ZERO;
            lsn.0.iter_mut().zip(bytes.iter()).for_each(|(to, from)| *to = *from);
            Some(lsn)
        }
        _ => None,
    }
}

/// All zeros for an instance that is not there, and for those who may not know of it.
fn min_lsn(context: &Context, values: &[Value], _: &[Type]) -> Result<Value> {
    let [Value::Text(name)] = values else { return Ok(Lsn::ZERO.into()) };
    let state = context.state();
    let cdc = state.data.capture().map_err(|_| missing("fn_cdc_get_min_lsn"))?;
    // Unlike most names this one is compared with its case.
    let instance = cdc.instances.iter().find(|instance| instance.name == name.as_ref());
    let allowed = instance.filter(|instance| crate::catalog::may_read(context, &state, instance));
    Ok(allowed.map_or(Lsn::ZERO, |instance| instance.start_lsn).into())
}

fn time_to_lsn(context: &Context, values: &[Value], types: &[Type]) -> Result<Value> {
    let ([Value::Text(relation), time], [_, of]) = (values, types) else { return Ok(Value::Null) };
    let state = context.state();
    let cdc = state.data.capture().map_err(|_| missing("fn_cdc_map_time_to_lsn"))?;
    let local =
        |ended: i64| Value::Moment(crate::value::calendar::round_datetime(state.local(ended)));
    let ordered = |ended| compare(&local(ended), time, *of);
    let mut entries = cdc.mapping.iter();
    let found = match relation.as_ref() {
        "largest less than" => {
            entries.rev().find(|(_, e)| ordered(e.ended).is_some_and(std::cmp::Ordering::is_lt))
        }
        "largest less than or equal" => {
            entries.rev().find(|(_, e)| ordered(e.ended).is_some_and(std::cmp::Ordering::is_le))
        }
        "smallest greater than" => {
            entries.find(|(_, e)| ordered(e.ended).is_some_and(std::cmp::Ordering::is_gt))
        }
        "smallest greater than or equal" => {
            entries.find(|(_, e)| ordered(e.ended).is_some_and(std::cmp::Ordering::is_ge))
        }
        _ => None,
    };
    Ok(found.map(|(lsn, _)| *lsn).into())
}
