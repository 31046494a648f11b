//! The program as a user meets it: flags, messages, exit codes, runs that are killed.

mod arguments;
mod cli;
#[path = "../common/mod.rs"]
mod common;
mod compare;
mod distance;
mod documents;
mod edges;
mod examples;
mod force;
mod init;
#[cfg(unix)]
mod kill;
#[cfg(unix)]
mod pipes;
#[cfg(unix)]
mod signals;
mod simulate;
mod spot_pairs;
mod stream;
mod watch;
