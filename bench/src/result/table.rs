use std::fmt;

use serde::Serialize;

/// A table in Markdown whose columns are aligned, so that it can be read in a terminal too.
#[derive(Debug, Clone, Serialize)]
pub struct Table {
    pub title: String,
    /// Column names, separated by `|`.
    pub head: String,
    pub rows: Vec<Vec<String>>,
}

impl Table {
    pub fn new(title: &str, head: &str, rows: impl IntoIterator<Item = Vec<String>>) -> Self {
        Self {
            title: title.to_owned(),
            head: head.to_owned(),
            rows: rows.into_iter().collect(),
        }
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head: Vec<String> = self.head.split('|').map(str::to_owned).collect();
        let width = |column: usize| {
            let cells = self.rows.iter().chain([&head]);
            let lengths = cells.map(|row| row.get(column).map_or(0, |cell| cell.chars().count()));
            lengths.max().unwrap_or_default()
        };
        let widths: Vec<usize> = (0..head.len()).map(width).collect();
        let line = |row: &[String]| {
            let cells = row
                .iter()
                .zip(&widths)
                .map(|(cell, width)| format!("{cell:<width$}"));
            format!("| {} |", cells.collect::<Vec<_>>().join(" | "))
        };
        writeln!(f, "{}:\n", self.title)?;
        writeln!(f, "{}", line(&head))?;
        let rules = widths.iter().map(|width| "-".repeat(width + 2));
        writeln!(f, "|{}|", rules.collect::<Vec<_>>().join("|"))?;
        self.rows
            .iter()
            .try_for_each(|row| writeln!(f, "{}", line(row)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let table = Table::new("t", "a|long", [vec!["wide".into(), "1".into()]]);
        let expected = "t:\n\n| a    | long |\n|------|------|\n| wide | 1    |\n";
        assert_eq!(table.to_string(), expected);
    }
}
