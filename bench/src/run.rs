use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tokio::time::timeout;

use crate::Arguments;
use crate::lab::Lab;
use crate::machine::Machine;
use crate::measurement::Measurement;
use crate::program::{self, results_folder};
use crate::result::{Floors, Run, rows};
use crate::scenario::{self, Bench, Scenario};
use crate::warm_up;

/// Longest that one measurement may take beyond its seconds.
const SCENARIO_GRACE: Duration = Duration::from_secs(240);

/// The longest of them takes so many times the seconds of one.
const LONGEST_TIMES: u32 = 12;

/// More errors than one in so many requests make a measurement a failure.
const ONE_ERROR_IN: u64 = 1_000;

/// Measures everything and writes the result into `.local/bench`. Exit code 1 when something failed.
pub fn run(arguments: &Arguments) -> ExitCode {
    program::main(measure_all(arguments))
}

async fn measure_all(arguments: &Arguments) -> Result<bool> {
    for (program, package) in [("wrk", "wrk"), ("redis-benchmark", "redis-tools")] {
        expect_program(program, package)?;
    }
    let floors = arguments.floors.as_ref().map(Floors::read).transpose()?;
    let folder = results_folder(&arguments.repository)?;
    let mut run = Run::new(Machine::look(&arguments.repository), arguments);
    let mut lab = Lab::open(&arguments.repository, folder.clone(), &[]).await?;
    warm_up::until_kafka_is_warm(&lab).await?;

    let scenarios: Vec<Scenario> = scenario::all()
        .into_iter()
        .filter(|scenario| {
            arguments.only.is_empty() || arguments.only.iter().any(|name| name == scenario.name)
        })
        .collect();
    for round in 1..=arguments.rounds {
        for scenario in &scenarios {
            let title = format!("{}, round {round}", scenario.title());
            eprintln!("bench: {title} of {}", arguments.rounds);
            match measure(&mut lab, scenario, round, arguments.seconds).await {
                Ok(measurement) => {
                    if let Some(failure) = failure_of(&measurement) {
                        run.failed(format!("{title}: {failure}"));
                    }
                    run.measurements.push(measurement);
                }
                Err(error) => run.failed(format!("{title}: {error:#}")),
            }
        }
    }
    match lab.close().await {
        Ok(memory) => run.memory_kib = memory,
        Err(error) => run.failed(format!("stopping the services: {error:#}")),
    }
    if let Some(floors) = floors {
        let broken = floors.broken(&rows(&run.measurements));
        broken.into_iter().for_each(|why| run.failed(why));
    }
    run.write(&folder)?;
    println!("{}", run.markdown());
    Ok(run.failures.is_empty())
}

async fn measure(
    lab: &mut Lab,
    scenario: &Scenario,
    round: u32,
    seconds: u32,
) -> Result<Measurement> {
    let limit = SCENARIO_GRACE + Duration::from_secs((seconds * LONGEST_TIMES).into());
    let measured = async {
        lab.set_worker(scenario.with_worker).await?;
        let bench = Bench {
            lab,
            round,
            seconds,
        };
        scenario.measure(bench).await
    };
    timeout(limit, measured)
        .await
        .with_context(|| format!("not done after {limit:?}"))?
}

fn failure_of(measurement: &Measurement) -> Option<String> {
    let (errors, count) = (measurement.errors, measurement.count);
    if count == 0 {
        return Some("nothing was answered".into());
    }
    let is_failure = errors > count / ONE_ERROR_IN;
    is_failure.then(|| format!("{errors} errors in {count}: {:?}", measurement.more))
}

fn expect_program(name: &str, package: &str) -> Result<()> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let is_there = std::env::split_paths(&path).any(|folder| is_file(&folder.join(name)));
    ensure!(
        is_there,
        "{name} is missing (Debian: apt-get install {package})"
    );
    Ok(())
}

fn is_file(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|found| found.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measurement::tests::measured;

    #[test]
    fn one_error_in_a_thousand_is_no_failure_and_two_are() {
        let mut measurement = measured("accept", Some(64), 1);
        measurement.errors = 1;
        assert_eq!(failure_of(&measurement), None);
        measurement.errors = 2;
        assert!(failure_of(&measurement).unwrap().starts_with("2 errors"));
        measurement.count = 0;
        assert!(failure_of(&measurement).is_some());
    }

    #[test]
    fn a_missing_program_is_named_with_its_package() {
        let error = expect_program("no-such-program", "some-package").unwrap_err();
        assert!(error.to_string().contains("apt-get install some-package"));
    }
}
