//! `make limits`, once the stores are up: see [`e2e::limits`].

use std::process::ExitCode;

use clap::Parser;
use e2e::limits::{Plan, run};

fn main() -> ExitCode {
    e2e::conclude("limits", run(&Plan::parse()))
}
