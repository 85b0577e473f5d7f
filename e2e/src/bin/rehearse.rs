//! `rehearse`, at services that run: see [`e2e::load::rehearse`].

use std::process::ExitCode;

use clap::Parser;
use e2e::load::rehearse::{Plan, run};

fn main() -> ExitCode {
    e2e::conclude("rehearse", run(&Plan::parse()))
}
