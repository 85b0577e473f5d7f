//! Checks by `promtool`, which `make test` installs.

use std::fs;
use std::path::Path;
use std::process::Command;

use monitoring::{folder, paths, rules};

/// Whether it succeeded, and what it printed.
fn promtool(folder: &Path, arguments: &[&str]) -> (bool, String) {
    let mut command = Command::new("promtool");
    let output = command.current_dir(folder).args(arguments).output();
    let output = output.expect("promtool, of the Debian package prometheus");
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    (output.status.success(), text.into_owned())
}

#[test]
fn promtool_accepts_rules_configuration_and_tests() {
    let files = paths("alerts.test").unwrap();
    let mut tests = vec!["test", "rules"];
    tests.extend(files.iter().filter_map(|it| it.to_str()));
    // The rules that the configuration names are at another path in its container.
    let configuration = ["check", "config", "--syntax-only", "prometheus.yaml"];
    for arguments in [
        &["check", "rules", "alerts.yaml"],
        &configuration[..],
        &tests,
    ] {
        let (succeeded, text) = promtool(folder(), arguments);
        assert!(succeeded, "promtool {arguments:?}: {text}");
    }
}

/// `waits.yaml` expects that no alert fires before its `for` has elapsed. Against rules without any `for`, every alert
/// that has one must fire there: so it is the `for` that keeps it quiet.
#[test]
fn without_its_wait_every_alert_fires_too_soon() {
    let hasty = Path::new(env!("CARGO_TARGET_TMPDIR")).join("hasty");
    fs::create_dir_all(hasty.join("alerts.test")).unwrap();
    let patient = fs::read_to_string(folder().join("alerts.yaml")).unwrap();
    let lines = patient.lines().filter(|it| !it.trim().starts_with("for: "));
    let rules_without_for = lines.collect::<Vec<_>>().join("\n");
    fs::write(hasty.join("alerts.yaml"), rules_without_for).unwrap();
    let test = "alerts.test/waits.yaml";
    fs::copy(folder().join(test), hasty.join(test)).unwrap();

    let (_, text) = promtool(&hasty, &["test", "rules", test]);
    for alert in rules().unwrap().alerts {
        let name = format!("alertname=\"{}\"", alert.name);
        let severity = format!("severity=\"{}\"", alert.severity());
        let mut lines = text.lines();
        let fires = lines.any(|line| line.contains(&name) && line.contains(&severity));
        assert!(
            fires || alert.held_for.is_none(),
            "{name}, {severity}, is quiet in {test} without its wait: {text}"
        );
    }
}
