//! Orders made up in memory: the same for the drain, the worker's SQL and COPY.

use anyhow::Result;
use fluxgate_core::events::{Event, OrderReserved, SaleOpened};
use fluxgate_core::ids::{IdempotencyKey, OrderId, ProductId, Quantity, Tag, Total, UserId};
use jiff::Timestamp;

/// Sales, one on each partition, and the orders in them, in turn.
#[derive(Debug, Clone)]
pub struct Orders {
    products: Vec<ProductId>,
    pub count: u32,
    opened_at: Timestamp,
}

impl Orders {
    pub fn new(count: u32, partitions: i32) -> Result<Self> {
        let products = (0..partitions).map(|n| ProductId::parse(&format!("drain-{n}")));
        Ok(Self {
            products: products.collect::<Result<_, _>>()?,
            count,
            opened_at: Timestamp::from_millisecond(Timestamp::now().as_millisecond())?,
        })
    }

    pub fn partitions(&self) -> impl Iterator<Item = i32> {
        0..i32::try_from(self.products.len()).unwrap_or(i32::MAX)
    }

    /// The opening of the sale on this partition.
    pub fn opening(&self, partition: i32) -> Result<Event> {
        Ok(Event::SaleOpened(SaleOpened {
            product_id: self.product(partition)?,
            total: Total::try_from(i64::from(self.count))?,
            opens_at: self.opened_at,
            closes_at: None,
            per_user_limit: None,
            epoch: 1,
            partition,
        }))
    }

    /// On which partition an order is.
    pub fn partition_of(&self, n: u32) -> Result<i32> {
        Ok(i32::try_from(n as usize % self.products.len())?)
    }

    /// One of them, from 0.
    pub fn order(&self, n: u32) -> Result<OrderReserved> {
        let product = self.product(self.partition_of(n)?)?;
        let user = UserId::parse(&format!("user-{n}"))?;
        let key = IdempotencyKey::parse(&n.to_string())?;
        let opened_at_ms = self.opened_at.as_millisecond();
        let tag = Tag::of(&product);
        Ok(OrderReserved {
            order_id: OrderId::derive(&product, tag, opened_at_ms, &user, &key),
            product_id: product,
            user_id: user,
            quantity: Quantity::ONE,
            epoch: 1,
            sequence: n + 1,
            placed_at: self.opened_at,
        })
    }

    fn product(&self, partition: i32) -> Result<ProductId> {
        Ok(self.products[usize::try_from(partition)?].clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_go_to_the_partitions_in_turn_and_all_differ() {
        let orders = Orders::new(6, 3).unwrap();
        let all: Vec<_> = (0..6).map(|n| orders.order(n).unwrap()).collect();
        assert_eq!(all[0].product_id, all[3].product_id);
        assert_ne!(all[0].product_id, all[1].product_id);
        assert_ne!(all[0].order_id, all[3].order_id);
        assert_eq!(orders.partition_of(5).unwrap(), 2);
    }
}
