//! `make demo`, once the stores are up: see [`e2e::demo`].

use std::process::ExitCode;

use clap::Parser;
use e2e::demo::{Plan, run};

fn main() -> ExitCode {
    match run(&Plan::parse()) {
        Ok(result) => {
            println!("demo: ok, {result}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            println!("demo: FAILED, {error:#}");
            ExitCode::FAILURE
        }
    }
}
