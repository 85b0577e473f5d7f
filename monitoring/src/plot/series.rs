use super::Line;

/// Points that follow each other, in pieces: a step that is missing leaves a gap.
pub fn pieces(points: &[(f64, f64)], step: f64) -> impl Iterator<Item = Vec<(f64, f64)>> {
    let follows = move |a: &(f64, f64), b: &(f64, f64)| b.0 - a.0 < 1.5 * step;
    points.chunk_by(follows).map(without_flats)
}

/// Points between two equal ones say nothing.
fn without_flats(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let says = |n: usize| {
        let [before, here, after] = [n.wrapping_sub(1), n, n + 1].map(|n| points.get(n));
        before.map(|it| it.1) != here.map(|it| it.1) || here.map(|it| it.1) != after.map(|it| it.1)
    };
    (0..points.len())
        .filter(|n| says(*n))
        .map(|n| points[n])
        .collect()
}

/// Each line on top of those before it, the uppermost first. Where one has no point, it counts as zero.
pub fn stacked(lines: &[Line], step: f64) -> Vec<(usize, Vec<(f64, f64)>)> {
    let last = lines.iter().flat_map(|line| &line.points).map(|it| it.0);
    let steps = (last.fold(0.0, f64::max) / step).round() as usize;
    let mut sums = vec![0.0; steps + 1];
    let mut all = Vec::new();
    for (number, line) in lines.iter().enumerate() {
        for (at, value) in &line.points {
            sums[(at / step).round() as usize] += value;
        }
        let upper = sums
            .iter()
            .enumerate()
            .map(|(n, sum)| (n as f64 * step, *sum));
        all.push((number, without_flats(&upper.collect::<Vec<_>>())));
    }
    all.reverse();
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(points: &[(f64, f64)]) -> Line {
        Line {
            name: String::new(),
            points: points.to_vec(),
        }
    }

    #[test]
    fn a_missing_step_is_a_gap_and_flats_are_left_out() {
        let points = [(0.0, 1.0), (5.0, 1.0), (10.0, 1.0), (25.0, 2.0)];
        let pieces: Vec<_> = pieces(&points, 5.0).collect();
        assert_eq!(pieces, [vec![(0.0, 1.0), (10.0, 1.0)], vec![(25.0, 2.0)]]);
    }

    #[test]
    fn lines_are_stacked_from_the_first_to_the_last() {
        let lines = [line(&[(0.0, 1.0), (5.0, 2.0)]), line(&[(5.0, 3.0)])];
        let expected = [
            (1, vec![(0.0, 1.0), (5.0, 5.0)]),
            (0, vec![(0.0, 1.0), (5.0, 2.0)]),
        ];
        assert_eq!(stacked(&lines, 5.0), expected);
    }
}
