//! Medians, ranges, percentiles and slopes.

/// The median with the smallest and the largest value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spread {
    pub median: f64,
    pub min: f64,
    pub max: f64,
}

impl Spread {
    /// `None` if there are no values.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let (min, max, middle) = (*values.first()?, *values.last()?, values.len() / 2);
        let median = match values.len() % 2 {
            1 => values[middle],
            _ => f64::midpoint(values[middle - 1], values[middle]),
        };
        Some(Self { median, min, max })
    }

    /// The width of the range, as a share of the median.
    pub fn width(&self) -> f64 {
        (self.max - self.min) / self.median
    }
}

/// The smallest value that is not below `share` of all values, which must be sorted.
pub fn percentile<T: Copy>(sorted: &[T], share: f64) -> Option<T> {
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.max(1) - 1).copied()
}

/// The slope of y over x, by least squares; `None` if x does not change.
pub fn slope(points: &[(f64, f64)]) -> Option<f64> {
    let count = points.len() as f64;
    let mean_x = points.iter().map(|(x, _)| x).sum::<f64>() / count;
    let mean_y = points.iter().map(|(_, y)| y).sum::<f64>() / count;
    let square: f64 = points.iter().map(|(x, _)| (x - mean_x).powi(2)).sum();
    let product = |(x, y): &(f64, f64)| (x - mean_x) * (y - mean_y);
    let sum: f64 = points.iter().map(product).sum();
    (square > 0.0).then(|| sum / square)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slope_is_what_each_step_adds_whatever_the_noise_around_it() {
        let of = |all: &[f64]| {
            slope(
                &(0..)
                    .map(f64::from)
                    .zip(all.iter().copied())
                    .collect::<Vec<_>>(),
            )
        };
        assert_eq!(of(&[5.0, 8.0, 11.0]), Some(3.0));
        assert_eq!(of(&[1.0, -1.0, -1.0, 1.0]), Some(0.0));
        assert_eq!(of(&[1.0]), None);
    }

    #[test]
    fn a_median_is_the_middle_or_between_the_two_in_the_middle() {
        assert_eq!(Spread::of([]), None);
        let odd = Spread::of([9.0, 1.0, 2.0]).unwrap();
        assert_eq!(
            (odd.median, odd.min, odd.max, odd.width()),
            (2.0, 1.0, 9.0, 4.0)
        );
        assert_eq!(Spread::of([4.0, 1.0, 2.0, 100.0]).unwrap().median, 3.0);
    }

    #[test]
    fn a_percentile_is_one_of_the_values() {
        let hundred: Vec<u32> = (1..=100).collect();
        let found = [0.5, 0.99].map(|share| percentile(&hundred, share));
        assert_eq!(found, [Some(50), Some(99)]);
        assert_eq!(percentile::<u32>(&[], 0.5), None);
    }
}
