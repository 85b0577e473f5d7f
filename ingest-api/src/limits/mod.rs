//! Limits on the rate of tries, in the memory of an instance: a [`Rate`], counted for each key by a [`KeyedLimit`], whose
//! [`LimiterStates`] are bounded. Which address a try comes from: [`TrustedProxies`].

mod client_address;
mod keyed_limit;
mod limiter_states;
mod rate;
mod trusted_proxies;

use limiter_states::LimiterStates;

pub use client_address::ClientAddress;
pub use keyed_limit::{KeyedLimit, LimitExceeded};
pub use rate::Rate;
pub use trusted_proxies::{Malformed, TrustedProxies};
