//! A made-up legacy ERP, people who work with it, and the check of what the bridge made of it.
//!
//! ```text
//! settings → stage (erp, NATS, bridge) → simulate (actions) ┐
//!                    watch → screen    ←  stream  ←  bridge ┤
//!                    check (journal against stream)         ┴→ last line
//! ```

mod actions;
pub mod check;
pub mod database;
mod desk;
pub mod erp;
mod event_line;
pub mod expect;
pub mod screen;
pub mod settings;
pub mod show;
pub mod simulate;
pub mod stage;
pub mod watch;

pub use actions::Action;
