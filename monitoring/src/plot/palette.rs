use plotters::prelude::*;

pub const TEXT: RGBColor = RGBColor(40, 40, 40);
pub const FAINT: RGBColor = RGBColor(120, 120, 120);
pub const BORDER: RGBColor = RGBColor(215, 215, 215);
pub const GRID: RGBColor = RGBColor(235, 235, 235);

const LINES: [RGBColor; 10] = [
    RGBColor(70, 110, 180),
    RGBColor(230, 150, 50),
    RGBColor(70, 150, 110),
    RGBColor(200, 70, 60),
    RGBColor(140, 90, 160),
    RGBColor(60, 170, 190),
    RGBColor(190, 160, 60),
    RGBColor(120, 120, 120),
    RGBColor(215, 120, 170),
    RGBColor(110, 80, 50),
];

/// Of the line with this number.
pub fn line(number: usize) -> RGBColor {
    LINES[number % LINES.len()]
}

/// A paler one, which hides what is below it.
pub fn pale(color: RGBColor) -> RGBColor {
    let pale = |part: u8| 255 - (255 - part) / 2;
    RGBColor(pale(color.0), pale(color.1), pale(color.2))
}

/// As Grafana calls them.
pub fn named(name: &str) -> RGBColor {
    match name {
        "red" => RGBColor(200, 50, 50),
        "orange" => RGBColor(225, 130, 30),
        "green" => RGBColor(60, 140, 80),
        _ => TEXT,
    }
}
