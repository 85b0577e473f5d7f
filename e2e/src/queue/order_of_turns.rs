use std::collections::HashMap;

use anyhow::{Context, Result, ensure};
use fluxgate_domain::queue::seed_sha256;
use serde_json::Value;

use super::crowd::Crowd;
use super::{INSTANCES, QueuedSale, shown_seed};
use crate::order::buyer_number;
use crate::stores::Placed;

/// Chi-square values that a fair draw exceeds once in a million, for ten and for four classes.
const TEN_CLASSES_MAX: f64 = 44.8;
const FOUR_CLASSES_MAX: f64 = 30.7;
/// Of the early people, so many are looked at: those who had the first turns.
const FIRST: f64 = 0.5;
/// People who join in the same second may be served in any order.
const LATE_BY_MS_MAX: i64 = 1_000;

/// What [`check`] found.
pub struct Fairness {
    pub chi_squares: String,
    pub late_by_ms: i64,
}

/// The seed that is shown must have the hash that was shown before anybody joined.
pub fn check_seed(state: &Value, shown: &Value, sale: &QueuedSale) -> Result<()> {
    let seed = shown_seed(state)?.context("the seed is not shown")?;
    ensure!(seed == sale.seed(), "another seed");
    let sha256 = hex::encode(seed_sha256(&seed));
    ensure!(*shown == sha256, "{shown} was shown, the seed has {sha256}");
    Ok(())
}

/// Whether the first turns are spread evenly over join time, names and instances, and late people are served in the order of joining.
pub fn check(crowd: &Crowd, placed: &[Placed]) -> Result<Fairness> {
    let by_number: HashMap<u32, usize> = crowd
        .people
        .iter()
        .enumerate()
        .map(|(n, it)| (it.number, n))
        .collect();
    let buyers = placed
        .iter()
        .map(|it| buyer_number(&it.user).context("a buyer"));
    let buyers: Vec<u32> = buyers.collect::<Result<_>>()?;
    let is_early = |number: &&u32| crowd.people[by_number[number]].ticket.number.is_none();
    let early: Vec<u32> = buyers.iter().filter(is_early).copied().collect();
    let first = &early[..(early.len() as f64 * FIRST) as usize];
    let all = crowd
        .people
        .iter()
        .filter(|it| it.ticket.number.is_none())
        .count();

    let mut names: Vec<String> = (0..all as u32).map(crate::order::user_id).collect();
    names.sort_unstable();
    let ranks: HashMap<&str, usize> = names
        .iter()
        .enumerate()
        .map(|(rank, name)| (name.as_str(), rank))
        .collect();
    let decile = |rank: usize| rank * 10 / all;
    let by_time = chi_square::<10>(first.iter().map(|n| decile(*n as usize)));
    let by_name = chi_square::<10>(
        first
            .iter()
            .map(|n| decile(ranks[crate::order::user_id(*n).as_str()])),
    );
    let by_instance = chi_square::<INSTANCES>(first.iter().map(|n| *n as usize % INSTANCES));
    let chi_squares = format!("{by_time:.1}, {by_name:.1}, {by_instance:.1}");
    let is_even =
        by_time < TEN_CLASSES_MAX && by_name < TEN_CLASSES_MAX && by_instance < FOUR_CLASSES_MAX;
    ensure!(
        is_even,
        "the first turns are not spread evenly: {chi_squares}"
    );

    let mut late_by_ms = 0;
    let mut latest: Option<i64> = None;
    let mut late: Vec<(u64, i64)> = Vec::new();
    for (number, placed) in buyers.iter().zip(placed) {
        if let Some(place) = crowd.people[by_number[number]].ticket.number {
            late.push((place.get(), placed.at.as_millisecond()));
        }
    }
    late.sort_unstable();
    for (_, at) in late {
        late_by_ms = late_by_ms.max(latest.map_or(0, |latest| latest - at));
        latest = latest.max(Some(at));
    }
    ensure!(
        late_by_ms <= LATE_BY_MS_MAX,
        "a late order came {late_by_ms} ms before one with a lower number"
    );
    Ok(Fairness {
        chi_squares,
        late_by_ms,
    })
}

fn chi_square<const CLASSES: usize>(classes: impl Iterator<Item = usize>) -> f64 {
    let mut counts = [0.0; CLASSES];
    classes.for_each(|class| counts[class] += 1.0);
    let expected = counts.iter().sum::<f64>() / CLASSES as f64;
    counts
        .iter()
        .map(|count| (count - expected) * (count - expected) / expected)
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_in_the_order_of_joining_are_seen() {
        let half_of_the_crowd = 0..10_000;
        let decile = |number: usize| number * 10 / 20_000;
        assert!(chi_square::<10>(half_of_the_crowd.map(decile)) > TEN_CLASSES_MAX);
        assert!(chi_square::<10>((0..20_000).step_by(2).map(decile)) < TEN_CLASSES_MAX);
    }
}
