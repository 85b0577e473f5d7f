//! Orders in memory: the same for the drain, Kafka, the worker's SQL and COPY.

use anyhow::Result;
use fluxgate_domain::events::{Event, OrderReserved, SaleOpened};
use fluxgate_domain::ids::{IdempotencyKey, OrderId, ProductId, Quantity, Tag, Total, UserId};
use jiff::Timestamp;

/// Partitions of a topic, unless their number is what is measured.
pub const PARTITIONS: i32 = 12;

/// Orders of several sales, in turn.
#[derive(Debug, Clone)]
pub struct Orders {
    products: Vec<ProductId>,
    pub partitions: i32,
    pub count: u32,
    opened_at: Timestamp,
}

impl Orders {
    /// Orders of one sale on each of [`PARTITIONS`].
    pub fn new(count: u32) -> Result<Self> {
        Self::of(PARTITIONS.cast_unsigned(), PARTITIONS, count)
    }

    /// Orders of this many sales, which are spread over the partitions in turn.
    pub fn of(sales: u32, partitions: i32, count: u32) -> Result<Self> {
        let product = |n| ProductId::parse(&format!("sale-{n}"));
        Ok(Self {
            products: (0..sales).map(product).collect::<Result<_, _>>()?,
            partitions,
            count,
            opened_at: Timestamp::from_millisecond(Timestamp::now().as_millisecond())?,
        })
    }

    /// The opening of each sale, with its partition.
    pub fn openings(&self) -> impl Iterator<Item = Result<(i32, Event)>> {
        (0..self.products.len()).map(|n| {
            let partition = self.partition_of_product(n)?;
            let opened = SaleOpened {
                product_id: self.products[n].clone(),
                total: Total::try_from(i64::from(self.count))?,
                opens_at: self.opened_at,
                closes_at: None,
                per_user_limit: None,
                epoch: 1,
                partition,
                id_time: None,
                terms: None,
            };
            Ok((partition, Event::SaleOpened(opened)))
        })
    }

    /// All orders, each with its partition.
    pub fn events(&self) -> impl Iterator<Item = Result<(i32, Event)>> {
        (0..self.count).map(|n| {
            let partition = self.partition_of_product(self.product_of(n))?;
            Ok((partition, Event::OrderReserved(self.order(n)?)))
        })
    }

    /// The order with this number, from 0.
    pub fn order(&self, n: u32) -> Result<OrderReserved> {
        let product = self.products[self.product_of(n)].clone();
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

    fn product_of(&self, n: u32) -> usize {
        n as usize % self.products.len()
    }

    fn partition_of_product(&self, n: usize) -> Result<i32> {
        Ok(i32::try_from(n)? % self.partitions)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_go_to_the_sales_and_partitions_in_turn_and_all_differ() {
        let orders = Orders::of(5, 3, 9).unwrap();
        let [first, second, sixth] = [0, 1, 5].map(|n| orders.order(n).unwrap());
        assert_eq!(first.product_id, sixth.product_id);
        assert_ne!(first.product_id, second.product_id);
        assert_ne!(first.order_id, sixth.order_id);
        let openings = orders.openings().map(|it| it.unwrap().0);
        assert_eq!(openings.collect::<Vec<_>>(), [0, 1, 2, 0, 1]);
    }
}
