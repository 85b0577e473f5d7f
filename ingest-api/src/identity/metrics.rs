fluxgate_service::metrics! {
    struct IdentityMetrics;
    /// Tokens of the identity provider that were checked, by source: memory (verified before, and not expired) or signature.
    token_checks_total: IntCounterVec ["source"] {"memory", "signature"},
    /// Tokens that were not accepted, by reason: malformed, unknown_key, algorithm, signature, expired, not_yet_valid, issuer, audience, claim, no_keys (none has been loaded yet).
    invalid_tokens_total: IntCounterVec ["reason"] {
        "malformed", "unknown_key", "algorithm", "signature", "expired", "not_yet_valid", "issuer", "audience", "claim", "no_keys",
    },
    /// Verified tokens in memory. AUTH_CACHE_MAX is the limit.
    verified_tokens: IntGauge,
    /// Attempts to load the keys of AUTH_JWKS_FILE or AUTH_JWKS_URL, by outcome: loaded, failed.
    jwks_loads_total: IntCounterVec ["outcome"] {"loaded", "failed"},
    /// Time in seconds since the keys of AUTH_JWKS_FILE or AUTH_JWKS_URL were last loaded, or since the start if they never were. 0 without these settings.
    jwks_age_seconds: Gauge,
    /// Keys that verify tokens.
    token_keys: IntGauge,
}
