//! No call to Redis does more work than its bound, whatever the size of a sale and its outbox.

use std::fs;
use std::path::Path;

use fred::clients::Client;
use fred::interfaces::{ClientLike, LuaInterface};
use fred::types::Value;
use fred::types::config::Config;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

fn texts(folder: &str, extension: &str) -> Vec<(String, String)> {
    let files = fs::read_dir(Path::new(ROOT).join(folder)).unwrap();
    let paths = files.map(|file| file.unwrap().path());
    let paths = paths.filter(|path| path.extension().is_some_and(|it| it == extension));
    let read = |path: std::path::PathBuf| {
        let text = fs::read_to_string(&path).unwrap();
        (path.display().to_string(), text)
    };
    paths.map(read).collect()
}

/// The commands that a script calls: `NAME` and the line.
fn commands(script: &str) -> impl Iterator<Item = (&str, &str)> {
    let code = script
        .lines()
        .filter(|line| !line.trim_start().starts_with("--"));
    code.flat_map(|line| {
        let calls = line.split("call('").skip(1);
        calls.filter_map(move |call| Some((call.split_once('\'')?.0, line)))
    })
}

#[test]
fn no_script_and_no_call_reads_a_whole_key() {
    let whole = ["HGETALL", "HKEYS", "HVALS", "SMEMBERS", "KEYS", "XREAD"];
    let mut seen = 0;
    for (path, script) in texts("lua", "lua") {
        for (command, line) in commands(&script) {
            seen += 1;
            assert!(!whole.contains(&command), "{path}: {line}");
            // One entry, by its id twice, or a limit.
            if ["XRANGE", "XREVRANGE"].contains(&command) {
                let arguments: Vec<&str> =
                    line.split(command).nth(1).unwrap().split(", ").collect();
                let bound = |text: &str| {
                    let end = |c: char| !(c.is_alphanumeric() || "_[]".contains(c));
                    text.split(end).next().unwrap().to_owned()
                };
                let is_one = bound(arguments[2]) == bound(arguments[3]);
                assert!(is_one || line.contains("'COUNT'"), "{path}: {line}");
            }
        }
    }
    assert!(seen > 30, "only {seen} calls were found");

    let calls = whole.map(|name| format!(".{}(", name.to_lowercase()));
    for (path, code) in texts("crates/gate/src", "rs") {
        for call in calls.iter().filter(|call| *call != ".keys(") {
            assert!(!code.contains(call), "{path}: {call}");
        }
    }
}

#[tokio::test]
async fn each_script_refuses_more_elements_than_its_bound() {
    // Arguments, and the shortest list beyond the bound.
    let too_many = [
        ("reserve", 4, 6 + 2 * 65),
        ("reserve_sales", 8, 14 + 2 * 65),
        ("ack_orders", 4, 6 + 513),
        ("ack_held_orders", 5, 3 + 513),
        ("ack_outbox", 4, 129),
        ("read_outbox", 4, 0),
        ("expire", 5, 4 + 101),
        ("restore", 4, 2 + 2 * 501),
        ("reopen_sale", 4, 1 + 2 * 33),
        ("snapshot", 4, 2 + 501),
        ("find_unheld", 5, 501),
    ];
    let url = std::env::var("REDIS_URL").expect("REDIS_URL is set: run `make test`");
    let redis = Client::new(Config::from_url(&url).unwrap(), None, None, None);
    redis.init().await.unwrap();
    for (script, keys, arguments) in too_many {
        let text = fs::read_to_string(format!("{ROOT}/lua/{script}.lua")).unwrap();
        let keys: Vec<String> = (0..keys).map(|n| format!("fg:{{none}}:{n}")).collect();
        let arguments = match arguments {
            0 => vec!["-", "1-1", "501"],
            count => vec!["0"; count],
        };
        let reply = redis.eval::<Value, _, _, _>(text, keys, arguments).await;
        let refused = reply.unwrap_err().to_string();
        let reason = format!("{script}.lua takes");
        assert!(refused.contains(&reason), "{script}: {refused}");
    }
}
