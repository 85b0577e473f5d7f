//! Whether the tests of the alerts test them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use monitoring::rules::{Alert, Rules};
use monitoring::{Query, exporters, folder, rules};
use serde::Deserialize;

use crate::metrics;

#[derive(Deserialize)]
struct File {
    tests: Vec<Group>,
}

#[derive(Deserialize)]
struct Group {
    name: String,
    input_series: Vec<Input>,
    alert_rule_test: Vec<Test>,
}

#[derive(Deserialize)]
struct Input {
    series: String,
}

#[derive(Deserialize)]
struct Test {
    alertname: String,
    exp_alerts: Vec<Expected>,
}

#[derive(Deserialize)]
struct Expected {
    exp_labels: BTreeMap<String, String>,
}

impl Test {
    fn fires(&self, alert: &Alert) -> bool {
        let severities = self.exp_alerts.iter().map(|it| &it.exp_labels["severity"]);
        self.alertname == alert.name && severities.into_iter().any(|it| it == alert.severity())
    }

    fn is_quiet(&self, alert: &Alert) -> bool {
        self.alertname == alert.name && self.exp_alerts.is_empty()
    }
}

fn groups() -> Vec<Group> {
    let files = folder().join("alerts.test").read_dir().unwrap();
    let files = files.map(|it| fs::read_to_string(it.unwrap().path()).unwrap());
    files
        .flat_map(|it| serde_saphyr::from_str::<File>(&it).unwrap().tests)
        .collect()
}

/// The metrics that are scraped for it, whatever is recorded in between.
fn asked(query: &Query, rules: &Rules) -> BTreeSet<String> {
    let uses = query.uses().unwrap().into_iter();
    uses.flat_map(
        |used| match rules.recorded().find(|(name, _)| *name == used.metric) {
            Some((_, recorded)) => asked(&recorded, rules),
            None => BTreeSet::from([used.metric]),
        },
    )
    .collect()
}

#[test]
fn every_alert_fires_in_one_test_and_stays_quiet_in_another() {
    let (rules, groups) = (rules().unwrap(), groups());
    for alert in rules.alerts() {
        let name = format!("{} ({})", alert.name, alert.severity());
        let tested = |is: &dyn Fn(&Test) -> bool| {
            let found = groups
                .iter()
                .filter(|group| group.alert_rule_test.iter().any(is));
            found.map(|group| group.name.as_str()).collect::<Vec<_>>()
        };
        assert!(
            !tested(&|it| it.fires(alert)).is_empty(),
            "{name} never fires"
        );
        assert!(
            !tested(&|it| it.is_quiet(alert)).is_empty(),
            "{name} is never quiet"
        );
    }
}

/// An alert is also quiet when nothing is there that it asks for: that would be no test of it.
#[test]
fn where_an_alert_stays_quiet_there_is_something_to_be_seen() {
    let (rules, groups) = (rules().unwrap(), groups());
    for alert in rules.alerts() {
        let asked = asked(&alert.query(), &rules);
        let given = |group: &Group| {
            let names = group
                .input_series
                .iter()
                .map(|it| it.series.split('{').next());
            names
                .map(|it| it.unwrap().to_owned())
                .collect::<BTreeSet<_>>()
        };
        let quiet = groups
            .iter()
            .filter(|it| it.alert_rule_test.iter().any(|it| it.is_quiet(alert)));
        assert!(
            quiet.clone().any(|group| given(group).is_superset(&asked)),
            "{}: no quiet test has all of {asked:?}",
            alert.name
        );
    }
}

/// What a test is given that no service and no exporter has proves nothing about what they do have.
#[test]
fn alerts_are_tested_with_series_that_there_are() {
    let mut known = metrics::services();
    known.extend(exporters().unwrap());
    for Group {
        name, input_series, ..
    } in groups()
    {
        for input in input_series {
            let query = Query::new(&*name, &input.series);
            for used in query.uses().unwrap() {
                assert_eq!(known.complaint(&used), None, "{name}");
            }
        }
    }
}
