//! `make bench-connections`: what many open connections cost.

use std::process::ExitCode;

use bench::connections::{Arguments, run};
use clap::Parser;

fn main() -> ExitCode {
    run(&Arguments::parse())
}
