//! Result tables, for a terminal and as Markdown.

use comfy_table::presets::{ASCII_MARKDOWN, NOTHING};
use comfy_table::{CellAlignment, Table, TableStyle};

/// A table for a terminal. Columns of numbers are aligned right.
pub fn table<'a, R: AsRef<[String]>>(header: impl AsRef<[&'a str]>, rows: &[R]) -> String {
    let printed = build(header.as_ref(), rows, NOTHING).to_string();
    let lines: Vec<_> = printed.lines().map(str::trim_end).collect();
    lines.join("\n")
}

/// The same table as Markdown.
pub fn markdown<'a, R: AsRef<[String]>>(header: impl AsRef<[&'a str]>, rows: &[R]) -> String {
    let header = header.as_ref();
    let escaped: Vec<_> = rows.iter().map(|row| escape(row.as_ref())).collect();
    let printed = build(header, &escaped, ASCII_MARKDOWN).to_string();
    let mut lines: Vec<_> = printed.lines().map(str::to_owned).collect();
    // Right-aligned columns are marked in the line under the header.
    let mut columns: Vec<_> = lines[1].split('|').map(str::to_owned).collect();
    for (index, column) in columns[1..=header.len()].iter_mut().enumerate() {
        if is_numeric(rows, index) {
            column.replace_range(column.len() - 1.., ":");
        }
    }
    lines[1] = columns.join("|");
    lines.join("\n")
}

/// `1234567` as `1,234,567`.
pub fn thousands(number: impl Into<i128>) -> String {
    let number: i128 = number.into();
    let digits = number.unsigned_abs().to_string();
    let mut text = String::from(if number < 0 { "-" } else { "" });
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn build<R: AsRef<[String]>>(header: &[&str], rows: &[R], style: TableStyle) -> Table {
    let mut table = Table::new();
    table.load_style(style).set_header(header);
    table.add_rows(rows.iter().map(AsRef::as_ref));
    for (index, column) in table.column_iter_mut().enumerate() {
        if is_numeric(rows, index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

fn escape(row: &[String]) -> Vec<String> {
    row.iter().map(|cell| cell.replace('|', "\\|")).collect()
}

fn is_numeric<R: AsRef<[String]>>(rows: &[R], column: usize) -> bool {
    let is_number = |cell: &str| {
        cell.chars()
            .all(|it| it.is_ascii_digit() || " .,+-%".contains(it))
    };
    rows.iter().all(|row| is_number(&row.as_ref()[column]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_aligned_right_also_in_markdown_where_bars_are_escaped() {
        let rows = [["a | b", "7"], ["c", "1,234.5"]].map(|row| row.map(str::to_owned));
        let plain = [" what     count", " a | b        7", " c      1,234.5"];
        assert_eq!(table(["what", "count"], &rows), plain.join("\n"));
        let lines = [
            "| what   |   count |",
            "|--------|--------:|",
            "| a \\| b |       7 |",
            "| c      | 1,234.5 |",
        ];
        assert_eq!(markdown(["what", "count"], &rows), lines.join("\n"));
    }

    #[test]
    fn thousands_are_separated() {
        let numbers = [0, 999, 1_000, -1_234_567].map(|number: i64| thousands(number));
        assert_eq!(numbers, ["0", "999", "1,000", "-1,234,567"]);
    }
}
