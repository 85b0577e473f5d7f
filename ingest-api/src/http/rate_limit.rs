//! The fields `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers-10).

use actix_web::HttpResponseBuilder;
use actix_web::http::header::HeaderName;
use fluxgate_gate::{Quota, Quotas};

use crate::limits::LimitExceeded;

const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const LIMIT: HeaderName = HeaderName::from_static("ratelimit");

/// A rate limit and what is left of it, as a client sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit {
    /// The name of its policy, without quotes or backslashes.
    pub policy: &'static str,
    /// What a window allows.
    pub quota: u64,
    /// The length of a window.
    pub window_seconds: u64,
    /// What is left of the quota.
    pub remaining: u64,
    /// Until more of the quota is left.
    pub reset_seconds: u64,
}

impl RateLimit {
    /// Those of a sale and of the user.
    pub fn of_sale(quotas: &Quotas) -> Vec<Self> {
        let policies = [("sale-orders", quotas.sale), ("user-orders", quotas.user)];
        let limits = policies.into_iter();
        let limits = limits.filter_map(|(policy, quota)| Some(Self::of(policy, quota?)));
        limits.collect()
    }

    /// One that a try has exceeded.
    pub fn exceeded(policy: &'static str, exceeded: LimitExceeded) -> Self {
        Self {
            policy,
            quota: exceeded.rate.count().into(),
            window_seconds: exceeded.rate.seconds().into(),
            remaining: 0,
            reset_seconds: exceeded.retry_after_seconds,
        }
    }

    fn of(policy: &'static str, quota: Quota) -> Self {
        Self {
            policy,
            quota: quota.orders.into(),
            window_seconds: quota.window_seconds.into(),
            remaining: quota.left.into(),
            reset_seconds: quota.whole_in_ms.div_ceil(1_000),
        }
    }

    /// Adds both fields to an answer. An answer may show several limits: the fields are lists.
    pub fn append_to(&self, answer: &mut HttpResponseBuilder) {
        let Self {
            policy,
            quota,
            window_seconds,
            remaining,
            reset_seconds,
        } = self;
        let policy_item = format!("\"{policy}\";q={quota};w={window_seconds}");
        let limit_item = format!("\"{policy}\";r={remaining};t={reset_seconds}");
        for (name, item) in [(POLICY, policy_item), (LIMIT, limit_item)] {
            answer.append_header((name, item));
        }
    }
}

#[cfg(test)]
mod tests {
    use actix_web::HttpResponse;

    use super::*;

    #[test]
    fn each_limit_is_an_item_of_both_lists() {
        let quotas = Quotas {
            sale: Some(Quota {
                orders: 50,
                window_seconds: 1,
                left: 0,
                whole_in_ms: 100,
            }),
            user: Some(Quota {
                orders: 3,
                window_seconds: 60,
                left: 2,
                whole_in_ms: 59_000,
            }),
        };
        let mut answer = HttpResponse::Ok();
        for limit in RateLimit::of_sale(&quotas) {
            limit.append_to(&mut answer);
        }
        let answer = answer.finish();
        let items = |name| answer.headers().get_all(name).collect::<Vec<_>>();
        assert_eq!(
            items(POLICY),
            ["\"sale-orders\";q=50;w=1", "\"user-orders\";q=3;w=60"]
        );
        assert_eq!(
            items(LIMIT),
            ["\"sale-orders\";r=0;t=1", "\"user-orders\";r=2;t=59"]
        );
    }
}
