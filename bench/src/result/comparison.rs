//! Two builds, measured in pairs.

use serde::Serialize;

use super::rows::{Row, section, shown, two, whole};
use crate::measure::Measurement;
use crate::measure::cpu::Part;
use crate::measure::statistics::Spread;

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
pub fn verdicts<'a>(rows: &[Row<'a>]) -> Vec<Conclusion<'a>> {
    let ours = rows.iter().filter(|row| row.first().side == "ours");
    let conclusion = |ours: &Row<'a>| {
        let key = (ours.first().scenario, &ours.first().label, "theirs");
        let theirs = rows.iter().find(|row| row.first().key() == key)?;
        let pair = |ours: &&'a Measurement| {
            let mut theirs = theirs.0.iter();
            Some([*ours, *theirs.find(|it| it.round == ours.round)?])
        };
        let pairs: Vec<_> = ours.0.iter().filter_map(pair).collect();
        let ratio = |pair: &[&Measurement; 2]| {
            let [ours, theirs] = pair.map(|it| it.cpu_us_each(it.tested));
            ours / theirs
        };
        let ratios: Vec<f64> = pairs.iter().map(ratio).collect();
        (!pairs.is_empty()).then(|| Conclusion {
            title: ours.first().title(),
            conclusion: decide(&ratios),
            ratios,
            pairs,
        })
    };
    ours.filter_map(conclusion).collect()
}

fn decide(ratios: &[f64]) -> &'static str {
    let spread = Spread::of(ratios.iter().copied()).filter(|_| ratios.len() > 1);
    match spread.filter(|spread| spread.width() <= DECIDED_WIDTH_MAX) {
        None => "undecided",
        Some(spread) if spread.median <= NOT_SLOWER_MAX => "not slower",
        Some(_) => "slower",
    }
}

/// The table of conclusions; empty if only one build was measured.
pub fn table(rows: &[Row<'_>]) -> String {
    let row = |it: Conclusion<'_>| {
        let of = |value: fn([f64; 2]) -> f64, digits| {
            let rates = it
                .pairs
                .iter()
                .map(|pair| pair.map(Measurement::per_second));
            shown(Spread::of(rates.map(value)), digits)
        };
        let parts = it.pairs[0][0].tested.iter().map(|part| Part::name(*part));
        vec![
            it.title.clone(),
            it.pairs.len().to_string(),
            parts.collect::<Vec<_>>().join(" + "),
            shown(Spread::of(it.ratios.clone()), |ratio| format!("{ratio:.3}")),
            of(|[ours, _]| ours, whole),
            of(|[_, theirs]| theirs, whole),
            of(|[ours, theirs]| ours / theirs, two),
            it.conclusion.to_owned(),
        ]
    };
    let title = format!(
        "CPU per request, ours / theirs. Slower: a median over {NOT_SLOWER_MAX}; undecided: a range of more than {:.0} %",
        DECIDED_WIDTH_MAX * 100.0
    );
    let head =
        "scenario|pairs|CPU of|ours / theirs|per second, ours|theirs|ours / theirs|conclusion";
    section(&title, head, verdicts(rows).into_iter().map(row))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::tests::measured;
    use crate::result::rows::rows;

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
        assert_eq!(verdicts(&rows(&all))[0].ratios, [0.5, 0.51]);
        assert!(table(&rows(&all)).contains("| not slower |"));
        assert!(table(&rows(&all[..1])).is_empty());
    }
}
