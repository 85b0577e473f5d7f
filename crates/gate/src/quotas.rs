//! The limits of the rate of a sale's orders (`limit_rate.lua`), and what is left of them.

use fluxgate_domain::Terms;
use fred::types::Value;

use crate::GateError;

/// What is left of the limits of a sale's rate after a call, for one of its orders.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quotas {
    /// Orders that the sale takes in a second.
    pub sale: Option<Quota>,
    /// Orders that the sale takes of the user in a window.
    pub user: Option<Quota>,
}

/// What is left of one limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// Orders that a window allows.
    pub orders: u32,
    /// The length of a window.
    pub window_seconds: u32,
    /// Orders that are left now.
    pub left: u32,
    /// Until all are left.
    pub whole_in_ms: u64,
}

/// The field `limits` of a sale on these terms, of which no order was taken yet; `None` if it limits neither the rate of its
/// orders nor the unpaid ones.
pub fn limits_field(terms: &Terms) -> Option<String> {
    let per_second = terms.orders_per_second.map_or(0, |rate| rate.get());
    let (per_user, seconds) = match terms.orders_per_user {
        Some(rate) => (rate.orders(), rate.seconds()),
        None => (0, 0),
    };
    let is_limited = per_second > 0 || per_user > 0 || terms.holds().is_some();
    is_limited.then(|| format!("{per_second} 0 0 {per_user} {seconds}"))
}

impl Quotas {
    /// Reads the fourth element of a reply of `reserve.lua`: the quotas of each of so many orders.
    pub(crate) fn read(left: &Value, orders: usize) -> Result<Vec<Self>, GateError> {
        let read = || {
            let Value::Array(left) = left else {
                return None;
            };
            let sale = Quota::read(number(left, 0)?, 1, left.get(1..3)?)?;
            let (per_user, seconds) = (number(left, 3)?, number(left, 4)?);
            let of_order = |n: usize| {
                let user = match left.get(5 + 2 * n..7 + 2 * n) {
                    Some(user) => Quota::read(per_user, seconds, user)?,
                    None => None,
                };
                Some(Self { sale, user })
            };
            (0..orders).map(of_order).collect()
        };
        read().ok_or_else(|| GateError::unexpected("what is left of a sale's limits", left))
    }
}

impl Quota {
    /// Reads the orders left and the time until all are left. `Some(None)`: there is no limit.
    fn read(orders: u32, window_seconds: u32, left: &[Value]) -> Option<Option<Self>> {
        let quota = Self {
            orders,
            window_seconds,
            left: number(left, 0)?,
            whole_in_ms: left.get(1)?.as_u64()?,
        };
        Some((orders > 0).then_some(quota))
    }
}

fn number(values: &[Value], at: usize) -> Option<u32> {
    u32::try_from(values.get(at)?.as_u64()?).ok()
}
