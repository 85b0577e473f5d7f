use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::Plan;
use super::crowd::Crowd;
use crate::stores::Placed;

const WINDOW_MS: i64 = 10_000;
/// A sale that lasts for less says nothing about its pace.
const SECONDS_MIN: u32 = 20;
/// How much the pace of a window may differ from the admission rate.
const PACE_ERROR_MAX: f64 = 0.05;
/// How much the estimates may differ from when people were served, in the median.
const ESTIMATE_ERROR_MAX: f64 = 0.15;

/// What [`check`] found.
pub struct Pace {
    pub per_second: String,
    pub estimate_error: String,
}

/// Whether people were let through at the admission rate in every ten seconds, as long as there were enough of them and of units, and
/// whether the estimates were good.
pub fn check(crowd: &Crowd, placed: &[Placed], plan: &Plan) -> Result<Pace> {
    let times: Vec<i64> = placed.iter().map(|it| it.at.as_millisecond()).collect();
    // Those who were let through before the seed was shown order all at once.
    let first = times.first().context("an order")? + 4_000;
    // While few units are left, `overbook` limits the pace.
    let last = times[times.len().saturating_sub(plan.admit_per_second as usize)];
    let mut paces = Vec::new();
    for from in (first..last - WINDOW_MS).step_by(500) {
        let at = |time: i64| times.partition_point(|it| *it < time);
        let people = at(from + WINDOW_MS) - at(from);
        paces.push(people as f64 * 1_000.0 / WINDOW_MS as f64);
    }
    let people = plan.units.min(plan.early + plan.late);
    if people < SECONDS_MIN * plan.admit_per_second {
        return Ok(Pace {
            per_second: "-".to_owned(),
            estimate_error: "-".to_owned(),
        });
    }
    let least = paces.iter().copied().fold(f64::INFINITY, f64::min);
    let most = paces.iter().copied().fold(0.0, f64::max);
    let per_second = format!("{least:.0} to {most:.0} of {}", plan.admit_per_second);
    // Positions are random: of n early people who are due, about n ± √n come, and this looks at many windows.
    let due = f64::from(plan.admit_per_second) * WINDOW_MS as f64 / 1_000.0;
    let error_max = PACE_ERROR_MAX.max(4.5 / due.sqrt());
    let allowed = f64::from(plan.admit_per_second) * error_max;
    let is_right = |pace: f64| (pace - f64::from(plan.admit_per_second)).abs() <= allowed;
    ensure!(
        !paces.is_empty() && is_right(least) && is_right(most),
        "people per second: {per_second}"
    );

    let mut errors: Vec<f64> = Vec::new();
    for (number, asked, estimate) in &crowd.estimates {
        if let Some(turn) = crowd.turns.get(number) {
            let waited = turn.saturating_sub(*asked).max(Duration::from_secs(1));
            errors.push((estimate.as_secs_f64() / waited.as_secs_f64() - 1.0).abs());
        }
    }
    errors.sort_by(f64::total_cmp);
    let median = *errors
        .get(errors.len() / 2)
        .context("nobody was told an estimate")?;
    let estimate_error = format!("{:.1} % in the median of {}", median * 100.0, errors.len());
    ensure!(median <= ESTIMATE_ERROR_MAX, "{estimate_error}");
    Ok(Pace {
        per_second,
        estimate_error,
    })
}
