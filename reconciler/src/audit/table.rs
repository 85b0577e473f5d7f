use super::{Findings, Outcome};

const COLUMNS: [&str; 11] = [
    "product",
    "state",
    "total",
    "remaining",
    "outbox",
    "sold",
    "cancelled",
    "rejected",
    "dead",
    "missing",
    "verdict",
];

/// A line per sale, and below it a line for each doubt and objection.
pub fn table(findings: &[Findings]) -> String {
    let cells: Vec<[String; 11]> = findings.iter().map(line).collect();
    let mut widths = COLUMNS.map(str::len);
    for line in &cells {
        for (width, cell) in widths.iter_mut().zip(line) {
            *width = (*width).max(cell.len());
        }
    }
    let mut text = row(&COLUMNS.map(str::to_owned), &widths);
    for (line, found) in cells.iter().zip(findings) {
        text += &row(line, &widths);
        for sentence in found.doubts.iter().chain(&found.objections) {
            text += &format!("  {sentence}\n");
        }
        if found.held > 0 || found.completed > 0 || found.expired > 0 {
            text += &format!(
                "  {} units are held, {} completed; {} orders have expired\n",
                found.held, found.completed, found.expired
            );
        }
        if found.paid_without_unit > 0 {
            text += &format!(
                "  {} orders were paid and have no units: refund them\n",
                found.paid_without_unit
            );
        }
        if found.lost_before > 0 {
            text += &format!(
                "  {} numbers were lost before the sale was rebuilt\n",
                found.lost_before
            );
        }
    }
    text
}

fn line(found: &Findings) -> [String; 11] {
    let outcome = match found.outcome() {
        Outcome::Right => "right",
        Outcome::Wrong => "WRONG",
        Outcome::Undecided => "undecided",
    };
    [
        found.product.to_string(),
        found.state.to_owned(),
        found.total.to_string(),
        found.remaining.to_string(),
        found.outbox.to_string(),
        found.sold.to_string(),
        found.cancelled.to_string(),
        found.rejected.to_string(),
        found.dead_letters.to_string(),
        found.missing.to_string(),
        outcome.to_owned(),
    ]
}

/// Texts to the left, numbers to the right.
fn row(cells: &[String; 11], widths: &[usize; 11]) -> String {
    let mut text = String::new();
    for (i, (cell, width)) in cells.iter().zip(widths).enumerate() {
        text += &match i {
            0 | 1 => format!("{cell:<width$}  "),
            10 => format!("{cell}\n"),
            _ => format!("{cell:>width$}  "),
        };
    }
    text
}
