//! `make queue`, once the stores are up: see [`e2e::queue`].

use std::process::ExitCode;

use clap::Parser;
use e2e::queue::{Plan, run};

fn main() -> ExitCode {
    e2e::conclude("queue", run(&Plan::parse()))
}
