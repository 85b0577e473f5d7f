//! `make faults`, once the stores are up: see [`e2e::faults`].

use std::process::ExitCode;

use clap::Parser;
use e2e::conclude;
use e2e::faults::matrix::{Plan, follow};

fn main() -> ExitCode {
    conclude("faults", follow(&Plan::parse()))
}
