//! The program as a user meets it: flags, messages, exit codes, runs that are killed.

mod cli;
#[path = "../common/mod.rs"]
mod common;
mod compare;
mod distance;
mod documents;
mod force;
#[cfg(unix)]
mod kill;
#[cfg(unix)]
mod pipes;
mod simulate;
