//! What documents say of the programs, held against the programs. `UPDATE_DOCUMENTS=1` writes it anew.

use std::collections::BTreeSet;
use std::fs;

use clap::{Arg, Command, CommandFactory};

const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/OPERATIONS.md");
const BEGIN: &str = "<!-- settings: begin -->\n";
const END: &str = "<!-- settings: end -->\n";
const TABLE_HEAD: &str = "| variable | read by | default | meaning |\n|---|---|---|---|\n";

#[test]
fn the_table_of_settings_is_what_the_programs_read() {
    let document = fs::read_to_string(DOCUMENT).unwrap();
    let (head, rest) = document.split_once(BEGIN).expect("the table begins");
    let (table, tail) = rest.split_once(END).expect("the table ends");
    let truth = settings();
    if std::env::var_os("UPDATE_DOCUMENTS").is_some() {
        fs::write(DOCUMENT, format!("{head}{BEGIN}{truth}{END}{tail}")).unwrap();
    } else {
        assert!(
            table == truth,
            "UPDATE_DOCUMENTS=1 writes this table:\n{truth}"
        );
    }
}

/// A document contains an example as it is, between a pair of comments with the path of its file.
#[test]
fn the_examples_in_the_checkout_guide_are_the_files() {
    const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let path = format!("{ROOT}/docs/CHECKOUT.md");
    for example in ["examples/shop/shop.py", "examples/shop/payments.py"] {
        let document = fs::read_to_string(&path).unwrap();
        let begin = format!("<!-- {example}: begin -->\n");
        let (head, rest) = document.split_once(&begin).expect("the example begins");
        let end = format!("<!-- {example}: end -->\n");
        let (shown, tail) = rest.split_once(&end).expect("the example ends");
        let file = fs::read_to_string(format!("{ROOT}/{example}")).unwrap();
        let truth = format!("```python\n{file}```\n");
        if std::env::var_os("UPDATE_DOCUMENTS").is_some() {
            fs::write(&path, format!("{head}{begin}{truth}{end}{tail}")).unwrap();
        } else {
            assert!(shown == truth, "UPDATE_DOCUMENTS=1 writes {example} anew");
        }
    }
}

#[test]
fn every_setting_is_required_or_shows_its_default() {
    for program in programs() {
        for arg in settings_of(&program) {
            let (variable, meaning) = identity(arg);
            let is_shown = !default(arg).is_empty() || meaning.contains("[default: ");
            assert!(is_shown, "{}: {variable}", program.get_name());
        }
    }
}

#[test]
fn every_setting_that_may_hold_a_secret_is_hidden() {
    let is_secret = |variable: &str| {
        let names = [
            "PASSWORD",
            "SECRET",
            "TOKEN",
            "DATABASE_URL",
            "REDIS_URL",
            "JWKS_URL",
            "ENDPOINT",
        ];
        names.iter().any(|name| variable.contains(name))
    };
    for program in programs() {
        for arg in settings_of(&program) {
            let (variable, _) = identity(arg);
            assert_eq!(
                arg.is_hide_env_values_set(),
                is_secret(&variable),
                "{variable}"
            );
        }
    }
}

/// In the order of the services' `--help`.
fn programs() -> [Command; 3] {
    [
        ingest_api::config::Cli::command(),
        inventory_worker::config::Cli::command(),
        reconciler::config::Cli::command(),
    ]
}

/// A table for each group.
fn settings() -> String {
    let programs = programs();
    let mut markdown = String::new();
    let mut shown = BTreeSet::new();
    for program in &programs {
        let mut last_group = None;
        for arg in settings_of(program) {
            if !shown.insert(identity(arg)) {
                continue;
            }
            let group = arg.get_help_heading().unwrap_or("More");
            if last_group.replace(group) != Some(group) {
                markdown += &format!("\n### {group}\n{TABLE_HEAD}");
            }
            let reads = |it: &&Command| settings_of(it).any(|own| identity(own) == identity(arg));
            let readers: Vec<_> = programs
                .iter()
                .filter(reads)
                .map(Command::get_name)
                .collect();
            let (variable, meaning) = identity(arg);
            let row = [variable, readers.join(", "), default(arg), meaning];
            markdown += &format!("| {} |\n", row.join(" | "));
        }
    }
    markdown + "\n"
}

/// Those with a variable.
fn settings_of(program: &Command) -> impl Iterator<Item = &Arg> {
    let all = program.get_arguments();
    all.filter(|arg| arg.get_env().is_some())
}

/// Variable and meaning. Two programs may read different settings from variables of one name.
fn identity(arg: &Arg) -> (String, String) {
    let variable = arg.get_env().expect("only settings with a variable");
    let mut meaning = arg.get_help().map(ToString::to_string).unwrap_or_default();
    let values = arg.get_possible_values().into_iter();
    let values: Vec<_> = values.map(|it| format!("`{}`", it.get_name())).collect();
    if !values.is_empty() {
        meaning += &format!(": {}", values.join(", "));
    }
    let meaning = meaning.replace('|', "\\|").replace('\n', " ");
    (format!("`{}`", variable.to_string_lossy()), meaning)
}

fn default(arg: &Arg) -> String {
    match arg.get_default_values().first() {
        Some(value) => format!("`{}`", value.to_string_lossy()),
        None if arg.is_required_set() => "required".to_owned(),
        None => String::new(),
    }
}
