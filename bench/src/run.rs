use std::path::Path;

use anyhow::{Context, Result};
use tokio::time::timeout;

use crate::arguments::Arguments;
use crate::lab::Lab;
use crate::measure::Measurement;
use crate::result::Run;
use crate::scenario::{Bench, Scenario, selected};

/// For results and logs.
const RESULTS: &str = ".local/bench";

/// Measures what the arguments select and writes the result; returns whether all is well.
pub async fn measure_all(arguments: &Arguments) -> Result<bool> {
    let selected = selected(&arguments.only, &arguments.sizes)?;
    let (rounds, folder) = (arguments.rounds(), Path::new(RESULTS));
    let mut run = Run::new()?;
    let mut lab = Lab::open(folder, arguments.against.as_deref()).await?;
    for round in 1..=rounds {
        for (number, scenario) in (0..).zip(&selected) {
            for side in order(scenario, round + number, lab.sides.len()) {
                let name = lab.sides[side].build.name;
                let title = format!("{}, {name}, round {round}", scenario.title());
                eprintln!("bench: {title} of {rounds}");
                match measure(&mut lab, side, scenario, round, arguments).await {
                    Ok(measured) => run.add(*scenario, round, name, measured),
                    Err(error) => run.failed(format!("{title}: {error:#}")),
                }
            }
        }
    }
    for side in lab.sides.drain(..) {
        let name = side.build.name;
        if let Err(error) = side.close().await {
            run.failed(format!("stopping the services of {name}: {error:#}"));
        }
    }
    if arguments.floors {
        run.check_floors();
    }
    run.write(folder)?;
    println!("{}", run.markdown());
    Ok(run.is_good())
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
) -> Result<Measurement> {
    let limit = scenario.limit(arguments.seconds);
    let measured = async {
        for side in &mut lab.sides {
            side.set_worker(scenario.with_worker).await?;
        }
        let bench = Bench {
            lab,
            side: &lab.sides[side],
            scenario,
            round,
            seconds: arguments.seconds,
            per_second: arguments.per_second,
        };
        scenario.measure(&bench).await
    };
    let measured = timeout(limit, measured).await;
    measured.with_context(|| format!("not done after {limit:?}"))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sides_take_turns_and_a_ceiling_is_measured_once() {
        let of = |name: &str, turn, sides| {
            let scenarios = selected(&[name.to_owned()], &[]).unwrap();
            order(&scenarios[0], turn, sides)
        };
        assert_eq!(of("accept", 1, 2), [0, 1]);
        assert_eq!(of("accept", 2, 2), [1, 0]);
        assert_eq!(of("copy", 2, 2), [0]);
        assert_eq!(of("accept", 2, 1), [0]);
    }
}
