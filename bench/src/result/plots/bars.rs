//! A bar for each scenario, one below the other.

use anyhow::Result;
use plotters::prelude::*;

use super::frame::{AXIS_HEIGHT, FONT, LABELS_WIDTH, MARGIN, drawing, height, picture, title};
use crate::cpu::Part;
use crate::result::Row;

const RATE: RGBColor = RGBColor(60, 110, 180);

/// Pixels between two bars.
const GAP: u32 = 3;

pub fn throughput(rows: &[Row<'_>]) -> Result<String> {
    let bars = rows.iter().map(|row| Bar {
        title: title(row),
        pieces: vec![(row.per_second(), RATE)],
        label: match row.ratio {
            Some(ratio) => format!("{:.0}  x {ratio:.2}", row.per_second()),
            None => format!("{:.0}", row.per_second()),
        },
    });
    stacked(&bars.collect::<Vec<_>>(), &[], "per second")
}

pub fn cpu(rows: &[Row<'_>]) -> Result<String> {
    let bars = rows.iter().map(|row| {
        let used = Part::ALL.map(|part| (row.cpu_us(part), color(part)));
        Bar {
            title: title(row),
            label: format!("{:.1}", used.iter().map(|(us, _)| us).sum::<f64>()),
            pieces: used.to_vec(),
        }
    });
    let legend = Part::ALL.map(|part| (part.name(), color(part)));
    stacked(&bars.collect::<Vec<_>>(), &legend, "microseconds of CPU")
}

fn color(part: Part) -> RGBColor {
    match part {
        Part::Api => RGBColor(60, 110, 180),
        Part::Bare => RGBColor(120, 170, 220),
        Part::Redis => RGBColor(200, 70, 60),
        Part::Kafka => RGBColor(90, 90, 90),
        Part::Worker => RGBColor(230, 150, 50),
        Part::Postgres => RGBColor(70, 150, 110),
        Part::Load => RGBColor(215, 215, 215),
    }
}

struct Bar {
    title: String,
    pieces: Vec<(f64, RGBColor)>,
    label: String,
}

impl Bar {
    fn length(&self) -> f64 {
        self.pieces.iter().map(|(length, _)| length).sum()
    }
}

fn stacked(bars: &[Bar], legend: &[(&str, RGBColor)], unit: &str) -> Result<String> {
    let longest = bars.iter().map(Bar::length).fold(1.0, f64::max);
    // The axis grows upwards, and the first bar is the uppermost.
    let count = i32::try_from(bars.len())?.max(1);
    picture(height(bars.len()), legend, |area| {
        let mut chart = ChartBuilder::on(area)
            .margin(MARGIN)
            .x_label_area_size(AXIS_HEIGHT)
            .y_label_area_size(LABELS_WIDTH)
            .build_cartesian_2d(0.0..longest * 1.15, (0..count - 1).into_segmented())
            .map_err(drawing)?;
        chart
            .configure_mesh()
            .disable_y_mesh()
            .light_line_style(WHITE)
            .x_desc(unit)
            .x_label_formatter(&|x| format!("{x:.0}"))
            .y_labels(bars.len())
            .y_label_formatter(&|y| match y {
                SegmentValue::CenterOf(n) => title_at(bars, count - 1 - n),
                _ => String::new(),
            })
            .label_style(FONT)
            .draw()
            .map_err(drawing)?;
        for (n, bar) in (0..count).zip(bars) {
            let lower = SegmentValue::Exact(count - 1 - n);
            let upper = match n {
                0 => SegmentValue::Last,
                _ => SegmentValue::Exact(count - n),
            };
            let mut start = 0.0;
            for (length, color) in &bar.pieces {
                let corners = [(start, lower.clone()), (start + length, upper.clone())];
                let mut piece = Rectangle::new(corners, color.filled());
                piece.set_margin(GAP, GAP, 0, 0);
                chart.draw_series([piece]).map_err(drawing)?;
                start += length;
            }
            let place = (start + longest * 0.005, upper);
            let label = EmptyElement::at(place) + Text::new(bar.label.clone(), (2, 6), FONT);
            chart.draw_series([label]).map_err(drawing)?;
        }
        Ok(())
    })
}

fn title_at(bars: &[Bar], n: i32) -> String {
    let bar = usize::try_from(n).ok().and_then(|n| bars.get(n));
    bar.map(|bar| bar.title.clone()).unwrap_or_default()
}
