//! `make bench-soak`: whether memory stays where it is.

use std::process::ExitCode;

use bench::soak::{Arguments, run};
use clap::Parser;

fn main() -> ExitCode {
    run(&Arguments::parse())
}
