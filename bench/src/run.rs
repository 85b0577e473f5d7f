use std::process::ExitCode;

use anyhow::{Context, Result};
use tokio::time::timeout;

use crate::Arguments;
use crate::lab::Lab;
use crate::measure::machine;
use crate::result::{Floors, Run, rows, verdicts};
use crate::scenario::{self, Bench, Outcome, Scenario};

/// Runs the selected scenarios and writes the result to `.local/bench`. Exit code 1 if something failed or is
/// slower than in the other build.
pub fn main(arguments: &Arguments) -> ExitCode {
    let runtime = tokio::runtime::Runtime::new().map_err(anyhow::Error::from);
    match runtime.and_then(|runtime| runtime.block_on(measure_all(arguments))) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn measure_all(arguments: &Arguments) -> Result<bool> {
    let floors = arguments.floors.as_ref().map(Floors::read).transpose()?;
    let mut selected = scenario::all();
    selected.retain(|scenario| scenario.is_selected_by(&arguments.only));
    let rounds = match arguments.against {
        Some(_) => arguments.pairs,
        None => arguments.rounds,
    };
    let mut run = Run::new(machine(&arguments.repository));
    let mut lab = Lab::open(&arguments.repository, arguments.against.as_deref()).await?;
    let folder = lab.stack.results.clone();
    for round in 1..=rounds {
        for (number, scenario) in (0..).zip(&selected) {
            for side in order(scenario, round + number, lab.sides.len()) {
                let name = lab.sides[side].build.name;
                let title = format!("{}, {name}, round {round}", scenario.title());
                eprintln!("bench: {title} of {rounds}");
                match measure(&mut lab, side, scenario, round, arguments).await {
                    Ok(outcome) => run.add(&title, outcome),
                    Err(error) => run.failed(format!("{title}: {error:#}")),
                }
            }
        }
    }
    for side in lab.sides.drain(..) {
        let name = side.build.name;
        match side.close().await {
            Ok(memory) => run.memory_kib.push((name, memory)),
            Err(error) => run.failed(format!("stopping the services of {name}: {error:#}")),
        }
    }
    if let Some(floors) = floors {
        let broken = floors.broken(&rows(&run.measurements));
        broken.into_iter().for_each(|why| run.failed(why));
    }
    run.write(&folder)?;
    println!("{}", run.markdown());
    let mut verdicts = verdicts(&run.measurements).into_iter();
    let slower = verdicts.any(|it| it.conclusion == "slower");
    Ok(run.failures.is_empty() && !slower)
}

/// The sides to measure; they take turns to go first.
fn order(scenario: &Scenario, turn: u32, sides: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..sides).collect();
    if !scenario.depends_on_build() {
        order.truncate(1);
    } else if turn.is_multiple_of(2) {
        order.reverse();
    }
    order
}

async fn measure(
    lab: &mut Lab,
    side: usize,
    scenario: &Scenario,
    round: u32,
    arguments: &Arguments,
) -> Result<Outcome> {
    let limit = scenario.limit(arguments.seconds);
    let measured = async {
        for side in &mut lab.sides {
            side.set_worker(scenario.with_worker).await?;
        }
        let mut bench = Bench {
            lab,
            side,
            round,
            seconds: arguments.seconds,
            sizes: &arguments.sizes,
        };
        scenario.measure(&mut bench).await
    };
    let measured = timeout(limit, measured).await;
    measured.with_context(|| format!("not done after {limit:?}"))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sides_take_turns_and_a_ceiling_is_measured_once() {
        let all = scenario::all();
        let of = |name: &str| all.iter().find(|it| it.name == name).unwrap();
        assert_eq!(order(of("accept"), 1, 2), [0, 1]);
        assert_eq!(order(of("accept"), 2, 2), [1, 0]);
        assert_eq!(order(of("copy"), 2, 2), [0]);
        assert_eq!(order(of("accept"), 2, 1), [0]);
    }
}
