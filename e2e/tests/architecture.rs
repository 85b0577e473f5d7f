//! Which crate may depend on which. The rules are those of docs/ARCHITECTURE.md.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

/// From the bottom up. A crate depends on crates of lower layers only, so neither on a sibling nor in a circle.
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

/// The dependencies of each crate of the workspace, without those of its tests.
type Graph = BTreeMap<String, BTreeSet<String>>;

#[test]
fn every_crate_depends_on_lower_layers_only() {
    let graph = workspace();
    print(&graph);
    let found = violations(&graph);
    assert!(found.is_empty(), "{}", found.join("\n"));
}

fn workspace() -> Graph {
    let arguments = [
        "metadata",
        "--format-version",
        "1",
        "--no-deps",
        "--offline",
    ];
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let output = Command::new(env!("CARGO"))
        .args(arguments)
        .current_dir(root)
        .output();
    let output = output.expect("cargo runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo prints JSON");
    let list = |value: &Value| value.as_array().cloned().expect("a list");
    let name = |value: &Value| value["name"].as_str().expect("a name").to_owned();
    let dependencies = |package: &Value| {
        let all = list(&package["dependencies"]).into_iter();
        all.filter(|it| it["kind"] != "dev")
            .map(|it| name(&it))
            .collect()
    };
    let packages = list(&metadata["packages"]);
    packages
        .iter()
        .map(|it| (name(it), dependencies(it)))
        .collect()
}

fn print(graph: &Graph) {
    for layer in LAYERS.iter().copied().chain([TOOLS.as_slice()]) {
        for package in layer.iter().filter(|it| graph.contains_key(**it)) {
            let own = graph[*package].iter().filter(|it| graph.contains_key(*it));
            let own: Vec<_> = own.map(String::as_str).collect();
            println!("{package} -> {}", own.join(", "));
        }
    }
}

fn layer(package: &str) -> Option<usize> {
    let position = LAYERS.iter().position(|layer| layer.contains(&package));
    position.or(TOOLS.contains(&package).then_some(LAYERS.len()))
}

/// Every forbidden dependency, and every circle.
fn violations(graph: &Graph) -> Vec<String> {
    let mut found = Vec::new();
    for (package, dependencies) in graph {
        let Some(own) = layer(package) else {
            found.push(format!("{package} has no layer"));
            continue;
        };
        let is_tool = own == LAYERS.len();
        for dependency in dependencies {
            let forbidden = match layer(dependency) {
                Some(other) => other >= own,
                None => is_forbidden_library(package, dependency),
            };
            if forbidden && !is_tool {
                found.push(format!("{package} must not depend on {dependency}"));
            }
        }
    }
    found.extend(circle(graph));
    found
}

fn is_forbidden_library(package: &str, library: &str) -> bool {
    let owner = DRIVERS.iter().find(|(driver, _)| *driver == library);
    owner.is_some_and(|(_, owner)| *owner != package)
        || (package == "fluxgate-domain" && NOT_IN_DOMAIN.contains(&library))
}

/// Takes away what depends on nothing that is left; what stays is part of a circle or depends on one.
fn circle(graph: &Graph) -> Option<String> {
    let mut left: BTreeSet<&String> = graph.keys().collect();
    loop {
        let is_free = |it: &&&String| graph[**it].iter().all(|other| !left.contains(other));
        let free: Vec<&String> = left.iter().filter(is_free).copied().collect();
        if free.is_empty() {
            let names: Vec<&str> = left.into_iter().map(String::as_str).collect();
            return (!names.is_empty()).then(|| format!("a circle among {}", names.join(", ")));
        }
        left.retain(|it| !free.contains(it));
    }
}

/// A workspace as it should be, with one more dependency.
fn with(package: &str, dependency: &str) -> Graph {
    let mut graph = Graph::new();
    for (package, dependencies) in [
        ("fluxgate-domain", "serde"),
        ("fluxgate-service", "fluxgate-domain tokio clap actix-web"),
        ("fluxgate-gate", "fluxgate-domain fluxgate-service fred"),
        ("fluxgate-log", "fluxgate-domain fluxgate-service rdkafka"),
        (
            "fluxgate-ledger",
            "fluxgate-domain fluxgate-service tokio-postgres deadpool-postgres",
        ),
        (
            "ingest-api",
            "fluxgate-service fluxgate-gate fluxgate-log fluxgate-ledger",
        ),
        (
            "inventory-worker",
            "fluxgate-service fluxgate-log fluxgate-ledger",
        ),
        (
            "reconciler",
            "fluxgate-service fluxgate-gate fluxgate-log fluxgate-ledger",
        ),
        ("e2e", "fluxgate-domain fred rdkafka tokio-postgres"),
        ("bench", "e2e fluxgate-domain"),
    ] {
        let dependencies = dependencies.split(' ').map(str::to_owned);
        graph.insert(package.to_owned(), dependencies.collect());
    }
    graph
        .entry(package.to_owned())
        .or_default()
        .insert(dependency.to_owned());
    graph
}

#[test]
fn the_layers_as_they_should_be_have_no_violation() {
    assert_eq!(violations(&with("notifier", "fluxgate-log")), [""; 0]);
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
        let found = violations(&with(package, dependency));
        let expected = format!("{package} must not depend on {dependency}");
        assert!(found.contains(&expected), "{expected}: {found:?}");
    }
}

#[test]
fn a_circle_and_a_crate_without_a_layer_are_found() {
    let circle = violations(&with("e2e", "bench"));
    assert_eq!(circle, ["a circle among bench, e2e"]);
    assert_eq!(
        violations(&with("helpers", "serde")),
        ["helpers has no layer"]
    );
}
