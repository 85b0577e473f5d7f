//! What the pages load, and the modules of their scripts.

const CSS: &str = "text/css; charset=utf-8";
pub const JAVASCRIPT: &str = "text/javascript; charset=utf-8";
pub const JSON: &str = "application/json";
const SVG: &str = "image/svg+xml";

/// Name, content type and content of a file.
pub type Asset = (&'static str, &'static str, &'static str);

macro_rules! assets {
    ($kind:expr, $folder:literal: $($name:literal),+ $(,)?) => {
        &[$(($name, $kind, include_str!(concat!($folder, "/", $name)))),+]
    };
}

/// All files, in folders by the page that loads them. Their names differ: browsers find them in one folder.
pub const ASSETS: [&[Asset]; 8] = [
    assets!(
        JAVASCRIPT, "shared":
        "api.js", "hex.js", "server_clock.js", "texts.js", "wakeable.js",
    ),
    assets!(CSS, "shared": "theme.css"),
    assets!(JSON, "shared": "texts-de.json", "texts-en.json"),
    assets!(SVG, "shared": "icon.svg"),
    assets!(
        JAVASCRIPT, "sale":
        "browser_store.js", "feed.js", "leader.js", "main.js", "order_feed.js",
        "proof_of_work.js", "queue_place.js", "sale_feed.js", "sale_state.js", "sale_stream.js", "view.js",
    ),
    assets!(CSS, "sale": "sale.css"),
    assets!(
        JAVASCRIPT, "board":
        "admin_session.js", "board.js", "board_actions.js", "board_feed.js", "board_view.js",
        "confirmation.js", "opening_form.js", "sale_card.js", "sale_rates.js",
    ),
    assets!(CSS, "board": "board.css", "board_forms.css"),
];
