use anyhow::Result;
use plotters::prelude::*;

use super::frame::{AXIS_HEIGHT, FONT, MARGIN, drawing, picture};

const HEIGHT: u32 = 320;
const SCALE_WIDTH: u32 = 60;

/// Enough for what is shown together.
pub const COLORS: [RGBColor; 5] = [
    RGBColor(70, 150, 110),
    RGBColor(230, 150, 50),
    RGBColor(200, 70, 60),
    RGBColor(70, 110, 180),
    RGBColor(140, 90, 160),
];

/// One line, from left to right.
pub struct Line {
    /// Where its name is in the legend, and its color.
    pub kind: usize,
    pub points: Vec<(f64, f64)>,
}

/// Lines from zero on both axes.
pub fn lines(names: &[&str], lines: &[Line], x: &str, y: &str) -> Result<String> {
    let legend: Vec<_> = names.iter().copied().zip(COLORS).collect();
    let all = || lines.iter().flat_map(|line| &line.points);
    let last = all().map(|(x, _)| *x).fold(1.0, f64::max);
    let highest = all().map(|(_, y)| *y).fold(1.0, f64::max);
    picture(HEIGHT, &legend, |area| {
        let mut chart = ChartBuilder::on(area)
            .margin(MARGIN)
            .x_label_area_size(AXIS_HEIGHT)
            .y_label_area_size(SCALE_WIDTH)
            .build_cartesian_2d(0.0..last, 0.0..highest * 1.1)
            .map_err(drawing)?;
        chart
            .configure_mesh()
            .light_line_style(WHITE)
            .x_desc(x)
            .y_desc(y)
            .label_style(FONT)
            .draw()
            .map_err(drawing)?;
        for line in lines {
            let color = COLORS[line.kind % COLORS.len()];
            let line = PathElement::new(line.points.clone(), color.stroke_width(2));
            chart.draw_series([line]).map_err(drawing)?;
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_drawn_in_the_color_of_its_name() {
        let points = vec![(0.0, 1.0), (1.0, 2.0)];
        let line = Line { kind: 1, points };
        let svg = lines(&["one", "two"], &[line], "s", "MiB").unwrap();
        assert_eq!(svg.matches("stroke=\"#E69632\"").count(), 1, "{svg}");
        assert!(svg.contains("two"), "{svg}");
    }
}
