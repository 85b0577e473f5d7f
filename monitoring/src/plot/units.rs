/// As Grafana has them for these units: by thousands.
const BYTES: [(f64, &str); 4] = [(1e9, " GB"), (1e6, " MB"), (1e3, " kB"), (1.0, " B")];

/// What stands beside a title, for values whose unit is not told with each of them.
pub fn in_words(unit: &str) -> &str {
    match unit {
        "reqps" => "requests/s",
        "cps" => "per second",
        _ => unit.split_once(':').map_or("", |(_, words)| words),
    }
}

/// A value as a person reads it.
pub fn told(value: f64, unit: &str) -> String {
    match unit {
        "s" => scaled(
            value,
            &[(60.0, " min"), (1.0, " s"), (1e-3, " ms"), (1e-6, " us")],
        ),
        "percentunit" => format!("{} %", short(value * 100.0)),
        "decbytes" => scaled(value, &BYTES),
        "Bps" => scaled(value, &BYTES) + "/s",
        _ => scaled(value, &[(1e6, "M"), (1e3, "K"), (1.0, "")]),
    }
}

/// In the largest of `units` that it reaches, else in the smallest.
fn scaled(value: f64, units: &[(f64, &str)]) -> String {
    let reached = units.iter().find(|(size, _)| value.abs() >= *size);
    match reached.or(units.last()) {
        Some((size, name)) if value != 0.0 => format!("{}{name}", short(value / size)),
        _ => "0".to_owned(),
    }
}

/// Two or three digits.
fn short(value: f64) -> String {
    let digits = match value.abs() {
        10.0.. => 0,
        1.0.. => 1,
        _ => 2,
    };
    let text = format!("{value:.digits$}");
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_told_in_the_unit_that_fits() {
        let all = [
            (0.0123, "s", "12 ms"),
            (90.0, "s", "1.5 min"),
            (0.005, "percentunit", "0.5 %"),
            (3.0e6, "decbytes", "3 MB"),
            (2.5e9, "Bps", "2.5 GB/s"),
            (1500.0, "short", "1.5K"),
            (0.25, "count:orders/s", "0.25"),
            (0.0, "Bps", "0/s"),
            (100.0, "cps", "100"),
        ];
        for (value, unit, text) in all {
            assert_eq!(told(value, unit), text, "{value} {unit}");
        }
        assert_eq!(in_words("count:orders/s"), "orders/s");
        assert_eq!(in_words("s"), "");
    }
}
