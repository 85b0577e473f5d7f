//! Words that the project does not use, by docs/GLOSSARY.md: some nowhere, some not as names.

use std::path::Path;
use std::process::{Command, Stdio};

/// Found nowhere in the project's texts, in any spelling: `Doorman`, `the doorman`, `doorman_metrics`.
const NOWHERE: &str = "clearer, clearers, closed door, doorman, doormen, hang a sign, hangs a sign, hung a sign, \
    lifeline, lifelines, nobody vouches, onlooker, room rule, stand below, stands below, sweeper, sweepers, sweeps, \
    swept, turnstile, turnstiles, vouches for, witness, witnessed, witnesses";

/// Not part of the name of a type, module, file, folder, script, metric or setting.
const IN_NO_NAME: &str = "authorities, buried, bury, crew, desk, door, doors, heard, lane, lanes, mended, receipt, \
    receipts, sign, signs, silent, sweep, verdict";

/// Not a whole name. As part of one they are used, as in `SequenceNumber`.
const NO_WHOLE_NAME: &str = "absence, ask, book, catalog, claims, closure, copies, copy, fate, market, moment, \
    number, origin, room, shelf, stage, step, story, truth, wall";

/// The past is written in the words of its time; and this file has the words themselves.
const EXEMPT: [&str; 4] = [
    "CHANGELOG.md",
    "Cargo.lock",
    "docs/decisions/",
    "e2e/tests/words.rs",
];

/// Names that mean something else than the mechanism that had them: path and name.
const OTHER_MEANINGS: [(&str, &str); 2] = [
    // PostgreSQL's COPY.
    ("bench/src/scenario/copy.rs", "copy"),
    ("bench/src/scenario/mod.rs", "copy"),
];

#[test]
fn words_of_the_private_vocabulary_are_gone() {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    let mut git = Command::new("git");
    git.args(["ls-files", "-z"]).current_dir(root);
    let output = git.stderr(Stdio::inherit()).output().expect("git runs");
    assert!(output.status.success(), "{}", output.status);
    let paths = String::from_utf8(output.stdout).expect("paths are text");
    let paths = paths.split('\0').filter(|it| !it.is_empty());
    let mut found = Vec::new();
    for path in paths.filter(|path| !EXEMPT.iter().any(|it| path.starts_with(it))) {
        // Pictures are no text.
        let text = std::fs::read_to_string(root.join(path)).unwrap_or_default();
        let words = words_in(path, &text).into_iter();
        found.extend(words.map(|word| format!("{path}: {word}")));
    }
    assert!(found.is_empty(), "words and names:\n{}", found.join("\n"));
}

/// Words that may not be in a file, and names that may not be: of the file, its folders, and what is in it.
fn words_in(path: &str, text: &str) -> Vec<String> {
    let lines = text.lines().map(|it| format!(" {} ", words(it).join(" ")));
    let mut found: Vec<_> = lines.flat_map(|line| listed(NOWHERE, &line)).collect();
    let parts = path.split('/');
    let stems = parts.map(|part| part.split('.').next().unwrap_or(part).to_owned());
    let mut names: Vec<_> = stems.collect();
    if path.ends_with(".rs") {
        names.extend(text.lines().flat_map(names_in_rust));
    }
    names.retain(|it| is_forbidden_name(it) && !OTHER_MEANINGS.contains(&(path, &**it)));
    found.extend(names);
    found
}

/// Those of a list that are in a line of words.
fn listed(list: &str, line: &str) -> Vec<String> {
    let listed = list.split(", ");
    let found = listed.filter(|it| line.contains(&format!(" {it} ")));
    found.map(str::to_owned).collect()
}

fn is_forbidden_name(name: &str) -> bool {
    let words = words(name).join(" ");
    NO_WHOLE_NAME.split(", ").any(|it| it == words)
        || !listed(IN_NO_NAME, &format!(" {words} ")).is_empty()
}

/// The words of a text in lower case. Names are taken apart: `SaleRefusals` and `sale_refusals` are two words.
fn words(text: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut last_was_lower = false;
    for letter in text.chars() {
        if !letter.is_alphanumeric() || (letter.is_uppercase() && last_was_lower) {
            words.push(String::new());
        }
        if letter.is_alphanumeric() {
            let last = words.last_mut().expect("there is one");
            last.extend(letter.to_lowercase());
        }
        last_was_lower = letter.is_lowercase();
    }
    words.retain(|it| !it.is_empty());
    words
}

/// Types and modules, fields of `metrics!`, metrics with a literal name, and settings.
fn names_in_rust(line: &str) -> Vec<String> {
    let line = line.trim();
    let visibilities = ["pub ", "pub(crate) ", "pub(super) "];
    let item = visibilities.iter().find_map(|it| line.strip_prefix(it));
    let line = item.unwrap_or(line);
    let items = ["struct ", "enum ", "trait ", "mod ", "type "];
    let items = items.iter().filter_map(|it| line.strip_prefix(it));
    let metrics = ["IntCounter", "IntGauge", "Counter", "Gauge", "Histogram"];
    let metrics = metrics
        .iter()
        .filter_map(|it| Some(line.split_once(&format!(": {it}"))?.0));
    let literals = ["env = \"", "name: \""];
    let literals = literals
        .iter()
        .filter_map(|it| Some(line.split_once(it)?.1));
    let begins = items.chain(metrics).chain(literals);
    let is_part = |it: &char| it.is_alphanumeric() || *it == '_';
    begins
        .map(|it| it.chars().take_while(is_part).collect())
        .collect()
}

#[test]
fn words_are_found_anywhere_and_ordinary_words_as_names_only() {
    for (path, text, expected) in [
        ("a.md", "The Doorman, who", "doorman"),
        ("a.rs", "struct DoormanMetrics;", "doorman"),
        ("a.md", "ingest_api_sweeper_total", "sweeper"),
        ("a.md", "the room rule holds", "room rule"),
        ("a.md", "that hangs a sign.", "hangs a sign"),
        ("a.md", "a design, signs of life, sweet, rooms rule", ""),
        ("a.rs", "pub(crate) struct Door { sign: u8 }", "Door"),
        ("a.rs", "pub mod desk;", "desk"),
        ("a.rs", "type Number = u64;", "Number"),
        ("a.rs", "/// A step towards the door.", ""),
        ("a.rs", "let door = \"sign\";", ""),
        ("a.rs", "sign_hits: IntCounterVec [\"a\"],", "sign_hits"),
        ("a.rs", "#[arg(env = \"A_SIGN_MS\")]", "A_SIGN_MS"),
        ("a.rs", "name: \"receipts_total\",", "receipts_total"),
        ("a.rs", "pub struct SequenceNumber(u64);", ""),
        ("a.rs", "mod design;", ""),
        ("scripts/copy", "", "copy"),
        ("src/lanes.rs", "", "lanes"),
        ("src/step/mod.rs", "", "step"),
        ("src/sequence_number.rs", "", ""),
        ("bench/src/scenario/copy.rs", "", ""),
    ] {
        assert_eq!(words_in(path, text).join(", "), expected, "{path}: {text}");
    }
}
