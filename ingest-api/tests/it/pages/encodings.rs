//! The encodings in which pages and assets are sent.

use std::io::Read;

use reqwest::header::{ACCEPT_ENCODING, HeaderValue, IF_NONE_MATCH};
use reqwest::{Method, RequestBuilder, Response};

use super::{ON, named_assets, text, value};
use crate::fixture::App;

fn request(app: &App, method: Method, path: &str, accepted: &str) -> RequestBuilder {
    let accepted = HeaderValue::from_bytes(accepted.as_bytes()).unwrap();
    app.request(method, path).header(ACCEPT_ENCODING, accepted)
}

async fn get(app: &App, path: &str, accepted: &str) -> Response {
    request(app, Method::GET, path, accepted)
        .send()
        .await
        .unwrap()
}

/// The pages and, of each type, a file that they load.
async fn large_files(app: &App) -> Vec<String> {
    let html = text(app, "/sales/lamp").await;
    let assets = named_assets(&html);
    let ending = |end: &str| assets.iter().find(|it| it.ends_with(end)).unwrap();
    let script = ending(".js");
    let texts = script.replace("main.js", "texts-en.json");
    let pages = ["/sales/lamp", "/board", script, ending("theme.css")];
    pages
        .map(str::to_owned)
        .into_iter()
        .chain([texts])
        .collect()
}

fn decoded(encoding: &str, content: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    match encoding {
        "gzip" => flate2::read::GzDecoder::new(content).read_to_end(&mut plain),
        "br" => brotli::Decompressor::new(content, 4_096).read_to_end(&mut plain),
        other => panic!("{other}"),
    }
    .unwrap();
    plain
}

#[tokio::test]
async fn a_file_is_the_same_in_each_encoding() {
    let app = App::start(&[ON]).await;
    for path in large_files(&app).await {
        let plain = text(&app, &path).await;
        for (accepted, encoding) in [
            ("gzip", "gzip"),
            ("br", "br"),
            ("gzip, deflate, br, zstd", "br"),
            ("br;q=0.5, gzip", "gzip"),
            ("GZIP, *;q=0", "gzip"),
        ] {
            let answer = get(&app, &path, accepted).await;
            let headers = answer.headers().clone();
            assert_eq!(value(&headers, "content-encoding"), encoding, "{path}");
            assert_eq!(value(&headers, "vary"), "Accept-Encoding", "{path}");
            let content = answer.bytes().await.unwrap();
            assert!(2 * content.len() < plain.len(), "{path}: {encoding}");
            assert_eq!(value(&headers, "content-length"), content.len().to_string());
            assert!(decoded(encoding, &content) == plain.as_bytes(), "{path}");
        }
    }
}

#[tokio::test]
async fn a_client_that_accepts_no_encoding_gets_a_file_as_it_is() {
    let app = App::start(&[ON]).await;
    let plain = text(&app, "/board").await;
    for accepted in [
        "",
        "identity",
        "zstd",
        "br;q=0, gzip;q=0",
        "*",
        "gzip;q=x",
        "ä",
    ] {
        let answer = get(&app, "/board", accepted).await;
        assert_eq!(answer.status(), 200, "{accepted}");
        assert_eq!(
            value(answer.headers(), "content-encoding"),
            "",
            "{accepted}"
        );
        assert_eq!(value(answer.headers(), "vary"), "Accept-Encoding");
        assert_eq!(answer.text().await.unwrap(), plain, "{accepted}");
    }
}

#[tokio::test]
async fn a_small_file_is_sent_as_it_is() {
    let app = App::start(&[ON]).await;
    let html = text(&app, "/sales/lamp").await;
    let assets = named_assets(&html);
    let icon = assets.iter().find(|it| it.ends_with(".svg")).unwrap();
    let answer = get(&app, icon, "gzip, br").await;
    assert_eq!(value(answer.headers(), "content-encoding"), "");
    assert_eq!(value(answer.headers(), "vary"), "");
    assert_eq!(answer.text().await.unwrap(), text(&app, icon).await);
}

#[tokio::test]
async fn a_cache_that_has_one_encoding_is_sent_another_one() {
    let app = App::start(&[ON]).await;
    for path in large_files(&app).await {
        for (own, other) in [("br", "gzip"), ("gzip", "identity"), ("identity", "br")] {
            let tag = get(&app, &path, own).await.headers()["etag"].clone();
            let ask = async |accepted| {
                let request = request(&app, Method::GET, &path, accepted);
                let request = request.header(IF_NONE_MATCH, &tag);
                request.send().await.unwrap()
            };
            let same = ask(own).await;
            assert_eq!(same.status(), 304, "{path}: {own}");
            assert_eq!(same.headers()["etag"], tag);
            assert_eq!(value(same.headers(), "vary"), "Accept-Encoding");
            assert!(same.bytes().await.unwrap().is_empty());
            assert_eq!(ask(other).await.status(), 200, "{path}: {other}");
        }
    }
}

#[tokio::test]
async fn head_answers_what_get_does_without_the_file() {
    let app = App::start(&[ON]).await;
    for path in large_files(&app).await {
        for accepted in ["br", "gzip", "identity"] {
            let full = get(&app, &path, accepted).await;
            let head = request(&app, Method::HEAD, &path, accepted);
            let head = head.send().await.unwrap();
            assert_eq!(head.status(), 200, "{path}");
            for name in ["etag", "vary", "content-encoding", "content-length"] {
                let of = |answer: &Response| value(answer.headers(), name).to_owned();
                assert_eq!(of(&head), of(&full), "{path}: {name}");
            }
            assert!(head.bytes().await.unwrap().is_empty());
        }
    }
}
