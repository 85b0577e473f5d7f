use std::collections::{BTreeSet, HashSet};
use std::fs;

use monitoring::rules::Rules;
use monitoring::{Query, alert_tests, folder, missing, rules};
use serde_json::Value;

/// Relative to the root of the repository, as in the links.
const DOCUMENT: &str = "docs/OPERATIONS.md";
const RUNBOOK: &str = "\n## Alerts and what to do\n";

#[test]
fn every_alert_has_a_severity_a_summary_and_a_description_with_the_observed_value() {
    let mut seen = HashSet::new();
    for alert in rules().unwrap().alerts {
        let (name, severity) = (&alert.name, alert.severity());
        assert!(
            ["critical", "warning", "info"].contains(&severity),
            "{name}"
        );
        assert!(
            seen.insert(format!("{name} {severity}")),
            "{name} is there twice"
        );
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
    let alerts = rules().unwrap().alerts;
    for alert in &alerts {
        let link = format!("{DOCUMENT}#{}", alert.name.to_lowercase());
        assert_eq!(alert.annotations["runbook_url"], link, "{}", alert.name);
    }
    // Two alerts may share a name.
    let names = BTreeSet::from_iter(alerts.iter().map(|it| it.name.as_str()));
    sections.sort_unstable();
    assert_eq!(sections, Vec::from_iter(names));
}

/// An alert is also quiet without any data. That would be no test of it.
#[test]
fn every_alert_fires_in_one_test_and_stays_quiet_in_another_that_has_data() {
    let (rules, groups) = (rules().unwrap(), alert_tests().unwrap());
    for alert in &rules.alerts {
        let name = format!("{} ({})", alert.name, alert.severity());
        let scraped = scraped(&alert.query(), &rules);
        let (mut fires, mut is_quiet) = (false, false);
        for group in &groups {
            let inputs = array(&group["input_series"]).iter();
            let inputs = inputs.filter_map(|it| it["series"].as_str()?.split('{').next());
            let inputs = BTreeSet::from_iter(inputs.map(str::to_owned));
            let tests = array(&group["alert_rule_test"]).iter();
            for test in tests.filter(|it| it["alertname"] == *alert.name) {
                let expected = array(&test["exp_alerts"]);
                let severities = expected.iter().map(|it| &it["exp_labels"]["severity"]);
                fires |= severities.into_iter().any(|it| it == alert.severity());
                is_quiet |= expected.is_empty() && inputs.is_superset(&scraped);
            }
        }
        assert!(fires, "{name} is silent");
        assert!(is_quiet, "{name}: no quiet test has all of {scraped:?}");
    }
}

fn array(value: &Value) -> &Vec<Value> {
    value.as_array().expect("a list")
}

/// The scraped metrics that a query reads, also through recording rules.
fn scraped(query: &Query, rules: &Rules) -> BTreeSet<String> {
    let uses = query.uses().unwrap().into_iter();
    let scraped = uses.flat_map(|used| {
        let mut recorded = rules.recorded.iter();
        match recorded.find(|it| it.place == used.metric) {
            Some(recorded) => scraped(recorded, rules),
            None => BTreeSet::from([used.metric]),
        }
    });
    scraped.collect()
}

#[test]
fn a_missing_metric_is_reported() {
    let missing = missing("").unwrap();
    for place in ["Overview, Accepted orders", "alert OrdersRejected", "fires"] {
        let reports = |it: &String| it.contains(place) && it.contains("there is no metric");
        assert!(missing.iter().any(reports), "{place}: {missing:#?}");
    }
}
