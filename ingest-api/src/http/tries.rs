//! Limits on tries to order, per client address and per user.

use std::hash::Hash;

use actix_web::HttpRequest;
use actix_web::http::header::{HeaderName, HeaderValue};
use fluxgate_domain::ids::UserId;
use prometheus::IntCounter;

use super::access::Caller;
use super::problem::Problem;
use super::{RateLimit, Services};
use crate::config::RateLimitSettings;
use crate::limits::{ClientAddress, KeyedLimit, Malformed, Rate, TrustedProxies};
use crate::metrics::Metrics;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// How often clients may try to order, on all HTTP threads together.
pub struct TryLimits {
    address: Option<TryLimit>,
    user: Option<TryLimit>,
    proxies: TrustedProxies,
    unreadable_total: IntCounter,
}

/// One limit: of whom, and its name in header fields.
struct TryLimit {
    whose: &'static str,
    policy: &'static str,
    limit: KeyedLimit,
    hits: IntCounter,
}

impl Services {
    /// Who places an order. Counts the try for their address, also if their token is refused, unless it allows admin calls.
    ///
    /// # Errors
    /// As [`Access::caller`](super::Access::caller); 429 beyond RATE_LIMIT_PER_ADDRESS.
    pub fn ordering_caller(&self, request: &HttpRequest) -> Result<Caller, Problem> {
        let caller = self.access.caller(request);
        if let Some(tries) = &self.try_limits
            && !matches!(caller, Ok(Caller::Shop))
        {
            tries.check_address(request)?;
        }
        caller
    }

    /// The user of an order. Counts the try for them, unless the caller's token allows admin calls.
    ///
    /// # Errors
    /// As [`Access::user`](super::Access::user); 429 beyond RATE_LIMIT_PER_USER.
    pub fn ordering_user(&self, caller: Caller, named: Option<UserId>) -> Result<UserId, Problem> {
        let is_limited = !matches!(caller, Caller::Shop);
        let user = self.access.user(caller, named)?;
        if let Some(tries) = self.try_limits.as_ref().filter(|_| is_limited) {
            tries.check_user(&user)?;
        }
        Ok(user)
    }
}

impl TryLimits {
    /// The limits that are set, if any.
    pub fn new(settings: &RateLimitSettings, metrics: &Metrics) -> Option<Self> {
        let keys_max = settings.rate_limit_keys_max as usize;
        let limit = |whose, policy, rate: Option<Rate>| {
            let evictions = metrics
                .rate_limit_evictions_total
                .with_label_values(&[whose]);
            rate.map(|rate| TryLimit {
                whose,
                policy,
                limit: KeyedLimit::new(rate, keys_max, evictions),
                hits: metrics.rate_limit_hits_total.with_label_values(&[whose]),
            })
        };
        let address = limit("address", "address-tries", settings.rate_limit_per_address);
        let user = limit("user", "user-tries", settings.rate_limit_per_user);
        (address.is_some() || user.is_some()).then(|| Self {
            address,
            user,
            proxies: settings.trusted_proxies.clone().unwrap_or_default(),
            unreadable_total: metrics.forwarded_for_unreadable_total.clone(),
        })
    }

    fn check_address(&self, request: &HttpRequest) -> Result<(), Problem> {
        match &self.address {
            Some(limit) => limit.check(self.client_address(request)),
            None => Ok(()),
        }
    }

    fn check_user(&self, user: &UserId) -> Result<(), Problem> {
        self.user.as_ref().map_or(Ok(()), |limit| limit.check(user))
    }

    /// `None` for a client that has disconnected already.
    fn client_address(&self, request: &HttpRequest) -> Option<ClientAddress> {
        let peer = request.peer_addr()?.ip();
        let values = request.headers().get_all(FORWARDED_FOR);
        let client = self.proxies.client(peer, values.map(HeaderValue::as_bytes));
        let client = client.unwrap_or_else(|Malformed| {
            self.unreadable_total.inc();
            peer
        });
        Some(client.into())
    }
}

impl TryLimit {
    fn check(&self, key: impl Hash) -> Result<(), Problem> {
        self.limit.check(key).map_err(|exceeded| {
            self.hits.inc();
            let limit = RateLimit::exceeded(self.policy, exceeded);
            Problem::rate_limited(limit, format_args!("{exceeded} for this {}", self.whose))
        })
    }
}
