//! `make scale`, once the stores are up: see [`e2e::scale`].

use std::process::ExitCode;

use clap::Parser;
use e2e::scale::{Plan, run};

fn main() -> ExitCode {
    match run(&Plan::parse()) {
        Ok(true) => {
            println!("scale: ok");
            ExitCode::SUCCESS
        }
        Ok(false) => {
            println!("scale: FAILED");
            ExitCode::FAILURE
        }
        Err(error) => {
            println!("scale: FAILED, {error:#}");
            ExitCode::FAILURE
        }
    }
}
