//! `make bench-growth`: how cost grows with products, rows and partitions.

use std::process::ExitCode;

use bench::growth::{Arguments, run};
use clap::Parser;

fn main() -> ExitCode {
    run(&Arguments::parse())
}
