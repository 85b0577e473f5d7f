//! The texts of the pages: each is there in every language, and used.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{files, quoted, read};

fn keys(file: &str) -> BTreeSet<String> {
    let texts: Value = serde_json::from_str(&read("shared", file)).unwrap();
    let keys = texts.as_object().unwrap().keys();
    keys.cloned().collect()
}

/// Whether there is a text, or a form of it for each plural.
fn has_text(keys: &BTreeSet<String>, key: &str) -> bool {
    keys.contains(key) || keys.contains(&format!("{key}.other"))
}

#[test]
fn every_language_has_every_text() {
    let english = keys("texts-en.json");
    let languages: Vec<_> = files("shared")
        .into_iter()
        .filter(|it| it.starts_with("texts-"))
        .collect();
    assert!(languages.len() >= 2);
    for file in languages {
        assert_eq!(keys(&file), english, "{file}");
        let listed = format!("\"{}\"", &file["texts-".len()..file.len() - ".json".len()]);
        assert!(
            read("shared", "texts.js").contains(&listed),
            "texts.js does not list {listed}"
        );
    }
}

#[test]
fn every_state_has_its_texts() {
    let english = keys("texts-en.json");
    let has = |key: &str| has_text(&english, key);
    let script = read("sale", "sale_state.js");
    let named = quoted(&script, "name: \"");
    assert!(named.len() > 10, "{named:?}");
    for state in named {
        assert!(has(&format!("{state}.headline")), "{state}");
    }
    let headlines = english.iter().filter_map(|it| it.strip_suffix(".headline"));
    let states: Vec<_> = headlines.collect();
    assert!(states.len() > 25);
    for state in states {
        assert!(has(&format!("{state}.text")), "{state}");
        let is_status = has(&format!("status.{state}")) || state.starts_with("order_");
        assert!(
            is_status || script.contains(&format!("\"{state}\"")),
            "{state} is no state"
        );
    }
    for (folder, file, begin) in [
        ("sale", "view.js", "texts.get(\""),
        ("shared", "texts.js", "this.get(\""),
    ] {
        for key in quoted(&read(folder, file), begin) {
            assert!(has(key), "{file}: {key}");
        }
    }
}

#[test]
fn the_board_has_its_texts_and_no_others() {
    let english = keys("texts-en.json");
    let sources: Vec<_> = files("board").iter().map(|it| read("board", it)).collect();
    let named = sources.iter().flat_map(|it| quoted(it, "\"board."));
    let mut used: BTreeSet<_> = named.map(|key| format!("board.{key}")).collect();
    let html = read("board", "board.html");
    for act in quoted(&html, "data-act=\"") {
        used.insert(format!("board.act.{act}"));
    }
    // Of `#patch` in board_actions.js.
    for change in ["pause", "continue", "rate"] {
        let parts = ["ask", "text", "confirm", "done"];
        used.extend(parts.map(|part| format!("board.{change}.{part}")));
    }
    // Filled in by the server.
    used.insert("board.noScript".to_owned());
    for key in &used {
        assert!(has_text(&english, key), "{key}");
    }
    for key in english.iter().filter(|it| it.starts_with("board.")) {
        let form = key.strip_suffix(".one").or(key.strip_suffix(".other"));
        assert!(used.contains(form.unwrap_or(key)), "{key} is not used");
    }
}
