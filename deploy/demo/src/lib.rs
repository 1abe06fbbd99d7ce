//! A made-up legacy ERP, people who work with it, and the check of what the bridge made of it.
//!
//! ```text
//! erp (schema.sql, grants.sql) ← simulate ← actions/*
//! ```

mod actions;
mod desk;
pub mod erp;
pub mod simulate;

pub use actions::Action;
