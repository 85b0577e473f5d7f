//! Whether `alerts.test/` tests the alerts.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use monitoring::rules::{Alert, Rules};
use monitoring::{Query, folder, rules};
use serde::Deserialize;

#[derive(Deserialize)]
struct File {
    tests: Vec<Group>,
}

#[derive(Deserialize)]
struct Group {
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

impl Group {
    fn fires(&self, alert: &Alert) -> bool {
        let expects = |it: &Expected| it.exp_labels["severity"] == alert.severity();
        let mut tests = self.tests_of(alert);
        tests.any(|test| test.exp_alerts.iter().any(expects))
    }

    fn is_quiet(&self, alert: &Alert) -> bool {
        self.tests_of(alert).any(|test| test.exp_alerts.is_empty())
    }

    fn tests_of(&self, alert: &Alert) -> impl Iterator<Item = &Test> {
        let name = alert.name.clone();
        let tests = self.alert_rule_test.iter();
        tests.filter(move |test| test.alertname == name)
    }

    fn metrics(&self) -> BTreeSet<String> {
        let names = self.input_series.iter();
        let names = names.filter_map(|it| it.series.split('{').next());
        names.map(str::to_owned).collect()
    }
}

fn groups() -> Vec<Group> {
    let files = folder().join("alerts.test").read_dir().unwrap();
    let files = files.map(|it| fs::read_to_string(it.unwrap().path()).unwrap());
    files
        .flat_map(|it| serde_saphyr::from_str::<File>(&it).unwrap().tests)
        .collect()
}

/// The scraped metrics that a query reads, also through recording rules.
fn scraped(query: &Query, rules: &Rules) -> BTreeSet<String> {
    let uses = query.uses().unwrap().into_iter();
    uses.flat_map(
        |used| match rules.recorded().find(|it| it.place == used.metric) {
            Some(recorded) => scraped(&recorded, rules),
            None => BTreeSet::from([used.metric]),
        },
    )
    .collect()
}

/// An alert is also quiet without any data. That would be no test of it.
#[test]
fn every_alert_fires_in_one_test_and_stays_quiet_in_another_that_has_data() {
    let (rules, groups) = (rules().unwrap(), groups());
    for alert in rules.alerts() {
        let name = format!("{} ({})", alert.name, alert.severity());
        assert!(groups.iter().any(|it| it.fires(alert)), "{name} is silent");
        let scraped = scraped(&alert.query(), &rules);
        let mut quiet = groups.iter().filter(|it| it.is_quiet(alert));
        assert!(
            quiet.any(|it| it.metrics().is_superset(&scraped)),
            "{name}: no quiet test has all of {scraped:?}"
        );
    }
}
