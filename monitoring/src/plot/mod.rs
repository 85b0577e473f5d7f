//! A dashboard as one picture: every panel where Grafana has it, drawn from Prometheus's answers.

mod chart;
mod number;
mod palette;
mod series;
mod units;

use anyhow::{Result, anyhow};
use plotters::coord::Shift;
use plotters::prelude::*;

pub use crate::answers::{Line, Shown};
use crate::dashboard::{Dashboard, Panel, Place};
use crate::prometheus::Range;
use palette::{FAINT, TEXT};

/// Pixels of one column and one row of the grid.
const CELL: (u32, u32) = (50, 27);
const COLUMNS: u32 = 24;
const HEAD_HEIGHT: u32 = 52;
/// Pixels between two panels.
const GAP: u32 = 4;

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// The picture, as SVG.
///
/// # Errors
/// When it cannot be drawn.
pub fn picture(dashboard: &Dashboard, shown: &[Shown], range: Range) -> Result<String> {
    let lowest = dashboard.panels.iter().map(|panel| panel.grid_pos);
    let rows = lowest.map(|place| place.y + place.h).max().unwrap_or(0);
    let size = (COLUMNS * CELL.0, rows * CELL.1 + HEAD_HEIGHT);
    let mut svg = String::new();
    {
        let whole = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        whole.fill(&WHITE).map_err(drawing)?;
        let (head, grid) = whole.split_vertically(HEAD_HEIGHT);
        write(&head, &dashboard.title, (8, 4), bold(20))?;
        write(&head, &origin(range), (8, 30), font(13).color(&FAINT))?;
        for panel in dashboard.panels.iter().filter(|it| it.kind == "row") {
            let at = place(panel.grid_pos, &grid);
            write(&at, &panel.title, (4, 6), bold(15))?;
        }
        for one in shown {
            let area = place(one.panel.grid_pos, &grid);
            draw(one, &area, range)?;
        }
        whole.present().map_err(drawing)?;
    }
    Ok(lighter(&svg))
}

/// Without what every element says again, and what is so anyway.
fn lighter(svg: &str) -> String {
    const FAMILY: &str = " font-family=\"sans-serif\"";
    let bare = svg.replace(FAMILY, "").replace(" opacity=\"1\"", "");
    bare.replacen("<svg", &format!("<svg{FAMILY}"), 1)
}

/// So that nobody takes it for what it is not.
fn origin(range: Range) -> String {
    format!(
        "Plotted from Prometheus's answers to the queries of this dashboard's panels, {:.1} minutes from {:.0}. This is \
         not a picture of Grafana.",
        range.seconds() / 60.0,
        range.from
    )
}

fn draw(shown: &Shown, area: &Area<'_>, range: Range) -> Result<()> {
    let frame = area.dim_in_pixel();
    let (right, bottom) = (i32::try_from(frame.0)? - 1, i32::try_from(frame.1)? - 1);
    let border = Rectangle::new([(0, 0), (right, bottom)], palette::BORDER);
    area.draw(&border).map_err(drawing)?;
    write(area, &title(&shown.panel), (6, 4), bold(12))?;
    if shown.is_empty() {
        return write(
            area,
            "no data",
            (right / 2 - 22, bottom / 2),
            font(12).color(&FAINT),
        );
    }
    match shown.panel.kind.as_str() {
        "stat" => number::draw(shown, area, range),
        _ => chart::draw(shown, area, range),
    }
}

fn title(panel: &Panel) -> String {
    match units::in_words(&panel.field_config.defaults.unit) {
        "" => panel.title.clone(),
        unit => format!("{}, {unit}", panel.title),
    }
}

fn place<'a>(place: Place, grid: &Area<'a>) -> Area<'a> {
    let Place { x, y, w, h } = place;
    let corner = (x * CELL.0 + GAP / 2, y * CELL.1 + GAP / 2);
    grid.clone()
        .shrink(corner, (w * CELL.0 - GAP, h * CELL.1 - GAP))
}

fn font(size: u32) -> TextStyle<'static> {
    ("sans-serif", size).into_font().color(&TEXT)
}

fn bold(size: u32) -> TextStyle<'static> {
    let font = ("sans-serif", size).into_font().style(FontStyle::Bold);
    font.color(&TEXT)
}

fn write(area: &Area<'_>, text: &str, at: (i32, i32), style: TextStyle<'_>) -> Result<()> {
    area.draw_text(text, &style, at).map_err(drawing)
}

/// The library's errors borrow from the picture.
fn drawing(error: impl std::fmt::Display) -> anyhow::Error {
    anyhow!("drawing: {error}")
}
