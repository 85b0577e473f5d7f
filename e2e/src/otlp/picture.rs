use std::fmt::Write;

use super::Span;

const ROW: u64 = 34;
const TOP: u64 = 46;
const LABELS: f64 = 330.0;
const BARS: f64 = 560.0;
const COLOURS: [(&str, &str); 2] = [("ingest-api", "#2563eb"), ("inventory-worker", "#c2410c")];

/// Draws spans as bars on one time line, in the order in which they began: an SVG.
pub fn draw(title: &str, spans: &[Span]) -> String {
    let mut spans: Vec<&Span> = spans.iter().collect();
    spans.sort_by_key(|span| (span.times.0, std::cmp::Reverse(span.times.1)));
    let begin = spans.iter().map(|span| span.times.0).min().unwrap_or(0);
    let end = spans.iter().map(|span| span.times.1).max().unwrap_or(1);
    let scale = BARS / (end - begin).max(1) as f64;

    let bottom = TOP + ROW * spans.len() as u64;
    let height = bottom + 24;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 980 {height}\" font-family=\"sans-serif\" \
         font-size=\"13\">\n<rect width=\"980\" height=\"{height}\" fill=\"white\"/>\n\
         <text x=\"14\" y=\"26\" font-size=\"15\" font-weight=\"bold\">{title}</text>\n"
    );
    for share in [0.0, 0.25, 0.5, 0.75, 1.0] {
        let (x, ms) = (LABELS + BARS * share, (end - begin) as f64 * share / 1e6);
        // Writing to a text cannot fail.
        let _ = writeln!(
            svg,
            "<line x1=\"{x}\" y1=\"{TOP}\" x2=\"{x}\" y2=\"{bottom}\" stroke=\"#ddd\"/>\n\
             <text x=\"{x}\" y=\"{}\" text-anchor=\"middle\" fill=\"#777\">{ms:.1} ms</text>",
            bottom + 14
        );
    }
    for (row, span) in spans.iter().enumerate() {
        let y = TOP + ROW * row as u64;
        let x = LABELS + (span.times.0 - begin) as f64 * scale;
        let width = ((span.times.1 - span.times.0) as f64 * scale).max(2.0);
        let colour = COLOURS.iter().find(|(service, _)| *service == span.service);
        let colour = colour.map_or("#555", |(_, colour)| colour);
        let ms = (span.times.1 - span.times.0) as f64 / 1e6;
        // Where the bar ends near the border, the duration stands before it.
        let (at, anchor) = if x + width > LABELS + BARS - 60.0 {
            (x - 5.0, "end")
        } else {
            (x + width + 5.0, "start")
        };
        let indent = 14 + 16 * depth(span, &spans);
        let _ = writeln!(
            svg,
            "<text x=\"{indent}\" y=\"{}\">{}<tspan dx=\"6\" fill=\"#777\">{}</tspan></text>\n\
             <rect x=\"{x:.1}\" y=\"{y}\" width=\"{width:.1}\" height=\"18\" rx=\"2\" fill=\"{colour}\"/>\n\
             <text x=\"{at:.1}\" y=\"{}\" text-anchor=\"{anchor}\" fill=\"#333\">{ms:.2} ms</text>",
            y + 14,
            span.name,
            span.service,
            y + 14,
        );
    }
    svg.push_str("</svg>\n");
    svg
}

/// How many of the others it is a part of.
fn depth(span: &Span, spans: &[&Span]) -> usize {
    let parent = spans.iter().find(|other| other.id == span.parent);
    parent.map_or(0, |parent| 1 + depth(parent, spans))
}
