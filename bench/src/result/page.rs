//! A page that needs nothing but itself.

use anyhow::Result;

use super::{Run, plots, rows};

const STYLE: &str = "
body { font: 15px/1.45 sans-serif; color: #222; background: #fff; max-width: 1000px; margin: 2em auto; padding: 0 1em }
table { border-collapse: collapse; margin: 1em 0; font-size: 12px }
td, th { border: 1px solid #ccc; padding: 2px 6px; text-align: right }
td:first-child, th:first-child { text-align: left }
svg { max-width: 100%; height: auto }
";

pub fn of(run: &Run) -> Result<String> {
    let rows = rows(&run.measurements);
    let pictures = [
        ("Throughput", plots::throughput(&rows)?),
        ("Latency: p50, p99 and longest", plots::latency(&rows)?),
        ("CPU per request, order, row or message", plots::cpu(&rows)?),
        ("End to end, over time", plots::over_time(&rows)?),
    ];
    Ok(html("Fluxgate bench", &pictures, &run.markdown()))
}

/// A page of titled pictures and, below them, text with tables.
pub fn html(title: &str, pictures: &[(&str, String)], markdown: &str) -> String {
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title>\
         <style>{STYLE}</style></head><body>\n<h1>{title}</h1>\n"
    );
    for (title, picture) in pictures {
        page += &format!("<h2>{title}</h2>\n{picture}\n");
    }
    page += "<h2>Figures</h2>\n";
    page += &tables(markdown);
    page + "</body></html>\n"
}

/// Our own Markdown: tables, and paragraphs of single lines.
fn tables(markdown: &str) -> String {
    let mut html = String::new();
    let mut in_table = false;
    for line in markdown.lines() {
        let is_row = line.starts_with('|');
        if in_table && !is_row {
            html += "</table>\n";
        }
        if !is_row {
            if !line.is_empty() {
                html += &format!("<p>{}</p>\n", escape(line));
            }
        } else if !line.starts_with("|---") {
            let cell = if in_table { "td" } else { "th" };
            html += if in_table { "<tr>" } else { "<table>\n<tr>" };
            for text in line.trim_matches('|').split('|') {
                html += &format!("<{cell}>{}</{cell}>", escape(text.trim()));
            }
            html += "</tr>\n";
        }
        in_table = is_row;
    }
    if in_table {
        html += "</table>\n";
    }
    html
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_one_table_and_text_is_escaped() {
        let html = tables("a < b\n\n| x | y |\n|---|---|\n| 1 | 2 |\n");
        assert_eq!(
            html,
            "<p>a &lt; b</p>\n<table>\n<tr><th>x</th><th>y</th></tr>\n<tr><td>1</td><td>2</td></tr>\n</table>\n"
        );
    }
}
