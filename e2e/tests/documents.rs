//! What documents say of the programs, held against the programs. `UPDATE_DOCUMENTS=1` writes it anew.

use std::collections::BTreeSet;
use std::fs;

use clap::{Arg, Command, CommandFactory};

const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/OPERATIONS.md");
const BEGIN: &str = "<!-- settings: begin -->\n";
const END: &str = "<!-- settings: end -->\n";

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

/// A table for each group, in the order of the services' `--help`.
fn settings() -> String {
    let programs = [
        ingest_api::config::Cli::command(),
        inventory_worker::config::Cli::command(),
        reconciler::config::Cli::command(),
    ];
    let mut markdown = String::new();
    let mut shown = BTreeSet::new();
    for program in &programs {
        for group in groups(program) {
            let new: Vec<&Arg> = of_group(program, &group)
                .filter(|arg| shown.insert((variable(arg), meaning(arg))))
                .collect();
            if new.is_empty() {
                continue;
            }
            markdown += &format!(
                "
### {group}
| variable | read by | default | meaning |
|---|---|---|---|
"
            );
            for arg in new {
                let readers: Vec<&str> = programs
                    .iter()
                    .filter(|program| reads(program, arg))
                    .map(Command::get_name)
                    .collect();
                let row = [
                    variable(arg),
                    readers.join(", "),
                    default(arg),
                    meaning(arg),
                ];
                markdown += &format!("| {} |\n", row.join(" | "));
            }
        }
    }
    markdown.push('\n');
    markdown
}

fn groups(program: &Command) -> Vec<String> {
    let mut groups = Vec::new();
    for arg in program
        .get_arguments()
        .filter(|arg| arg.get_env().is_some())
    {
        let group = arg.get_help_heading().unwrap_or("More").to_owned();
        if !groups.contains(&group) {
            groups.push(group);
        }
    }
    groups
}

fn of_group<'a>(program: &'a Command, group: &'a str) -> impl Iterator<Item = &'a Arg> {
    program
        .get_arguments()
        .filter(|arg| arg.get_env().is_some())
        .filter(move |arg| arg.get_help_heading().unwrap_or("More") == group)
}

fn reads(program: &Command, arg: &Arg) -> bool {
    let mut arguments = program.get_arguments();
    arguments.any(|own| {
        own.get_env().is_some() && own.get_env() == arg.get_env() && meaning(own) == meaning(arg)
    })
}

fn variable(arg: &Arg) -> String {
    let name = arg.get_env().expect("only settings with a variable");
    format!("`{}`", name.to_string_lossy())
}

fn default(arg: &Arg) -> String {
    let values = arg.get_default_values();
    let value = values
        .first()
        .map(|value| format!("`{}`", value.to_string_lossy()));
    value.unwrap_or_else(|| {
        if arg.is_required_set() {
            "required"
        } else {
            ""
        }
        .to_owned()
    })
}

fn meaning(arg: &Arg) -> String {
    let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
    let values = arg.get_possible_values().into_iter();
    let values: Vec<_> = values
        .map(|value| format!("`{}`", value.get_name()))
        .collect();
    let meaning = if values.is_empty() {
        help
    } else {
        format!("{help}: {}", values.join(", "))
    };
    meaning.replace('|', "\\|").replace('\n', " ")
}
