/// A median with the smallest and the largest value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spread {
    pub median: f64,
    min: f64,
    max: f64,
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

/// A median with this many digits, and the range if there is one.
pub fn shown(spread: Option<Spread>, digits: usize) -> String {
    let Some(Spread { median, min, max }) = spread else {
        return String::new();
    };
    let [median, min, max] = [median, min, max].map(|value| format!("{value:.digits$}"));
    match min == max {
        true => median,
        false => format!("{median} ({min}-{max})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_median_is_the_middle_or_between_the_two_in_the_middle() {
        assert_eq!(Spread::of([]), None);
        let odd = Spread::of([9.0, 1.0, 2.0]);
        assert_eq!(
            (shown(odd, 1), odd.unwrap().width()),
            ("2.0 (1.0-9.0)".to_owned(), 4.0)
        );
        assert_eq!(shown(Spread::of([4.0, 1.0, 2.0, 100.0]), 0), "3 (1-100)");
    }
}
