use anyhow::Result;
use plotters::prelude::*;

use super::palette::named;
use super::series::pieces;
use super::units::told;
use super::{Area, Shown, bold, drawing, write};
use crate::prometheus::Range;

/// The last value, large, over its way there.
pub fn draw(shown: &Shown, area: &Area<'_>, range: Range) -> Result<()> {
    let points = || shown.lines.iter().flat_map(|line| &line.points);
    let last = points().next_back().map_or(0.0, |it| it.1);
    let reached = shown.panel.thresholds().filter(|(from, _)| last >= *from);
    let color = named(reached.last().map_or("green", |(_, color)| color));
    let text = told(last, &shown.panel.field_config.defaults.unit);
    write(area, &text, (10, 24), bold(26).color(&color))?;

    let highest = points().map(|it| it.1).fold(0.0, f64::max);
    let (_, height) = area.dim_in_pixel();
    let lower = area.margin(i32::try_from(height)? - 44, 4, 6, 6);
    let mut chart = ChartBuilder::on(&lower)
        .build_cartesian_2d(0.0..range.seconds(), 0.0..highest.max(f64::MIN_POSITIVE))
        .map_err(drawing)?;
    for line in &shown.lines {
        for piece in pieces(&line.points, range.step_seconds.into()) {
            let path = PathElement::new(piece, color.stroke_width(1));
            chart.draw_series([path]).map_err(drawing)?;
        }
    }
    Ok(())
}
