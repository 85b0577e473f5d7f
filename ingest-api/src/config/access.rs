//! Who may call: admin tokens, the tokens of an identity provider, pages of other origins.

use std::str::FromStr;
use std::sync::Arc;

use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use fluxgate_service::settings::CaCertificates;
use reqwest::Url;

use crate::identity::{AdminTokens, JwksFile, JwksUrl, ShopClaim};

/// The shortest secret for HS256 in bytes (RFC 7518, 3.2).
const SECRET_MIN_BYTES: usize = 32;

/// Admin calls.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Admin")]
pub struct AdminSettings {
    /// Bearer tokens for admin calls, comma-separated, each of at least 16 visible ASCII characters. A name and a space
    /// may precede a token; the log names its calls by it [default: none; without AUTH_… settings, admin calls are answered
    /// 403 `admin_disabled`]
    #[arg(long, env = "ADMIN_TOKEN", hide_env_values = true)]
    pub admin_token: Option<AdminTokens>,
}

/// The identity provider, whose tokens say who calls.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Identity")]
pub struct IdentitySettings {
    /// File with the keys that verify tokens, a JWK Set (RS256, ES256, EdDSA); read again every 5 minutes. Excludes
    /// AUTH_JWKS_URL and AUTH_HS256_SECRET [default: none]
    #[arg(long, env = "AUTH_JWKS_FILE", group = "auth_keys", requires_all = ["auth_issuer", "auth_audience"])]
    pub auth_jwks_file: Option<JwksFile>,

    /// URL of the keys that verify tokens, a JWK Set (RS256, ES256, EdDSA); fetched again every 5 minutes. Excludes
    /// AUTH_JWKS_FILE and AUTH_HS256_SECRET [default: none]
    #[arg(long, env = "AUTH_JWKS_URL", group = "auth_keys", hide_env_values = true,
          requires_all = ["auth_issuer", "auth_audience"])]
    pub auth_jwks_url: Option<JwksUrl>,

    /// PEM file with the certificate authorities for AUTH_JWKS_URL [default: the system's]
    #[arg(long, env = "AUTH_JWKS_CA_FILE", requires = "auth_jwks_url")]
    pub auth_jwks_ca_file: Option<CaCertificates>,

    /// Secret that verifies tokens (HS256), at least 32 bytes. Excludes AUTH_JWKS_FILE and AUTH_JWKS_URL [default: none]
    #[arg(long, env = "AUTH_HS256_SECRET", group = "auth_keys", hide_env_values = true, value_parser = secret,
          requires_all = ["auth_issuer", "auth_audience"])]
    pub auth_hs256_secret: Option<String>,

    /// `iss` of every token; required with AUTH_JWKS_FILE, AUTH_JWKS_URL and AUTH_HS256_SECRET [default: none]
    #[arg(long, env = "AUTH_ISSUER", requires = "auth_keys", value_parser = NonEmptyStringValueParser::new())]
    pub auth_issuer: Option<String>,

    /// What `aud` of every token contains; required with AUTH_JWKS_FILE, AUTH_JWKS_URL and AUTH_HS256_SECRET
    /// [default: none]
    #[arg(long, env = "AUTH_AUDIENCE", requires = "auth_keys", value_parser = NonEmptyStringValueParser::new())]
    pub auth_audience: Option<String>,

    /// Claim and value of tokens that may make admin calls: a word of a text, or an element of a list
    #[arg(long, env = "AUTH_SHOP_CLAIM", default_value = "scope=fluxgate:shop")]
    pub auth_shop_claim: ShopClaim,

    /// Cookie that holds the token of a request without Authorization [default: none]
    #[arg(long, env = "AUTH_COOKIE", requires = "auth_keys", value_parser = cookie_name)]
    pub auth_cookie: Option<String>,

    /// Maximum verified tokens that an instance keeps in memory
    #[arg(long, env = "AUTH_CACHE_MAX", default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    pub auth_cache_max: u32,
}

/// Origins as browsers write them (RFC 6454, 6.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origins(Arc<[String]>);

impl Origins {
    /// Whether a page of this origin may call.
    pub fn contains(&self, origin: &str) -> bool {
        self.iter().any(|own| own == origin)
    }

    /// The origins.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

impl FromStr for Origins {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let origins = text.split(',').map(|it| origin(it.trim()));
        origins.collect::<Result<_, _>>().map(Self)
    }
}

fn secret(text: &str) -> Result<String, String> {
    match text.len() >= SECRET_MIN_BYTES {
        true => Ok(text.to_owned()),
        false => Err(format!("must be at least {SECRET_MIN_BYTES} bytes")),
    }
}

/// A cookie's name (RFC 6265, 4.1.1).
fn cookie_name(text: &str) -> Result<String, String> {
    let is_in_name = |it: u8| it.is_ascii_graphic() && !b"()<>@,;:\\\"/[]?={}".contains(&it);
    match !text.is_empty() && text.bytes().all(is_in_name) {
        true => Ok(text.to_owned()),
        false => Err("must be the name of a cookie".to_owned()),
    }
}

fn origin(text: &str) -> Result<String, String> {
    let url = Url::parse(text).map_err(|error| error.to_string())?;
    match url.origin().ascii_serialization() == text && matches!(url.scheme(), "http" | "https") {
        true => Ok(text.to_owned()),
        false => Err("must be an origin, such as https://shop.example, without a path".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_those_of_the_web_as_browsers_write_them() {
        let origins: Origins = "https://shop.example, http://localhost:3000"
            .parse()
            .expect("two origins");
        assert!(origins.contains("https://shop.example"));
        assert!(origins.contains("http://localhost:3000"));
        assert!(!origins.contains("http://shop.example"));
        for bad in [
            "",
            "*",
            "null",
            "shop.example",
            "https://shop.example/",
            "https://shop.example/path",
            "https://Shop.example",
            "https://shop.example:443",
            "https://user@shop.example",
            "file:///tmp",
            "https://shop.example,",
        ] {
            assert!(bad.parse::<Origins>().is_err(), "{bad}");
        }
    }

    #[test]
    fn cookies_have_token_names() {
        assert_eq!(cookie_name("__Host-token").as_deref(), Ok("__Host-token"));
        for bad in ["", "a b", "a=b", "a;b", "ä"] {
            assert!(cookie_name(bad).is_err(), "{bad}");
        }
    }
}
