//! Which crate may depend on which. The rules are those of docs/ARCHITECTURE.md. Cargo itself rejects circles.

use std::process::{Command, Stdio};

use serde_json::Value;

/// From the bottom up. A crate depends on crates of lower layers only, so not on a sibling.
const LAYERS: [&[&str]; 4] = [
    &["fluxgate-domain"],
    &["fluxgate-service"],
    &["fluxgate-gate", "fluxgate-log", "fluxgate-ledger"],
    &["ingest-api", "inventory-worker", "reconciler", "notifier"],
];

/// Programs that try out, measure and check the others. They may use everything.
const TOOLS: [&str; 4] = ["e2e", "bench", "model", "monitoring"];

/// The driver of each store, and the one crate that uses it.
const DRIVERS: [(&str, &str); 4] = [
    ("fred", "fluxgate-gate"),
    ("rdkafka", "fluxgate-log"),
    ("tokio-postgres", "fluxgate-ledger"),
    ("deadpool-postgres", "fluxgate-ledger"),
];

/// What the pure crate does without, beside the drivers.
const NOT_IN_DOMAIN: [&str; 3] = ["tokio", "clap", "actix-web"];

/// Prints the graph; `cargo test … --test architecture -- --nocapture` shows it.
#[test]
fn every_crate_depends_on_lower_layers_only() {
    let cargo = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--no-deps", "--offline"])
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .stderr(Stdio::inherit())
        .output();
    let printed = cargo.expect("cargo runs").stdout;
    let workspace: Value = serde_json::from_slice(&printed).expect("cargo prints JSON");
    let list = |of: &Value| of.as_array().expect("a list").clone();
    let name = |of: &Value| of["name"].as_str().expect("a name").to_owned();
    let packages = list(&workspace["packages"]);
    let own: Vec<_> = packages.iter().map(name).collect();
    let mut found = Vec::new();
    for package in &packages {
        let mut dependencies = list(&package["dependencies"]);
        dependencies.retain(|it| it["kind"] != "dev");
        let mut names: Vec<_> = dependencies.iter().map(name).collect();
        found.extend(violations(&name(package), &names));
        names.retain(|it| own.contains(it));
        println!("{} -> {}", name(package), names.join(", "));
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// What is wrong with a crate of the workspace that depends on these crates and libraries.
fn violations(package: &str, dependencies: &[impl AsRef<str>]) -> Vec<String> {
    if TOOLS.contains(&package) {
        return Vec::new();
    }
    let Some(own) = layer(package) else {
        return vec![format!("{package} has no layer")];
    };
    let is_forbidden = |dependency: &&str| match layer(dependency) {
        Some(other) => other >= own,
        None => TOOLS.contains(dependency) || is_forbidden_library(package, dependency),
    };
    let forbidden = dependencies.iter().map(AsRef::as_ref).filter(is_forbidden);
    let sentences = forbidden.map(|it| format!("{package} must not depend on {it}"));
    sentences.collect()
}

fn layer(package: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&package))
}

fn is_forbidden_library(package: &str, library: &str) -> bool {
    let owner = DRIVERS.iter().find(|(driver, _)| *driver == library);
    owner.is_some_and(|(_, owner)| *owner != package)
        || (package == "fluxgate-domain" && NOT_IN_DOMAIN.contains(&library))
}

#[test]
fn every_forbidden_dependency_is_found() {
    for (package, dependency) in [
        ("fluxgate-domain", "fluxgate-service"),
        ("fluxgate-domain", "tokio"),
        ("fluxgate-domain", "clap"),
        ("fluxgate-domain", "actix-web"),
        ("fluxgate-domain", "fred"),
        ("fluxgate-service", "fluxgate-gate"),
        ("fluxgate-service", "rdkafka"),
        ("fluxgate-gate", "fluxgate-log"),
        ("fluxgate-log", "tokio-postgres"),
        ("fluxgate-ledger", "fred"),
        ("reconciler", "ingest-api"),
        ("ingest-api", "fred"),
        ("inventory-worker", "rdkafka"),
        ("reconciler", "deadpool-postgres"),
        ("inventory-worker", "e2e"),
    ] {
        let expected = format!("{package} must not depend on {dependency}");
        let found = violations(package, &["serde", dependency]);
        assert_eq!(found, [expected]);
    }
    let found = violations("helpers", &["serde"]);
    assert_eq!(found, ["helpers has no layer"]);
}
