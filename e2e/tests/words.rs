//! Words that the project does not use, by docs/GLOSSARY.md: some nowhere, some not as names.

use std::collections::BTreeSet;
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
    let mut found = Vec::new();
    for path in tracked_files() {
        // Pictures are no text.
        let Ok(text) = std::fs::read_to_string(root().join(&path)) else {
            continue;
        };
        let lines = text.lines().enumerate();
        for (number, line) in lines {
            let words = words_nowhere(line).into_iter();
            found.extend(words.map(|it| format!("{path}:{}: {it:?}", number + 1)));
        }
    }
    assert!(found.is_empty(), "words:\n{}", found.join("\n"));
}

#[test]
fn no_name_is_one_of_the_words_that_are_too_ordinary_for_it() {
    let mut found = BTreeSet::new();
    for path in tracked_files() {
        let mut names = names_in_path(&path);
        if path.ends_with(".rs")
            && let Ok(text) = std::fs::read_to_string(root().join(&path))
        {
            names.extend(names_in_rust(&text));
        }
        let bad = names.into_iter().filter(|it| is_forbidden_name(it));
        let bad = bad.filter(|it| !OTHER_MEANINGS.contains(&(&*path, &**it)));
        found.extend(bad.map(|it| format!("{path}: {it}")));
    }
    let found = Vec::from_iter(found);
    assert!(found.is_empty(), "names:\n{}", found.join("\n"));
}

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

fn tracked_files() -> Vec<String> {
    let mut git = Command::new("git");
    git.args(["ls-files", "-z"]).current_dir(root());
    let output = git.stderr(Stdio::inherit()).output().expect("git runs");
    assert!(output.status.success(), "{}", output.status);
    let paths = String::from_utf8(output.stdout).expect("paths are text");
    let paths = paths.split('\0').filter(|it| !it.is_empty());
    let counts = |path: &&str| EXEMPT.iter().all(|it| !path.starts_with(it));
    paths.filter(counts).map(str::to_owned).collect()
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

fn words_nowhere(line: &str) -> Vec<&'static str> {
    let text = format!(" {} ", words(line).join(" "));
    let is_there = |it: &&str| text.contains(&format!(" {it} "));
    NOWHERE.split(", ").filter(is_there).collect()
}

fn is_forbidden_name(name: &str) -> bool {
    let has = |list: &str, word: &str| list.split(", ").any(|it| it == word);
    let words = words(name);
    has(NO_WHOLE_NAME, &words.join(" ")) || words.iter().any(|it| has(IN_NO_NAME, it))
}

/// Folders, and the file without its ending.
fn names_in_path(path: &str) -> Vec<String> {
    let stem = |part: &str| part.split('.').next().unwrap_or(part).to_owned();
    path.split('/').map(stem).collect()
}

/// Types and modules, fields of `metrics!`, metrics with a literal name, and settings.
fn names_in_rust(text: &str) -> Vec<String> {
    let mut names = Vec::new();
    for line in text.lines().map(str::trim) {
        let visibilities = ["pub ", "pub(crate) ", "pub(super) "];
        let item = visibilities.iter().find_map(|it| line.strip_prefix(it));
        let line = item.unwrap_or(line);
        let kinds = ["struct ", "enum ", "trait ", "mod ", "type "];
        if let Some(rest) = kinds.iter().find_map(|it| line.strip_prefix(it)) {
            names.push(identifier(rest));
        }
        for kind in ["IntCounter", "IntGauge", "Counter", "Gauge", "Histogram"] {
            let field = line.split_once(&format!(": {kind}"));
            names.extend(field.map(|(name, _)| identifier(name)));
        }
        for literal in ["env = \"", "name: \""] {
            names.extend(line.split_once(literal).map(|(_, rest)| identifier(rest)));
        }
    }
    names
}

fn identifier(text: &str) -> String {
    text.chars()
        .take_while(|it| it.is_alphanumeric() || *it == '_')
        .collect()
}

#[test]
fn words_are_found_in_prose_in_types_and_in_metrics() {
    for (line, word) in [
        ("The Doorman, who", "doorman"),
        ("struct DoormanMetrics;", "doorman"),
        ("ingest_api_sweeper_total", "sweeper"),
        ("the room rule holds", "room rule"),
        ("an instance that hangs a sign.", "hangs a sign"),
    ] {
        assert_eq!(words_nowhere(line), [word], "{line}");
    }
    for line in [
        "a design",
        "the signs of life",
        "sweet",
        "rooms rule",
        "IntCounterVec",
    ] {
        assert!(words_nowhere(line).is_empty(), "{line}");
    }
}

#[test]
fn ordinary_words_are_found_as_names_only() {
    let rust = r#"
        pub(crate) struct Door { sign: u8 }
        pub mod desk;
        type Number = u64;
        /// A step towards the door.
        let door = "sign";
        sign_limit_hits_total: IntCounterVec ["outcome"],
        #[arg(env = "SOLD_OUT_SIGN_MS")]
        name: "receipts_total",
        pub struct SequenceNumber(u64);
        mod design;
    "#;
    let names = names_in_rust(rust);
    let bad: Vec<_> = names.iter().filter(|it| is_forbidden_name(it)).collect();
    let expected = [
        "Door",
        "desk",
        "Number",
        "sign_limit_hits_total",
        "SOLD_OUT_SIGN_MS",
        "receipts_total",
    ];
    assert_eq!(bad, expected);

    for (path, count) in [
        ("scripts/copy", 1),
        ("src/lanes.rs", 1),
        ("src/step/mod.rs", 1),
        ("src/sequence_number.rs", 0),
    ] {
        let names = names_in_path(path).into_iter();
        let bad = names.filter(|it| is_forbidden_name(it)).count();
        assert_eq!(bad, count, "{path}");
    }
}
