//! `make scale`, once the stores are up: see [`e2e::scale`].

use std::process::ExitCode;

use clap::Parser;
use e2e::scale::{Plan, run};

fn main() -> ExitCode {
    e2e::conclude("scale", run(&Plan::parse()))
}
