use std::collections::HashSet;

use monitoring::dashboard::{Dashboard, Datasource, Panel, Place};
use monitoring::{dashboards, descriptions};

const COLUMNS: u32 = 24;
/// Of Grafana's names for units, those that are used; `count:` stands before words of our own.
const UNITS: [&str; 8] = [
    "Bps",
    "count:",
    "cps",
    "decbytes",
    "percentunit",
    "reqps",
    "s",
    "short",
];

fn all() -> Vec<Dashboard> {
    let all = dashboards().unwrap().into_iter();
    all.map(|(_, dashboard)| dashboard).collect()
}

#[test]
fn dashboards_are_what_their_descriptions_make() {
    let mut made = Vec::new();
    for (name, description) in descriptions().unwrap() {
        let path = monitoring::folder().join(format!("grafana/dashboards/{name}.json"));
        let written = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            written == description.json(&name).unwrap(),
            "{name}.json is old: cargo run -p monitoring --bin dashboards"
        );
        made.push(name);
    }
    let there = dashboards().unwrap().into_iter().map(|(name, _)| name);
    assert_eq!(there.collect::<Vec<_>>(), made, "one has no description");
    assert_eq!(made, ["api", "overview", "sale", "stores", "worker"]);
}

#[test]
fn ids_and_titles_are_given_once() {
    let mut uids = HashSet::new();
    for dashboard in all() {
        assert!(uids.insert(dashboard.uid.clone()), "{}", dashboard.uid);
        let mut ids = HashSet::new();
        let mut titles = HashSet::new();
        for panel in &dashboard.panels {
            assert!(ids.insert(panel.id), "{}: {}", dashboard.title, panel.title);
        }
        for panel in dashboard.charts() {
            let title = (&panel.title, panel.kind.as_str());
            assert!(titles.insert(title), "{}: {title:?}", dashboard.title);
            let letters: HashSet<_> = panel.targets.iter().map(|it| &it.ref_id).collect();
            assert_eq!(letters.len(), panel.targets.len(), "{}", panel.title);
        }
    }
}

#[test]
fn every_panel_says_what_it_shows() {
    for panel in all().iter().flat_map(Dashboard::charts) {
        let title = &panel.title;
        assert!(!title.is_empty());
        assert!(
            panel.description.ends_with('.'),
            "{title}: {}",
            panel.description
        );
        let unit = &panel.field_config.defaults.unit;
        let known = |name: &&str| unit == name || name.ends_with(':') && unit.starts_with(*name);
        assert!(UNITS.iter().any(known), "{title}: {unit}");
        assert!(!panel.targets.is_empty(), "{title}");
        let is_number = panel.kind == "stat";
        assert!(
            is_number || panel.targets.iter().all(|it| !it.legend_format.is_empty()),
            "{title}"
        );
    }
}

#[test]
fn whoever_looks_chooses_the_prometheus() {
    let chosen = Datasource {
        kind: "prometheus".to_owned(),
        uid: "${datasource}".to_owned(),
    };
    for dashboard in all() {
        let mut variables = dashboard.templating.list.iter();
        assert!(
            variables.any(|it| (&*it.name, &*it.kind, &*it.query)
                == ("datasource", "datasource", "prometheus"))
        );
        assert!(
            dashboard
                .annotations
                .list
                .iter()
                .all(|it| it.datasource == chosen)
        );
        for panel in dashboard.charts() {
            assert_eq!(panel.datasource.as_ref(), Some(&chosen), "{}", panel.title);
            assert!(
                panel.targets.iter().all(|it| it.datasource == chosen),
                "{}",
                panel.title
            );
        }
    }
}

#[test]
fn panels_lie_on_the_grid_and_not_on_each_other() {
    for dashboard in all() {
        for (n, panel) in dashboard.panels.iter().enumerate() {
            let Place { x, w, h, .. } = panel.grid_pos;
            assert!(
                w > 0 && h > 0 && x + w <= COLUMNS,
                "{}: {}",
                dashboard.title,
                panel.title
            );
            let other = dashboard.panels[..n].iter().find(|it| overlap(it, panel));
            assert!(other.is_none(), "{}: {}", dashboard.title, panel.title);
        }
    }
}

fn overlap(a: &Panel, b: &Panel) -> bool {
    let meet = |a: u32, a_long: u32, b: u32, b_long: u32| a < b + b_long && b < a + a_long;
    let (a, b) = (a.grid_pos, b.grid_pos);
    meet(a.x, a.w, b.x, b.w) && meet(a.y, a.h, b.y, b.h)
}
