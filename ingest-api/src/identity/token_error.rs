use jsonwebtoken::errors::{Error, ErrorKind};

/// Why a token is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Not a token at all, too long, or of an algorithm that is never accepted, such as `none`.
    #[error(
        "it is not a signed JWT of at most {} bytes",
        super::TokenVerifier::TOKEN_MAX_BYTES
    )]
    Malformed,
    /// No known key has its `kid`. The key may be new: the keys are loaded again soon.
    #[error("no known key has its `kid`")]
    UnknownKey,
    /// Several keys have its `alg` and, if it has one, its `kid`.
    #[error("it must name one key by `kid`; several keys fit")]
    AmbiguousKey,
    /// Its header names another algorithm than that of the key.
    #[error("its `alg` is not that of the key")]
    Algorithm,
    /// It was not signed by the key.
    #[error("its signature is wrong")]
    Signature,
    /// `exp` has passed.
    #[error("it has expired")]
    Expired,
    /// `nbf` is in the future.
    #[error("it is not valid yet")]
    NotYetValid,
    /// `iss` is not AUTH_ISSUER.
    #[error("`iss` is not AUTH_ISSUER")]
    Issuer,
    /// `aud` does not contain AUTH_AUDIENCE.
    #[error("`aud` does not contain AUTH_AUDIENCE")]
    Audience,
    /// A claim that every token must have is missing or invalid.
    #[error("the claim `{0}` is missing or invalid")]
    Claim(&'static str),
    /// No keys have been loaded yet, so nothing is known about any token.
    #[error("the keys that verify tokens have not been loaded yet")]
    NoKeys,
}

impl TokenError {
    /// The label of `invalid_tokens_total`.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::UnknownKey | Self::AmbiguousKey => "unknown_key",
            Self::Algorithm => "algorithm",
            Self::Signature => "signature",
            Self::Expired => "expired",
            Self::NotYetValid => "not_yet_valid",
            Self::Issuer => "issuer",
            Self::Audience => "audience",
            Self::Claim(_) => "claim",
            Self::NoKeys => "no_keys",
        }
    }
}

impl From<Error> for TokenError {
    fn from(error: Error) -> Self {
        match error.kind() {
            ErrorKind::ExpiredSignature => Self::Expired,
            ErrorKind::ImmatureSignature => Self::NotYetValid,
            ErrorKind::InvalidIssuer => Self::Issuer,
            ErrorKind::InvalidAudience => Self::Audience,
            ErrorKind::InvalidAlgorithm => Self::Algorithm,
            ErrorKind::InvalidSignature => Self::Signature,
            ErrorKind::MissingRequiredClaim(name) | ErrorKind::InvalidClaimFormat(name) => {
                let claims = ["exp", "nbf", "iss", "aud", "sub"];
                let claim = claims.into_iter().find(|claim| claim == name);
                claim.map_or(Self::Malformed, Self::Claim)
            }
            _ => Self::Malformed,
        }
    }
}
