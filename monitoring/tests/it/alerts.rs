use std::collections::HashSet;
use std::fs;

use monitoring::{KnownMetrics, folder, missing, rules};

/// Relative to the root of the repository, as in the links.
const DOCUMENT: &str = "docs/OPERATIONS.md";
const RUNBOOK: &str = "\n## Alerts and what to do\n";

#[test]
fn every_alert_has_a_severity_a_summary_and_a_description_with_the_observed_value() {
    let mut seen = HashSet::new();
    let rules = rules().unwrap();
    for alert in rules.alerts() {
        let (name, severity) = (&alert.name, alert.severity());
        assert!(
            ["critical", "warning", "info"].contains(&severity),
            "{name}"
        );
        assert!(seen.insert((name, severity)), "{name} is there twice");
        assert!(name.chars().all(char::is_alphanumeric), "{name}");
        let annotations: Vec<_> = alert.annotations.keys().map(String::as_str).collect();
        assert_eq!(annotations, ["description", "runbook_url", "summary"]);
        let description = &alert.annotations["description"];
        let has_value = description.contains("$value") || description.contains("$labels");
        assert!(
            has_value || alert.expr.starts_with("absent("),
            "{name}: {description}"
        );
        for text in [description, &alert.annotations["summary"]] {
            assert!(text.ends_with('.'), "{name}: {text}");
        }
    }
}

#[test]
fn the_runbook_has_one_section_per_alert() {
    let document = fs::read_to_string(folder().join("..").join(DOCUMENT)).unwrap();
    let (_, runbook) = document.split_once(RUNBOOK).unwrap();
    let lines = runbook.lines().take_while(|it| !it.starts_with("## "));
    let mut sections: Vec<_> = lines.filter_map(|it| it.strip_prefix("#### ")).collect();
    let rules = rules().unwrap();
    let mut names: Vec<_> = rules.alerts().map(|it| it.name.as_str()).collect();
    for alert in rules.alerts() {
        let link = format!("{DOCUMENT}#{}", alert.name.to_lowercase());
        assert_eq!(alert.annotations["runbook_url"], link, "{}", alert.name);
    }
    names.sort_unstable();
    names.dedup();
    sections.sort_unstable();
    assert_eq!(sections, names);
}

#[test]
fn a_missing_metric_is_reported() {
    let missing = missing(&KnownMetrics::default()).unwrap();
    for place in ["Overview, Accepted orders", "alert OrdersRejected", "fires"] {
        let reports = |it: &String| it.contains(place) && it.contains("there is no metric");
        assert!(missing.iter().any(reports), "{place}: {missing:#?}");
    }
}
