use std::collections::HashSet;
use std::fs;

use monitoring::dashboard::Form;
use monitoring::{dashboards, folder, paths};
use serde_json::Value;

const COLUMNS: u64 = 24;
/// The units of Grafana that are in use. `count:` is followed by a word of our own.
const UNITS: &str = "Bps count: cps decbytes percentunit reqps s short";

#[test]
fn the_json_is_generated_from_the_descriptions() {
    let mut generated = Vec::new();
    for (name, dashboard) in dashboards().unwrap() {
        let path = folder().join(format!("grafana/dashboards/{name}.json"));
        let written = fs::read_to_string(&path).unwrap_or_default();
        assert!(
            written == dashboard.json(&name).unwrap(),
            "{name}.json is out of date: cargo run --release -p monitoring --bin dashboards"
        );
        generated.push(path);
    }
    assert_eq!(paths("grafana/dashboards").unwrap(), generated);
}

#[test]
fn every_panel_has_a_title_of_its_own_a_description_a_unit_and_legends() {
    for (_, dashboard) in dashboards().unwrap() {
        let mut titles = HashSet::new();
        for panel in dashboard.panels() {
            let title = &panel.title;
            assert!(titles.insert(title), "{}: {title}", dashboard.title);
            assert!(panel.about.ends_with('.'), "{title}: {}", panel.about);
            let unit = &panel.unit;
            let known = |it: &str| unit == it || it.ends_with(':') && unit.starts_with(it);
            assert!(UNITS.split(' ').any(known), "{title}: {unit}");
            assert!(!panel.queries.is_empty(), "{title}");
            let has_legends = panel.queries.iter().all(|it| !it.legend.is_empty());
            assert!(panel.form == Form::Stat || has_legends, "{title}");
        }
    }
}

#[test]
fn panels_are_on_the_grid_and_do_not_overlap() {
    for (name, dashboard) in dashboards().unwrap() {
        let json: Value = serde_json::from_str(&dashboard.json(&name).unwrap()).unwrap();
        let mut taken = HashSet::new();
        for panel in json["panels"].as_array().unwrap() {
            let of = |side: &str| panel["gridPos"][side].as_u64().unwrap();
            let (x, y, w, h) = (of("x"), of("y"), of("w"), of("h"));
            assert!(w > 0 && h > 0 && x + w <= COLUMNS, "{}", panel["title"]);
            for cell in (x..x + w).flat_map(|x| (y..y + h).map(move |y| (x, y))) {
                assert!(taken.insert(cell), "{name}: {} overlaps", panel["title"]);
            }
        }
    }
}
