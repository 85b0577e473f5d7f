use std::collections::HashMap;
use std::fs;

use monitoring::rules::Alert;
use monitoring::{folder, rules};

/// From the repository's folder, as links have it.
const DOCUMENT: &str = "docs/OPERATIONS.md";
const RUNBOOK: &str = "\n## Alerts and what to do\n";

#[test]
fn an_alert_says_how_bad_it_is_what_it_is_and_what_it_saw() {
    for alert in rules().unwrap().alerts() {
        let name = &alert.name;
        assert!(
            ["critical", "warning", "info"].contains(&alert.severity()),
            "{name}"
        );
        assert!(
            name.chars().all(char::is_alphanumeric),
            "{name}: the link has no hyphens"
        );
        let said: Vec<_> = alert.annotations.keys().map(String::as_str).collect();
        assert_eq!(said, ["description", "runbook_url", "summary"], "{name}");
        let is_absence = alert.expr.starts_with("absent(");
        let has_value = alert.annotations["description"].contains("$value")
            || alert.annotations["description"].contains("$labels");
        assert!(has_value || is_absence, "{name} does not say what it saw");
    }
}

#[test]
fn two_alerts_of_one_name_differ_in_severity_alone() {
    let rules = rules().unwrap();
    let mut seen = HashMap::<_, Vec<&Alert>>::new();
    for alert in rules.alerts() {
        seen.entry(&alert.name).or_default().push(alert);
    }
    for (name, alerts) in seen {
        let mut severities: Vec<_> = alerts.iter().map(|it| it.severity()).collect();
        severities.sort_unstable();
        severities.dedup();
        assert_eq!(severities.len(), alerts.len(), "{name}");
    }
}

#[test]
fn every_alert_has_its_section_in_the_runbook_and_every_section_its_alert() {
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
fn groups_have_names_of_their_own() {
    let rules = rules().unwrap();
    let mut groups: Vec<_> = rules.groups().collect();
    let all = groups.len();
    groups.sort_unstable();
    groups.dedup();
    assert_eq!(groups.len(), all);
}
