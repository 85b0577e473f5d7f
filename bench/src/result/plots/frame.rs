use anyhow::{Result, anyhow};
use plotters::coord::Shift;
use plotters::prelude::*;

use crate::result::Row;

pub const WIDTH: u32 = 960;
const ROW_HEIGHT: u32 = 26;
pub const MARGIN: u32 = 12;
pub const LABELS_WIDTH: u32 = 190;
pub const AXIS_HEIGHT: u32 = 34;
const LEGEND_HEIGHT: u32 = 24;
pub const FONT: (&str, i32) = ("sans-serif", 13);

pub type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// As high as so many rows need.
pub fn height(rows: usize) -> u32 {
    u32::try_from(rows).unwrap_or(u32::MAX / ROW_HEIGHT / 2) * ROW_HEIGHT
        + 2 * MARGIN
        + AXIS_HEIGHT
        + LEGEND_HEIGHT
}

pub fn title(row: &Row<'_>) -> String {
    match row.connections {
        Some(connections) => format!("{} {connections}", row.scenario),
        None => row.scenario.to_owned(),
    }
}

/// The text of a picture with a legend on top.
pub fn picture(
    height: u32,
    legend: &[(&str, RGBColor)],
    draw: impl FnOnce(&Area<'_>) -> Result<()>,
) -> Result<String> {
    let mut svg = String::new();
    {
        let whole = SVGBackend::with_string(&mut svg, (WIDTH, height)).into_drawing_area();
        whole.fill(&WHITE).map_err(drawing)?;
        let (head, body) = whole.split_vertically(LEGEND_HEIGHT);
        let mut x = i32::try_from(LABELS_WIDTH)?;
        for (name, color) in legend {
            head.draw(&Rectangle::new([(x, 8), (x + 12, 20)], color.filled()))
                .map_err(drawing)?;
            head.draw(&Text::new(*name, (x + 17, 7), FONT))
                .map_err(drawing)?;
            x += 50 + 8 * i32::try_from(name.len())?;
        }
        draw(&body)?;
        whole.present().map_err(drawing)?;
    }
    Ok(svg)
}

/// The library's errors borrow from the picture.
pub fn drawing(error: impl std::fmt::Display) -> anyhow::Error {
    anyhow!("drawing: {error}")
}
