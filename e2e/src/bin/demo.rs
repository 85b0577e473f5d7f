//! `make demo`, once the stores are up: see [`e2e::load::demo`].

use std::process::ExitCode;

use clap::Parser;
use e2e::load::demo::{Plan, run};

fn main() -> ExitCode {
    e2e::conclude("demo", run(&Plan::parse()))
}
