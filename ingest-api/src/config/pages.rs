//! Pages in browsers: those of other origins that may call, and those that the service shows itself.

use std::str::FromStr;

use clap::Args;
use fluxgate_service::settings::Switch;
use reqwest::Url;

use super::Origins;

/// What a page replaces by the order's id.
const ORDER_ID: &str = "{orderId}";

/// Pages in browsers.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Pages")]
pub struct PageSettings {
    /// Origins whose pages may call from a browser, comma-separated: https://shop.example,https://www.shop.example
    /// [default: none]
    #[arg(long, env = "CORS_ORIGINS")]
    pub cors_origins: Option<Origins>,

    /// Whether to serve the page of each sale, `/sales/{productId}`, for buyers, and the board, `/board`, for the shop; with an
    /// identity provider only with AUTH_COOKIE
    #[arg(long, env = "PAGES", default_value = "off")]
    pub pages: Switch,

    /// Where buyers pay for an order that is held, with `{orderId}` in it: the page of a sale shows a link to it
    /// [default: none; no link]
    #[arg(long, env = "PAGES_CHECKOUT_URL")]
    pub pages_checkout_url: Option<CheckoutUrl>,
}

/// An https URL that contains `{orderId}` once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckoutUrl(String);

impl CheckoutUrl {
    /// The URL as it is set.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for CheckoutUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.matches(ORDER_ID).count() != 1 {
            return Err(format!("must contain {ORDER_ID} once"));
        }
        // An order id is an UUID, so it fits wherever it stands.
        let url = Url::parse(&text.replace(ORDER_ID, "0")).map_err(|error| error.to_string())?;
        let is_local = matches!(url.host_str(), Some("localhost" | "127.0.0.1"));
        match url.scheme() == "https" || (url.scheme() == "http" && is_local) {
            true => Ok(Self(text.to_owned())),
            false => Err("must be an https URL, or an http URL of localhost".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkout_is_reached_over_https_and_told_the_order() {
        for good in [
            "https://shop.example/pay/{orderId}",
            "https://shop.example/pay?order={orderId}",
            "http://localhost:3000/pay/{orderId}",
        ] {
            assert!(good.parse::<CheckoutUrl>().is_ok(), "{good}");
        }
        for bad in [
            "https://shop.example/pay",
            "https://shop.example/{orderId}?order={orderId}",
            "http://shop.example/pay/{orderId}",
            "javascript:alert('{orderId}')",
            "/pay/{orderId}",
        ] {
            assert!(bad.parse::<CheckoutUrl>().is_err(), "{bad}");
        }
    }
}
