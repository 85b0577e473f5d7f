//! Rates as multiples of a ceiling that is measured in the same round.

use crate::measure::Measurement;

/// Adds a measurement; its ceiling, which may be itself, is among those before. A ceiling that is measured once
/// per pair applies to both sides.
pub fn push(all: &mut Vec<Measurement>, mut one: Measurement) {
    let is_ceiling = |other: &&Measurement| match one.ceiling {
        Some("first") => (other.scenario, other.side) == (one.scenario, one.side),
        Some("copy") => other.scenario == "copy",
        Some(ceiling) => other.key() == (ceiling, &one.label, one.side),
        None => false,
    };
    let others = all.iter().filter(|other| other.round == one.round);
    let ceiling = others.chain([&one]).find(is_ceiling);
    one.x_ceiling = ceiling.map(|it| one.per_second() / it.per_second());
    all.push(one);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::tests::measured;

    #[test]
    fn a_label_is_compared_with_its_own_or_with_the_first_of_the_same_round() {
        let mut all = Vec::new();
        for (scenario, label, round, count, ratio) in [
            ("bare", "256", 1, 10, Some(1.0)),
            ("accept", "64", 1, 5, None),
            ("accept", "256", 1, 5, Some(0.5)),
            ("drain by rows", "0", 1, 10, Some(1.0)),
            ("drain by rows", "9", 1, 5, Some(0.5)),
            ("drain by rows", "9", 2, 5, Some(1.0)),
        ] {
            let one = Measurement {
                count,
                ..measured(scenario, label, round)
            };
            push(&mut all, one);
            let found = all.last().and_then(|it| it.x_ceiling);
            assert_eq!(found, ratio, "{scenario} {label}");
        }
    }
}
