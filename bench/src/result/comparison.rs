//! Two builds, measured in pairs.

use super::rows::{Row, section};
use super::spread::{Spread, shown};
use crate::measure::Measurement;
use crate::scenario::Scenario;

/// The largest median ratio of CPU that counts as not slower.
const NOT_SLOWER_MAX: f64 = 1.03;
/// If the range of the ratios is wider than this share of their median, the result is undecided.
const DECIDED_WIDTH_MAX: f64 = 0.06;

/// One scenario in both builds.
pub struct Comparison<'a> {
    scenario: Scenario,
    /// Ours and theirs, in the same round.
    pairs: Vec<[&'a Measurement; 2]>,
}

/// All scenarios that were measured in both builds.
pub fn comparisons<'a>(rows: &[Row<'a>]) -> Vec<Comparison<'a>> {
    let of_side = |side| rows.iter().filter(move |row| row.first().side == side);
    let compared = of_side("ours").filter_map(|ours| {
        let scenario = ours.first().scenario;
        let theirs = of_side("theirs").find(|row| row.first().scenario == scenario)?;
        let pairs = ours.0.iter().filter_map(|ours| {
            let theirs = theirs.0.iter().find(|it| it.round == ours.round)?;
            Some([&ours.measured, &theirs.measured])
        });
        let pairs: Vec<_> = pairs.collect();
        (!pairs.is_empty()).then_some(Comparison { scenario, pairs })
    });
    compared.collect()
}

impl Comparison<'_> {
    pub fn conclusion(&self) -> &'static str {
        let ratios = self.cpu_ratios().filter(|_| self.pairs.len() > 1);
        match ratios.filter(|ratios| ratios.width() <= DECIDED_WIDTH_MAX) {
            None => "undecided",
            Some(ratios) if ratios.median <= NOT_SLOWER_MAX => "not slower",
            Some(_) => "slower",
        }
    }

    /// For each pair, the ratio of CPU per request of the processes under test, ours to theirs.
    fn cpu_ratios(&self) -> Option<Spread> {
        self.spread(|pair| {
            let [ours, theirs] = pair.map(|it| it.cpu_us_each(self.scenario.tested()));
            ours / theirs
        })
    }

    fn spread(&self, value: impl Fn([&Measurement; 2]) -> f64) -> Option<Spread> {
        Spread::of(self.pairs.iter().map(|pair| value(*pair)))
    }

    fn cells(&self) -> Vec<String> {
        let rate = |[ours, _]: [&Measurement; 2]| ours.per_second();
        let their_rate = |[_, theirs]: [&Measurement; 2]| theirs.per_second();
        let parts = self.scenario.tested().iter().map(|part| part.name());
        vec![
            self.scenario.title(),
            self.pairs.len().to_string(),
            parts.collect::<Vec<_>>().join(" + "),
            shown(self.cpu_ratios(), 3),
            shown(self.spread(rate), 0),
            shown(self.spread(their_rate), 0),
            shown(self.spread(|pair| rate(pair) / their_rate(pair)), 2),
            self.conclusion().to_owned(),
        ]
    }
}

/// The table of conclusions; empty if only one build was measured.
pub fn table(rows: &[Row<'_>]) -> String {
    let title = format!(
        "CPU per request, ours / theirs. Slower: a median over {NOT_SLOWER_MAX}; undecided: a range of more than {:.0} %",
        DECIDED_WIDTH_MAX * 100.0
    );
    let head =
        "scenario|pairs|CPU of|ours / theirs|per second, ours|theirs|ours / theirs|conclusion";
    section(
        &title,
        head,
        comparisons(rows).iter().map(Comparison::cells),
    )
}

#[cfg(test)]
mod tests {
    use crate::result::tests::run_of;

    /// Both builds in each round, and each round slower than the one before: ours takes this share of their CPU, in
    /// thousandths.
    fn compared(ours: &[u64]) -> String {
        let rounds = (1_u32..).zip(ours).flat_map(|(round, ours)| {
            let side = |side, cpu| ("accept", 64, side, round, 1_000, cpu * u64::from(round));
            [side("theirs", 1_000), side("ours", *ours)]
        });
        run_of(&rounds.collect::<Vec<_>>()).markdown()
    }

    #[test]
    fn a_conclusion_needs_pairs_in_a_narrow_range() {
        for (ours, expected) in [
            (&[1_030, 1_000, 1_050][..], "| 1.030 (1.000-1.050) "),
            (&[1_030, 1_000, 1_050], "| not slower |"),
            (&[1_040, 1_050, 1_060], "| slower "),
            (&[1_000, 1_100, 1_000], "| undecided "),
            (&[1_000], "| undecided "),
        ] {
            let text = compared(ours);
            assert!(text.contains(expected), "{expected}: {text}");
        }
    }
}
