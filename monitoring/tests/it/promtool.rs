//! Prometheus's own checker, which `make test` installs.

use std::fs;
use std::path::Path;
use std::process::Command;

use monitoring::{folder, rules};

fn promtool(arguments: &[&str]) {
    let (is_content, told) = promtool_in(folder(), arguments);
    assert!(is_content, "promtool {arguments:?}: {told}");
}

/// Whether it was content, and what it said.
fn promtool_in(place: &Path, arguments: &[&str]) -> (bool, String) {
    let mut command = Command::new("promtool");
    let output = command.current_dir(place).args(arguments).output();
    let output = output.expect("promtool, of Debian's package prometheus");
    let told = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    (output.status.success(), told.into_owned())
}

#[test]
fn prometheus_takes_the_rules() {
    promtool(&["check", "rules", "alerts.yaml"]);
}

/// Without the rules, which lie elsewhere for whom this configuration is.
#[test]
fn prometheus_takes_its_configuration() {
    promtool(&["check", "config", "--syntax-only", "prometheus.yaml"]);
}

#[test]
fn every_alert_fires_and_stays_quiet_as_its_tests_say() {
    let files = folder().join("alerts.test").read_dir().unwrap();
    let files = files.map(|it| it.unwrap().path().display().to_string());
    let files: Vec<_> = files.collect();
    let mut arguments = vec!["test", "rules"];
    arguments.extend(files.iter().map(String::as_str));
    promtool(&arguments);
}

/// The test that nothing fires before its time, against the same rules without a single `for`: every
/// alert that has one fires there. So it is its wait that keeps it quiet.
#[test]
fn an_alert_that_waits_would_fire_too_soon_if_it_did_not() {
    let hasty = Path::new(env!("CARGO_TARGET_TMPDIR")).join("hasty");
    fs::create_dir_all(hasty.join("alerts.test")).unwrap();
    let patient = fs::read_to_string(folder().join("alerts.yaml")).unwrap();
    let lines = patient.lines().filter(|it| !it.trim().starts_with("for: "));
    let lines: Vec<_> = lines.collect();
    fs::write(hasty.join("alerts.yaml"), lines.join("\n")).unwrap();
    let test = "alerts.test/waits.yaml";
    fs::copy(folder().join(test), hasty.join(test)).unwrap();

    let (_, told) = promtool_in(&hasty, &["test", "rules", test]);
    for alert in rules().unwrap().alerts() {
        let name = format!("alertname=\"{}\"", alert.name);
        let severity = format!("severity=\"{}\"", alert.severity());
        let mut lines = told.lines();
        let fires = lines.any(|line| line.contains(&name) && line.contains(&severity));
        assert!(
            fires || alert.held_for.is_none(),
            "{name}, {severity}, is quiet in {test} without its wait too: {told}"
        );
    }
}
