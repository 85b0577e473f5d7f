//! Who calls: tokens (JWT, RFC 7519) that the shop's identity provider has issued, and the tokens of ADMIN_TOKEN. Knows
//! nothing about HTTP, sales or orders.
//!
//! ```text
//! KeyLoader --loads--> TokenKeys <--asks-- TokenVerifier <--token-- http/access.rs
//! ```
//! `jsonwebtoken` reads tokens and checks their claims; OpenSSL verifies their signatures (`signatures`). A key has one
//! algorithm, which the type of the key decides: what a token says of its algorithm only has to agree (RFC 8725).

mod admin_tokens;
mod identity_provider;
mod jwks_source;
mod key_loader;
mod key_set;
mod metrics;
mod shop_claim;
mod signatures;
mod token_error;
mod token_keys;
mod token_verifier;
mod verified_tokens;

pub use admin_tokens::AdminTokens;
pub use identity_provider::IdentityProvider;
pub use jwks_source::{JwksFile, JwksSource, JwksUrl, LoadError};
pub use key_loader::{KeyLoader, LoadIntervals};
pub use key_set::{KeySet, NoUsableKey};
pub use metrics::IdentityMetrics;
pub use shop_claim::ShopClaim;
pub use token_error::TokenError;
pub use token_keys::TokenKeys;
pub use token_verifier::{TokenRules, TokenVerifier};
pub use verified_tokens::VerifiedToken;
