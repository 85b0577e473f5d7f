//! Two builds, measured in pairs.

use serde::Serialize;

use super::Table;
use super::rows::{shown, two, whole};
use crate::measure::Measurement;
use crate::measure::cpu::Part;
use crate::measure::statistics::Spread;
use crate::scenario::tested;

/// The largest median ratio of CPU that counts as not slower.
const NOT_SLOWER_MAX: f64 = 1.03;
/// If the range of the ratios is wider than this share of their median, the result is undecided.
const DECIDED_WIDTH_MAX: f64 = 0.06;

/// One scenario in both builds.
#[derive(Debug, Serialize)]
pub struct Conclusion<'a> {
    pub title: String,
    /// For each pair, the ratio of CPU per request of the processes under test, ours to theirs.
    pub ratios: Vec<f64>,
    pub conclusion: &'static str,
    #[serde(skip)]
    pairs: Vec<[&'a Measurement; 2]>,
}

/// The conclusions about all scenarios that were measured in both builds.
pub fn verdicts(all: &[Measurement]) -> Vec<Conclusion<'_>> {
    let mut verdicts: Vec<Conclusion<'_>> = Vec::new();
    for ours in all.iter().filter(|one| one.side == "ours") {
        let key = (ours.scenario, &ours.label, "theirs");
        let mut theirs = all.iter().filter(|one| one.round == ours.round);
        let Some(theirs) = theirs.find(|one| one.key() == key) else {
            continue;
        };
        let (title, pair) = (ours.title(), [ours, theirs]);
        match verdicts.iter_mut().find(|it| it.title == title) {
            Some(known) => known.pairs.push(pair),
            None => verdicts.push(Conclusion {
                title,
                ratios: Vec::new(),
                conclusion: "",
                pairs: vec![pair],
            }),
        }
    }
    for conclusion in &mut verdicts {
        let parts = tested(conclusion.pairs[0][0].scenario);
        let ratio = |[ours, theirs]: &[&Measurement; 2]| {
            ours.cpu_us_each(parts) / theirs.cpu_us_each(parts)
        };
        conclusion.ratios = conclusion.pairs.iter().map(ratio).collect();
        conclusion.conclusion = decide(&conclusion.ratios);
    }
    verdicts
}

fn decide(ratios: &[f64]) -> &'static str {
    let spread = Spread::of(ratios.iter().copied()).filter(|_| ratios.len() > 1);
    match spread.filter(|spread| spread.width() <= DECIDED_WIDTH_MAX) {
        None => "undecided",
        Some(spread) if spread.median <= NOT_SLOWER_MAX => "not slower",
        Some(_) => "slower",
    }
}

/// The table of conclusions; it has no rows if only one build was measured.
pub fn table(all: &[Measurement]) -> Table {
    let row = |it: &Conclusion<'_>| {
        let of = |value: fn(&[&Measurement; 2]) -> f64, digits| {
            shown(Spread::of(it.pairs.iter().map(value)), digits)
        };
        let parts = tested(it.pairs[0][0].scenario)
            .iter()
            .map(|part| Part::name(*part));
        vec![
            it.title.clone(),
            it.pairs.len().to_string(),
            parts.collect::<Vec<_>>().join(" + "),
            shown(Spread::of(it.ratios.clone()), |ratio| format!("{ratio:.3}")),
            of(|[ours, _]| ours.per_second(), whole),
            of(|[_, theirs]| theirs.per_second(), whole),
            of(
                |[ours, theirs]| ours.per_second() / theirs.per_second(),
                two,
            ),
            it.conclusion.to_owned(),
        ]
    };
    let title = format!(
        "CPU per request, ours / theirs. Slower: a median over {NOT_SLOWER_MAX}; undecided: a range of more than {:.0} %",
        DECIDED_WIDTH_MAX * 100.0
    );
    let head =
        "scenario|pairs|CPU of|ours / theirs|per second, ours|theirs|ours / theirs|conclusion";
    Table::new(&title, head, verdicts(all).iter().map(row))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::tests::measured;

    #[test]
    fn a_verdict_needs_pairs_in_a_narrow_range() {
        assert_eq!(decide(&[1.03, 1.0, 1.05]), "not slower");
        assert_eq!(decide(&[1.04, 1.05, 1.06]), "slower");
        assert_eq!(decide(&[1.0, 1.1, 1.0]), "undecided");
        assert_eq!(decide(&[1.0]), "undecided");
    }

    #[test]
    fn each_pair_is_compared_within_itself() {
        let side = |side, round, cpu| {
            let mut one = measured("accept", "64", round);
            one.side = side;
            one.cpu_us.insert(Part::Api, cpu);
            one
        };
        let all = [
            side("ours", 1, 10_000),
            side("theirs", 1, 20_000),
            side("theirs", 2, 40_000),
            side("ours", 2, 20_400),
            side("ours", 3, 1),
        ];
        assert_eq!(verdicts(&all)[0].ratios, [0.5, 0.51]);
        assert_eq!(table(&all).rows[0].last().unwrap(), "not slower");
        assert!(table(&all[..1]).rows.is_empty());
    }
}
