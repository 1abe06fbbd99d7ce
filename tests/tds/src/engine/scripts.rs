//! The statements of a set-up script: tables, users, roles, permissions, options of the database.

use super::context::is_owner;
use super::statement::Batch;
use crate::Login;
use crate::database::state::{State, split_name};
use crate::problem::{Problem, Result};
use crate::sql::{Column, Name, Statement};

/// Runs one of them; only the owner may.
pub(super) fn run(batch: &mut Batch<'_>, statement: &Statement) -> Result<()> {
    let context = batch.context()?;
    if !is_owner(&context.login) {
        let message = "User does not have permission to perform this action.";
        return Err(Problem::raised(15_247, message));
    }
    let mut state = batch.database.state();
    match statement {
        Statement::Grant { permission, on, to } => {
            let login = user(&mut state, to)?;
            grant(login, permission, on.as_ref())
        }
        // A user is there as soon as the login is.
        Statement::CreateUser(name) => user(&mut state, name).map(|_| ()),
        Statement::CreateLogin { name, password } => create_login(&mut state, name, password),
        Statement::CreateTable { name: Name(parts), columns, key } => {
            let name = parts.join(".");
            create_table(&mut state, &name, columns.clone(), key)
        }
        Statement::AddMember { role, member } => {
            let login = user(&mut state, member)?;
            login.roles.push(role.clone());
            Ok(())
        }
        Statement::AlterDatabase { option, on } if option == "allow_snapshot_isolation" => {
            state.data.snapshot_isolation = *on;
            Ok(())
        }
        other => Err(Problem::unknown(format!("{other:?}"))),
    }
}

fn create_login(state: &mut State, name: &str, password: &str) -> Result<()> {
    if state.login(name).is_some() {
        let message = format!("The server principal '{name}' already exists.");
        return Err(Problem::raised(15_025, message));
    }
    state.logins.push(Login::new(name, password));
    Ok(())
}

fn create_table(state: &mut State, name: &str, columns: Vec<Column>, key: &[String]) -> Result<()> {
    let (schema, table) = split_name(name);
    if state.data.table(&schema, &table).is_some() {
        let message = format!("There is already an object named '{table}' in the database.");
        return Err(Problem::raised(2714, message));
    }
    state.create_table(name, columns, key);
    Ok(())
}

fn user<'s>(state: &'s mut State, name: &str) -> Result<&'s mut Login> {
    let message = format!(
        "Cannot find the user '{name}', because it does not exist or you do not have permission."
    );
    state.login_mut(name).ok_or_else(|| Problem::raised(15_151, message))
}

fn grant(login: &mut Login, permission: &str, on: Option<&Name>) -> Result<()> {
    match (permission, on) {
        ("select", Some(Name(parts))) if parts.ends_with(&["cdc_jobs".to_owned()]) => {
            login.msdb = true;
        }
        ("select", Some(Name(parts))) => login.select.push(parts.join(".")),
        ("select", None) => login.roles.push("db_datareader".to_owned()),
        ("view database state", None) => login.view_database_state = true,
        ("view server state", None) => login.view_server_state = true,
        ("connect", None) => {}
        (other, _) => return Err(Problem::unknown(format!("GRANT {other}"))),
    }
    Ok(())
}
