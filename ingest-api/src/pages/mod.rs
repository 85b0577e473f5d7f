//! The pages that the service shows to buyers, and what they load: embedded, so that an instance needs no file and no other host.
//!
//! Everything that a page loads is below `/assets/{version}/`. The version is a hash over all of it, so browsers and caches keep it
//! for good.

use actix_web::web::Bytes;
use serde::Serialize;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const JAVASCRIPT: &str = "text/javascript; charset=utf-8";
const JSON: &str = "application/json";
const SVG: &str = "image/svg+xml";

const SALE_PAGE: &str = include_str!("sale/sale.html");
/// Fills the texts of a page before its script runs.
const TEXTS: &str = include_str!("sale/texts-en.json");

/// Name, content type and content of what pages load.
const ASSETS: [(&str, &str, &str); 20] = [
    ("api.js", JAVASCRIPT, include_str!("sale/api.js")),
    (
        "browser_store.js",
        JAVASCRIPT,
        include_str!("sale/browser_store.js"),
    ),
    ("feed.js", JAVASCRIPT, include_str!("sale/feed.js")),
    ("hex.js", JAVASCRIPT, include_str!("sale/hex.js")),
    ("icon.svg", SVG, include_str!("sale/icon.svg")),
    ("leader.js", JAVASCRIPT, include_str!("sale/leader.js")),
    ("main.js", JAVASCRIPT, include_str!("sale/main.js")),
    (
        "order_feed.js",
        JAVASCRIPT,
        include_str!("sale/order_feed.js"),
    ),
    (
        "proof_of_work.js",
        JAVASCRIPT,
        include_str!("sale/proof_of_work.js"),
    ),
    (
        "queue_place.js",
        JAVASCRIPT,
        include_str!("sale/queue_place.js"),
    ),
    ("sale.css", CSS, include_str!("sale/sale.css")),
    (
        "sale_feed.js",
        JAVASCRIPT,
        include_str!("sale/sale_feed.js"),
    ),
    (
        "sale_state.js",
        JAVASCRIPT,
        include_str!("sale/sale_state.js"),
    ),
    (
        "server_clock.js",
        JAVASCRIPT,
        include_str!("sale/server_clock.js"),
    ),
    ("texts-de.json", JSON, include_str!("sale/texts-de.json")),
    ("texts-en.json", JSON, TEXTS),
    ("texts.js", JAVASCRIPT, include_str!("sale/texts.js")),
    ("theme.css", CSS, include_str!("sale/theme.css")),
    ("view.js", JAVASCRIPT, include_str!("sale/view.js")),
    ("wakeable.js", JAVASCRIPT, include_str!("sale/wakeable.js")),
];

/// What a page is told by the instance that serves it.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PageFacts {
    /// Whether a token says who the buyer is.
    pub has_identity: bool,
    /// Where an order is paid, with `{orderId}` in it.
    pub checkout_url: Option<String>,
}

/// A file as it is sent.
#[derive(Debug, Clone)]
#[allow(missing_docs)]
pub struct PageFile {
    pub content_type: &'static str,
    pub content: Bytes,
    /// The first 128 bits of the content's SHA-256 in hex.
    pub hash: String,
}

/// The pages of an instance and their assets.
#[derive(Debug)]
pub struct Pages {
    version: String,
    sale: PageFile,
    assets: Vec<(&'static str, PageFile)>,
}

impl Pages {
    /// Renders the pages.
    pub fn new(facts: &PageFacts) -> Self {
        let files = ASSETS.iter();
        let files = files.map(|&(name, kind, text)| (name, PageFile::new(kind, text.into())));
        let assets: Vec<_> = files.collect();
        let version = version(&assets);
        Self {
            sale: PageFile::new(HTML, sale_page(&version, facts).into()),
            version,
            assets,
        }
    }

    /// The page of a sale, the same for all sales.
    pub fn sale(&self) -> &PageFile {
        &self.sale
    }

    /// An asset.
    pub fn asset(&self, name: &str) -> Option<&PageFile> {
        let found = self.assets.iter().find(|(own, _)| *own == name);
        found.map(|(_, file)| file)
    }

    /// Whether a path names the assets of this instance, and not those of another version.
    pub fn is_current(&self, version: &str) -> bool {
        self.version == version
    }
}

impl PageFile {
    fn new(content_type: &'static str, content: Bytes) -> Self {
        Self {
            hash: hex::encode(&Sha256::digest(&content)[..16]),
            content_type,
            content,
        }
    }
}

fn version(assets: &[(&str, PageFile)]) -> String {
    let hashes = assets
        .iter()
        .map(|(name, file)| (name.as_bytes(), file.hash.as_bytes()));
    let hashed = hashes.fold(Sha256::new(), |hash, (name, content)| {
        hash.chain_update(name).chain_update(content)
    });
    hex::encode(&hashed.finalize()[..8])
}

fn sale_page(version: &str, facts: &PageFacts) -> String {
    let texts: Map<String, Value> = serde_json::from_str(TEXTS).expect("a file of this folder");
    let text = |key: &str| escaped(texts[key].as_str().expect("a text"));
    let facts = serde_json::to_string(facts).expect("strings serialize to JSON");
    SALE_PAGE
        .replace("{assets}", &format!("/assets/{version}"))
        .replace("{title}", &text("title"))
        .replace("{noScript}", &text("noScript"))
        .replace("{settings}", &escaped(&facts))
}

/// A text for HTML, also inside a quoted attribute.
fn escaped(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    text.replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pages(checkout_url: Option<&str>) -> Pages {
        Pages::new(&PageFacts {
            has_identity: true,
            checkout_url: checkout_url.map(str::to_owned),
        })
    }

    fn html(pages: &Pages) -> String {
        String::from_utf8(pages.sale().content.to_vec()).expect("HTML is text")
    }

    #[test]
    fn a_page_has_nothing_left_to_fill_in_but_the_order_in_the_checkout_url() {
        let html = html(&pages(Some("https://shop.example/pay?a=1&order={orderId}")));
        assert!(
            html.contains("https://shop.example/pay?a=1&amp;order={orderId}&quot;"),
            "{html}"
        );
        assert_eq!(html.matches('{').count(), 2, "{html}");
    }

    #[test]
    fn settings_cannot_leave_their_attribute() {
        let html = html(&pages(Some(r#"https://shop.example/{orderId}"><script>"#)));
        assert!(!html.contains("<script>"), "{html}");
    }
}
