//! Prometheus's own checker, which `make test` installs.

use std::process::Command;

use monitoring::folder;

fn promtool(arguments: &[&str]) {
    let mut command = Command::new("promtool");
    let output = command.current_dir(folder()).args(arguments).output();
    let output = output.expect("promtool, of Debian's package prometheus");
    let told = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "promtool {arguments:?}: {told}");
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
