//! The `remargin` command: parses the command line, runs it, turns the outcome into an exit code.
fn main() {}
