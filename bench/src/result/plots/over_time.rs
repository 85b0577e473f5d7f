use anyhow::Result;
use plotters::prelude::*;

use super::frame::{AXIS_HEIGHT, FONT, MARGIN, drawing, picture};
use crate::measurement::Moment;
use crate::result::Row;

const LEGEND: [(&str, RGBColor); 2] = [
    ("p50 of each round", RGBColor(70, 150, 110)),
    ("p99 of each round", RGBColor(230, 150, 50)),
];
const HEIGHT: u32 = 320;
const SCALE_WIDTH: u32 = 60;

/// From due to committed, every round a line.
pub fn over_time(rows: &[Row<'_>]) -> Result<String> {
    let rounds: Vec<&[Moment]> = rows
        .iter()
        .filter(|row| row.scenario == "end-to-end")
        .flat_map(|row| row.rounds().iter().map(|round| round.over_time.as_slice()))
        .collect();
    let all = || rounds.iter().copied().flatten();
    let last = all().map(|moment| moment.at).fold(1.0, f64::max);
    let longest = all().map(|moment| moment.p99_ms).fold(1.0, f64::max);
    picture(HEIGHT, &LEGEND, |area| {
        let mut chart = ChartBuilder::on(area)
            .margin(MARGIN)
            .x_label_area_size(AXIS_HEIGHT)
            .y_label_area_size(SCALE_WIDTH)
            .build_cartesian_2d(0.0..last, 0.0..longest * 1.1)
            .map_err(drawing)?;
        chart
            .configure_mesh()
            .light_line_style(WHITE)
            .x_desc("seconds")
            .y_desc("milliseconds")
            .label_style(FONT)
            .draw()
            .map_err(drawing)?;
        let values: [fn(&Moment) -> f64; 2] = [|moment| moment.p50_ms, |moment| moment.p99_ms];
        for round in &rounds {
            for (value, (_, color)) in values.iter().zip(&LEGEND) {
                let line = round.iter().map(|moment| (moment.at, value(moment)));
                let line = PathElement::new(line.collect::<Vec<_>>(), color.stroke_width(2));
                chart.draw_series([line]).map_err(drawing)?;
            }
        }
        Ok(())
    })
}
