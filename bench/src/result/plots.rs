//! Pictures, as SVG text.

mod bars;
mod frame;
mod latency;
mod lines;
mod over_time;

pub use bars::{cpu, throughput};
pub use latency::latency;
pub use lines::{Line, lines};
pub use over_time::{latencies, over_time};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measurement::tests::measured;
    use crate::result::rows;

    #[test]
    fn one_row_is_a_picture_and_so_is_none() {
        for all in [vec![measured("bare", Some(64), 1)], Vec::new()] {
            let rows = rows(&all);
            for picture in [throughput, cpu, latency, over_time] {
                assert!(picture(&rows).unwrap().starts_with("<svg"));
            }
        }
    }
}
