//! Measures Fluxgate against its ceilings, or compares it with another build, on a stack of its own: `make bench`.
//!
//! | module | contents |
//! |---|---|
//! | `arguments`, `run` | the command line; one run from the start of the services to the result |
//! | `scenario` | the scenarios, with one list of all of them |
//! | `lab` | what runs during a measurement: the services of one or two builds, the bare handler |
//! | `load` | sending requests over any number of connections, at full speed or at a constant rate |
//! | `measure` | the figures of one measurement; CPU and memory of processes |
//! | `result` | medians and ranges, the tables, the JSON, the floors, and the comparison of two builds |

mod arguments;
mod lab;
mod load;
mod measure;
mod result;
mod run;
mod scenario;

use std::process::ExitCode;

use clap::Parser;

/// Exit code 1 if something failed or is slower than in the other build.
#[tokio::main]
async fn main() -> ExitCode {
    match run::measure_all(&arguments::Arguments::parse()).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}
