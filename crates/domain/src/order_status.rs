//! The status of an order, and its rank.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// How far an order has come.
///
/// An answer never takes back an earlier one: the [rank](Self::rank) of an order's status never falls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OrderStatus {
    /// Reserved in Redis; its event waits in the outbox.
    Reserved,
    /// Its event is on Kafka, on all in-sync replicas.
    Accepted,
    /// A row in PostgreSQL, within the stock.
    Confirmed,
    /// A row in PostgreSQL that holds no units: beyond the stock, of an unknown sale, or behind a fence. Occurs only
    /// after Redis or Kafka has lost data.
    Rejected,
    /// It was not paid in time, so its units were given back.
    Expired,
    /// It was paid, and holds its units for good.
    Completed,
    /// It was cancelled, so its units were given back.
    Cancelled,
}

/// The text is not a status of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a status of an order")]
pub struct UnknownStatus;

impl OrderStatus {
    /// Every status.
    pub const ALL: [Self; 7] = [
        Self::Reserved,
        Self::Accepted,
        Self::Confirmed,
        Self::Rejected,
        Self::Expired,
        Self::Completed,
        Self::Cancelled,
    ];

    /// The name in answers, metrics and the column `orders.status`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reserved => "reserved",
            Self::Accepted => "accepted",
            Self::Confirmed => "confirmed",
            Self::Rejected => "rejected",
            Self::Expired => "expired",
            Self::Completed => "completed",
            Self::Cancelled => "cancelled",
        }
    }

    /// Where the status stands on an order's way: reserved = accepted < confirmed = rejected < expired < completed < cancelled.
    pub fn rank(self) -> u8 {
        match self {
            Self::Reserved | Self::Accepted => 0,
            Self::Confirmed | Self::Rejected => 1,
            Self::Expired => 2,
            Self::Completed => 3,
            Self::Cancelled => 4,
        }
    }

    /// Whether the ledger counts the units of an order with this status as sold.
    pub fn is_sold(self) -> bool {
        matches!(self, Self::Confirmed | Self::Completed)
    }

    /// Whether an order with this status, in a sale with holds, still has to be paid.
    pub fn is_held(self) -> bool {
        matches!(self, Self::Reserved | Self::Accepted | Self::Confirmed)
    }

    /// Whether a row in PostgreSQL can have this status.
    pub fn is_written(self) -> bool {
        self.rank() > 0
    }
}

impl FromStr for OrderStatus {
    type Err = UnknownStatus;

    fn from_str(text: &str) -> Result<Self, UnknownStatus> {
        let mut all = Self::ALL.into_iter();
        all.find(|status| status.as_str() == text)
            .ok_or(UnknownStatus)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_is_read_from_its_own_name() {
        for status in OrderStatus::ALL {
            assert_eq!(status.as_str().parse(), Ok(status));
            let json = serde_json::to_string(&status).unwrap();
            assert_eq!(json, format!("{:?}", status.as_str()));
        }
        assert_eq!("paid".parse::<OrderStatus>(), Err(UnknownStatus));
    }

    #[test]
    fn ranks_rise_along_the_way_of_an_order() {
        use OrderStatus::{Accepted, Cancelled, Completed, Confirmed, Expired, Rejected, Reserved};
        assert_eq!(Reserved.rank(), Accepted.rank());
        assert!(Accepted.rank() < Confirmed.rank());
        assert_eq!(Confirmed.rank(), Rejected.rank());
        let rest = [Rejected, Expired, Completed, Cancelled].map(OrderStatus::rank);
        assert!(rest.is_sorted_by(|before, after| before < after));
        assert!(!Accepted.is_written() && Rejected.is_written());
    }
}
