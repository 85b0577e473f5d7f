use anyhow::Result;
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;

use super::palette::{FAINT, GRID, line, named, pale};
use super::series::{pieces, stacked};
use super::units::told;
use super::{Area, Shown, drawing, font, write};
use crate::prometheus::Range;

const TITLE_HEIGHT: i32 = 20;
const AXIS: (u32, u32) = (52, 22);
/// Of the legend, and about how wide a letter is.
const LEGEND_LINE: i32 = 14;
const LETTER: i32 = 5;
const LEGEND_LINES: i32 = 2;

type Chart<'a, 'b> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;

/// Lines over time, with a legend below.
pub fn draw(shown: &Shown, area: &Area<'_>, range: Range) -> Result<()> {
    let (_, height) = area.dim_in_pixel();
    let legend_top = i32::try_from(height)? - LEGEND_LINES * LEGEND_LINE - 4;
    legend(shown, area, legend_top)?;

    let unit = &shown.panel.field_config.defaults.unit;
    let body = area.margin(TITLE_HEIGHT, i32::try_from(height)? - legend_top, 4, 12);
    let mut chart = ChartBuilder::on(&body)
        .x_label_area_size(AXIS.1)
        .y_label_area_size(AXIS.0)
        .build_cartesian_2d(0.0..minutes(range.seconds()), 0.0..top(shown, range))
        .map_err(drawing)?;
    chart
        .configure_mesh()
        .max_light_lines(0)
        .bold_line_style(GRID)
        .axis_style(FAINT)
        .set_all_tick_mark_size(3)
        .x_labels(6)
        .y_labels(4)
        .x_label_formatter(&|minutes| format!("{minutes} min"))
        .y_label_formatter(&|value| told(*value, unit))
        .label_style(font(10))
        .draw()
        .map_err(drawing)?;
    if shown.panel.is_stacked() {
        areas(shown, &mut chart, range)?;
    } else {
        lines(shown, &mut chart, range)?;
    }
    limits(shown, &mut chart, range)
}

fn lines(shown: &Shown, chart: &mut Chart<'_, '_>, range: Range) -> Result<()> {
    for (number, one) in shown.lines.iter().enumerate() {
        for piece in pieces(&one.points, range.step_seconds.into()) {
            let path = PathElement::new(over_minutes(piece), line(number).stroke_width(1));
            chart.draw_series([path]).map_err(drawing)?;
        }
    }
    Ok(())
}

/// The uppermost is drawn first, down to zero; the others hide what is not its own.
fn areas(shown: &Shown, chart: &mut Chart<'_, '_>, range: Range) -> Result<()> {
    for (number, mut corners) in stacked(&shown.lines, range.step_seconds.into()) {
        let right = corners.last().map_or(0.0, |it| it.0);
        corners.extend([(right, 0.0), (0.0, 0.0)]);
        let area = Polygon::new(over_minutes(corners), pale(line(number)));
        chart.draw_series([area]).map_err(drawing)?;
    }
    Ok(())
}

fn minutes(seconds: f64) -> f64 {
    seconds / 60.0
}

fn over_minutes(points: Vec<(f64, f64)>) -> Vec<(f64, f64)> {
    points
        .into_iter()
        .map(|(at, value)| (minutes(at), value))
        .collect()
}

/// Where an alert begins, if that is in sight.
fn limits(shown: &Shown, chart: &mut Chart<'_, '_>, range: Range) -> Result<()> {
    for (value, color) in shown.panel.thresholds() {
        if value < top(shown, range) {
            let ends = vec![(0.0, value), (minutes(range.seconds()), value)];
            let limit = PathElement::new(ends, named(color).stroke_width(1));
            chart.draw_series([limit]).map_err(drawing)?;
        }
    }
    Ok(())
}

/// Somewhat above the highest point.
fn top(shown: &Shown, range: Range) -> f64 {
    let highest = |points: &[(f64, f64)]| points.iter().map(|it| it.1).fold(0.0, f64::max);
    let highest = match shown.panel.is_stacked() {
        true => stacked(&shown.lines, range.step_seconds.into())
            .first()
            .map_or(0.0, |(_, upper)| highest(upper)),
        false => shown
            .lines
            .iter()
            .map(|it| highest(&it.points))
            .fold(0.0, f64::max),
    };
    if highest > 0.0 { highest * 1.15 } else { 1.0 }
}

/// As many names as there is room for.
fn legend(shown: &Shown, area: &Area<'_>, top: i32) -> Result<()> {
    let (width, _) = area.dim_in_pixel();
    let right = i32::try_from(width)? - 8;
    let (mut x, mut y) = (8, top);
    for (number, one) in shown.lines.iter().enumerate() {
        if one.name.is_empty() {
            continue;
        }
        let wide = 18 + LETTER * i32::try_from(one.name.len())?;
        if x > 8 && x + wide > right {
            (x, y) = (8, y + LEGEND_LINE);
        }
        if y >= top + LEGEND_LINES * LEGEND_LINE {
            return write(area, "…", (right - 4, y - LEGEND_LINE), font(10));
        }
        let mark = Rectangle::new([(x, y + 3), (x + 8, y + 9)], line(number).filled());
        area.draw(&mark).map_err(drawing)?;
        write(area, &one.name, (x + 12, y + 1), font(10))?;
        x += wide;
    }
    Ok(())
}
