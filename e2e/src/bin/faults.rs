//! `make faults`, once the stores are up: see [`e2e::faults`].

use std::process::ExitCode;

use clap::Parser;
use e2e::faults::matrix::{Plan, follow};

fn main() -> ExitCode {
    match follow(&Plan::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
