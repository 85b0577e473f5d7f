use anyhow::Result;
use plotters::prelude::*;

use super::frame::{AXIS_HEIGHT, FONT, LABELS_WIDTH, MARGIN, drawing, height, picture, title};
use crate::result::Row;

const LEGEND: [(&str, RGBColor); 3] = [
    ("p50", RGBColor(70, 150, 110)),
    ("p99", RGBColor(230, 150, 50)),
    ("max", RGBColor(200, 70, 60)),
];
const LINE: RGBColor = RGBColor(190, 190, 190);
const RADIUS: i32 = 5;

/// A line from the median to the longest of each scenario, on a logarithmic axis.
pub fn latency(rows: &[Row<'_>]) -> Result<String> {
    let told: Vec<(String, [f64; 3])> = rows
        .iter()
        .filter_map(|row| {
            let latency = row.latency()?;
            // The axis has no zero.
            let points = [latency.p50, latency.p99, latency.max].map(|ms| ms.max(0.01));
            Some((title(row), points))
        })
        .collect();
    let longest = told
        .iter()
        .map(|(_, points)| points[2])
        .fold(10.0, f64::max);
    let count = i32::try_from(told.len())?.max(1);
    picture(height(told.len()), &LEGEND, |area| {
        let mut chart = ChartBuilder::on(area)
            .margin(MARGIN)
            .x_label_area_size(AXIS_HEIGHT)
            .y_label_area_size(LABELS_WIDTH)
            .build_cartesian_2d(
                (0.05..longest * 1.5).log_scale(),
                (0..count - 1).into_segmented(),
            )
            .map_err(drawing)?;
        chart
            .configure_mesh()
            .disable_y_mesh()
            .light_line_style(WHITE)
            .x_desc("milliseconds")
            .y_labels(told.len())
            .y_label_formatter(&|y| match y {
                SegmentValue::CenterOf(n) => usize::try_from(count - 1 - n)
                    .ok()
                    .and_then(|n| told.get(n))
                    .map(|(title, _)| title.clone())
                    .unwrap_or_default(),
                _ => String::new(),
            })
            .label_style(FONT)
            .draw()
            .map_err(drawing)?;
        for (n, (_, points)) in (0..count).zip(&told) {
            let height = SegmentValue::CenterOf(count - 1 - n);
            let line = points.map(|ms| (ms, height.clone()));
            let line = PathElement::new(line.to_vec(), LINE.stroke_width(2));
            chart.draw_series([line]).map_err(drawing)?;
            let dots = points
                .iter()
                .zip(&LEGEND)
                .map(|(ms, (_, color))| Circle::new((*ms, height.clone()), RADIUS, color.filled()));
            chart.draw_series(dots).map_err(drawing)?;
        }
        Ok(())
    })
}
