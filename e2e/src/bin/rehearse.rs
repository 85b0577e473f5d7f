//! Plays a sale against a deployment: see [`e2e::rehearsal`].

use std::process::ExitCode;

use clap::Parser;
use e2e::rehearsal::{Plan, run};

fn main() -> ExitCode {
    match run(&Plan::parse()) {
        Ok(result) => {
            println!("rehearse: ok, {result}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            println!("rehearse: FAILED, {error:#}");
            ExitCode::FAILURE
        }
    }
}
