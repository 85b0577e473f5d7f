//! `make bench`: see the library's documentation.

use std::process::ExitCode;

use bench::Arguments;
use clap::Parser;

fn main() -> ExitCode {
    bench::main(&Arguments::parse())
}
