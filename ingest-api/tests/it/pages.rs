//! The pages for buyers and for the shop, as they are served. `scripts/test-pages` tests in a browser what they do.

mod encodings;
mod texts;

use std::collections::BTreeSet;

use reqwest::header::{HeaderMap, IF_NONE_MATCH};
use reqwest::{Method, Response, StatusCode};
use serde_json::Value;

use crate::fixture::App;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/pages");
/// The path of each page, and the folder of what only it loads.
const PAGES: [(&str, &str); 2] = [("/sales/lamp", "sale"), ("/board", "board")];
const ON: &str = "--pages=on";

async fn get(app: &App, path: &str) -> Response {
    app.request(Method::GET, path).send().await.unwrap()
}

async fn text(app: &App, path: &str) -> String {
    let answer = get(app, path).await;
    assert_eq!(answer.status(), 200, "{path}");
    answer.text().await.unwrap()
}

fn value<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).map_or("", |it| it.to_str().unwrap())
}

/// What stands between `begin` and the next `"` in a text, each time.
fn quoted<'a>(text: &'a str, begin: &str) -> Vec<&'a str> {
    let rests = text.split(begin).skip(1);
    rests.map(|rest| rest.split('"').next().unwrap()).collect()
}

/// The paths of the assets that the HTML names.
fn named_assets(html: &str) -> Vec<&str> {
    let named = [quoted(html, "href=\""), quoted(html, "src=\"")].concat();
    named.into_iter().filter(|it| !it.is_empty()).collect()
}

/// The files of a folder.
fn files(folder: &str) -> BTreeSet<String> {
    let files = std::fs::read_dir(format!("{FOLDER}/{folder}")).unwrap();
    let names = files.map(|it| it.unwrap().file_name().into_string().unwrap());
    names.collect()
}

/// The files that a page loads, with their folders.
fn files_of(page: &str) -> Vec<(&str, String)> {
    let of = |folder| files(folder).into_iter().map(move |file| (folder, file));
    of("shared").chain(of(page)).collect()
}

fn read(folder: &str, file: &str) -> String {
    std::fs::read_to_string(format!("{FOLDER}/{folder}/{file}")).unwrap()
}

#[tokio::test]
async fn there_are_no_pages_unless_they_are_on() {
    let app = App::start(&[]).await;
    for path in ["/sales/lamp", "/board", "/assets/x/main.js"] {
        let (status, problem) = app.get(path).await;
        assert_eq!(
            (status, &problem["code"]),
            (StatusCode::NOT_FOUND, &"not_found".into())
        );
    }
}

#[tokio::test]
async fn a_page_runs_nothing_but_its_own_files() {
    let app = App::start(&[ON]).await;
    for (path, _) in PAGES {
        expect_strict(get(&app, path).await).await;
    }
}

async fn expect_strict(page: Response) {
    assert_eq!(page.status(), 200);
    let headers = page.headers().clone();
    let policy = value(&headers, "content-security-policy");
    for part in [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "frame-ancestors 'none'",
    ] {
        assert!(policy.split("; ").any(|it| it == part), "{part}: {policy}");
    }
    assert!(
        !policy.contains("unsafe") && !policy.contains("http"),
        "{policy}"
    );
    assert_eq!(value(&headers, "x-content-type-options"), "nosniff");
    assert_eq!(value(&headers, "referrer-policy"), "same-origin");
    assert_eq!(value(&headers, "content-type"), "text/html; charset=utf-8");
    let html = page.text().await.unwrap();
    for inline in [
        "<style",
        " style=",
        "<script>",
        " onclick=",
        "javascript:",
        "//",
    ] {
        assert!(!html.contains(inline), "{inline}: {html}");
    }
}

#[tokio::test]
async fn everything_that_a_page_loads_is_there_and_kept_for_good() {
    let app = App::start(&[ON]).await;
    for (path, folder) in PAGES {
        let html = text(&app, path).await;
        let assets = named_assets(&html);
        assert!(assets.len() > 3, "{assets:?}");
        for path in assets.iter().filter(|it| it.starts_with("/assets/")) {
            expect_kept(&get(&app, path).await, path);
        }
        let version = assets[0].rsplit_once('/').unwrap().0;
        expect_all_loaded(&app, folder, version, &assets).await;
    }
}

fn expect_kept(asset: &Response, path: &str) {
    assert_eq!(asset.status(), 200, "{path}");
    let headers = asset.headers();
    assert!(value(headers, "cache-control").ends_with("immutable"));
    assert_eq!(value(headers, "x-content-type-options"), "nosniff");
    let expected = match path.rsplit_once('.').unwrap().1 {
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        other => panic!("{other}"),
    };
    assert_eq!(value(headers, "content-type"), expected, "{path}");
}

/// The HTML names all that the page loads. Its one script has all modules, everything else is served as it is.
async fn expect_all_loaded(app: &App, page: &str, version: &str, assets: &[&str]) {
    let scripts: Vec<_> = assets.iter().filter(|it| it.ends_with(".js")).collect();
    assert_eq!(scripts.len(), 1, "{assets:?}");
    let script = text(app, scripts[0]).await;
    let files = files_of(page);
    for (folder, file) in files.iter().filter(|(_, file)| !file.ends_with(".html")) {
        if let Some(module) = file.strip_suffix(".js") {
            let declared = format!("const module_{module} =");
            assert_eq!(script.matches(&declared).count(), 1, "{file}");
            continue;
        }
        let path = format!("{version}/{file}");
        assert_eq!(text(app, &path).await, read(folder, file), "{file}");
        let is_named = assets.contains(&path.as_str());
        assert!(
            is_named || file.ends_with(".json"),
            "{file} is not in the HTML"
        );
    }
    let html = format!("{version}/{page}.html");
    assert_eq!(get(app, &html).await.status(), 404);
}

#[tokio::test]
async fn a_browser_that_has_a_page_is_not_sent_it_again() {
    let app = App::start(&[ON]).await;
    let html = text(&app, "/sales/lamp").await;
    for path in ["/sales/lamp", "/board", named_assets(&html)[0]] {
        let first = get(&app, path).await;
        let tag = first.headers()["etag"].clone();
        let again = app.request(Method::GET, path).header(IF_NONE_MATCH, &tag);
        let again = again.send().await.unwrap();
        assert_eq!(again.status(), 304, "{path}");
        assert_eq!(again.headers()["etag"], tag);
        assert!(again.bytes().await.unwrap().is_empty());
        let other = app
            .request(Method::GET, path)
            .header(IF_NONE_MATCH, "\"x\"");
        assert_eq!(other.send().await.unwrap().status(), 200, "{path}");
    }
}

#[tokio::test]
async fn a_page_of_another_version_gets_this_instance_s_look_but_not_its_script_or_texts() {
    let app = App::start(&[ON]).await;
    let other = "/assets/0123456789abcdef";
    assert_eq!(
        text(&app, &format!("{other}/sale.css")).await,
        read("sale", "sale.css")
    );
    let script = get(&app, &format!("{other}/main.js")).await;
    assert_eq!(value(script.headers(), "cache-control"), "no-cache");
    let script = script.text().await.unwrap();
    assert!(
        script.contains("location.reload()") && script.len() < 100,
        "{script}"
    );
    let (status, problem) = app.get(&format!("{other}/texts-en.json")).await;
    assert_eq!(
        (status, &problem["code"]),
        (StatusCode::NOT_FOUND, &"not_found".into())
    );
}

#[tokio::test]
async fn a_page_knows_where_orders_are_paid_and_who_says_who_the_buyer_is() {
    let app = App::start(&[ON]).await;
    let html = text(&app, "/sales/lamp").await;
    let facts = |html: &str| -> Value {
        let meta = quoted(html, "name=\"fluxgate-settings\" content=\"")[0].replace("&quot;", "\"");
        serde_json::from_str(&meta.replace("&amp;", "&")).unwrap()
    };
    assert_eq!(
        facts(&html),
        serde_json::json!({"hasIdentity": false, "checkoutUrl": null})
    );
    let url = "https://shop.example/pay?x=1&order={orderId}";
    let app = App::start(&[
        ON,
        &format!("--pages-checkout-url={url}"),
        "--auth-hs256-secret=0123456789abcdef0123456789abcdef",
        "--auth-issuer=i",
        "--auth-audience=a",
        "--auth-cookie=token",
    ])
    .await;
    let html = text(&app, "/sales/lamp").await;
    assert_eq!(
        facts(&html),
        serde_json::json!({"hasIdentity": true, "checkoutUrl": url})
    );
}
