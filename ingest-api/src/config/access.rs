//! Who may call: admin tokens, the tokens of an identity provider.

use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use fluxgate_service::settings::CaCertificates;

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

    /// Maximum verified tokens that an instance keeps in memory
    #[arg(long, env = "AUTH_CACHE_MAX", default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    pub auth_cache_max: u32,
}

fn secret(text: &str) -> Result<String, String> {
    match text.len() >= SECRET_MIN_BYTES {
        true => Ok(text.to_owned()),
        false => Err(format!("must be at least {SECRET_MIN_BYTES} bytes")),
    }
}
