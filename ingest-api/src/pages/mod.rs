//! The pages that the service shows to buyers and to the shop, and what they load: embedded, so that an instance needs no file and
//! no other host.
//!
//! Everything that a page loads is below `/assets/{version}/`. The version is a hash over all of it, so browsers and caches keep it
//! for good.

mod assets;
mod page_file;
mod script;

use serde::Serialize;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use assets::{ASSETS, JAVASCRIPT, JSON};
pub use page_file::{EncodedContent, PageFile};

const HTML: &str = "text/html; charset=utf-8";

const SALE_PAGE: &str = include_str!("sale/sale.html");
const BOARD_PAGE: &str = include_str!("board/board.html");
/// Fills the texts of a page before its script runs.
const TEXTS: &str = include_str!("shared/texts-en.json");

/// A browser that gets this script for a page of another version loads the page again, perhaps from an instance of that version.
const RELOAD: &str = "setTimeout(() => location.reload(), 1_000 + 4_000 * Math.random());\n";

/// What the page of a sale is told by the instance that serves it.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PageFacts {
    /// Whether a token says who the buyer is.
    pub has_identity: bool,
    /// Where an order is paid, with `{orderId}` in it.
    pub checkout_url: Option<String>,
}

/// The pages of an instance and their assets.
#[derive(Debug)]
pub struct Pages {
    version: String,
    sale: PageFile,
    board: PageFile,
    assets: Vec<(&'static str, PageFile)>,
    reload: PageFile,
}

impl Pages {
    /// Renders the pages.
    pub fn new(facts: &PageFacts) -> Self {
        let assets = assets();
        let version = version(&assets);
        let facts = serde_json::to_string(facts).expect("strings serialize to JSON");
        let sale = page(SALE_PAGE, &version, "").replace("{settings}", &escaped(&facts));
        Self {
            sale: PageFile::new(HTML, sale),
            board: PageFile::new(HTML, page(BOARD_PAGE, &version, "board.")),
            version,
            assets,
            reload: PageFile::new(JAVASCRIPT, RELOAD),
        }
    }

    /// The page of a sale, the same for all sales.
    pub fn sale(&self) -> &PageFile {
        &self.sale
    }

    /// The board, for the shop.
    pub fn board(&self) -> &PageFile {
        &self.board
    }

    /// An asset.
    pub fn asset(&self, name: &str) -> Option<&PageFile> {
        let found = self.assets.iter().find(|(own, _)| *own == name);
        found.map(|(_, file)| file)
    }

    /// What a page of another version gets instead of an asset. It must not mix its own parts with those of this instance, except for how
    /// it looks.
    pub fn for_other_version<'a>(&'a self, asset: &'a PageFile) -> Option<&'a PageFile> {
        match asset.content_type {
            JAVASCRIPT => Some(&self.reload),
            JSON => None,
            _ => Some(asset),
        }
    }

    /// Whether a path names the assets of this instance, and not those of another version.
    pub fn is_current(&self, version: &str) -> bool {
        self.version == version
    }
}

/// What pages load. A module that others import is part of their scripts.
fn assets() -> Vec<(&'static str, PageFile)> {
    let modules = ASSETS
        .iter()
        .copied()
        .flatten()
        .filter(|(_, kind, _)| *kind == JAVASCRIPT);
    let modules: Vec<_> = modules.map(|&(name, _, text)| (name, text)).collect();
    let is_imported = |name: &str| {
        let mut texts = modules.iter().map(|(_, text)| text);
        texts.any(|text| script::imports(text).any(|file| file == name))
    };
    let files = ASSETS.iter().copied().flatten();
    let files = files.filter(|(name, ..)| !is_imported(name));
    let files = files.map(|&(name, kind, text)| {
        let file = match kind {
            JAVASCRIPT => PageFile::new(kind, script::joined(name, &modules)),
            _ => PageFile::new(kind, text),
        };
        (name, file)
    });
    files.collect()
}

fn version(assets: &[(&str, PageFile)]) -> String {
    let hashes = assets
        .iter()
        .map(|(name, file)| (name.as_bytes(), file.plain().hash.as_bytes()));
    let hashed = hashes.fold(Sha256::new(), |hash, (name, content)| {
        hash.chain_update(name).chain_update(content)
    });
    hex::encode(&hashed.finalize()[..8])
}

/// A page with its assets and its texts, whose keys begin with `prefix`.
fn page(html: &str, version: &str, prefix: &str) -> String {
    let texts: Map<String, Value> = serde_json::from_str(TEXTS).expect("a file of this folder");
    let text = |key: &str| escaped(texts[&format!("{prefix}{key}")].as_str().expect("a text"));
    html.replace("{assets}", &format!("/assets/{version}"))
        .replace("{title}", &text("title"))
        .replace("{noScript}", &text("noScript"))
}

/// A text for HTML, also inside a quoted attribute.
fn escaped(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    text.replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_of_a_page_imports_nothing() {
        let assets = assets();
        let is_script = |file: &&PageFile| file.content_type == JAVASCRIPT;
        let scripts: Vec<_> = assets.iter().map(|(_, it)| it).filter(is_script).collect();
        assert!(!scripts.is_empty());
        for script in scripts {
            let script = String::from_utf8(script.plain().content.to_vec()).expect("a text");
            let begins = |line: &&str| line.starts_with("import ") || line.starts_with("export ");
            assert_eq!(script.lines().find(begins), None);
        }
    }

    fn pages(checkout_url: Option<&str>) -> Pages {
        Pages::new(&PageFacts {
            has_identity: true,
            checkout_url: checkout_url.map(str::to_owned),
        })
    }

    fn html(pages: &Pages) -> String {
        String::from_utf8(pages.sale().plain().content.to_vec()).expect("HTML is text")
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
    fn the_board_has_nothing_left_to_fill_in() {
        let board = pages(None).board().plain().content.to_vec();
        let html = String::from_utf8(board).expect("HTML is text");
        assert!(!html.contains('{') && html.contains("/assets/"), "{html}");
    }

    #[test]
    fn settings_cannot_leave_their_attribute() {
        let html = html(&pages(Some(r#"https://shop.example/{orderId}"><script>"#)));
        assert!(!html.contains("<script>"), "{html}");
    }
}
