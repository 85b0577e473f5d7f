//! Orders made up in memory: the same for the drain, the worker's SQL and COPY.

use anyhow::Result;
use fluxgate_domain::events::{Event, OrderReserved, SaleOpened};
use fluxgate_domain::ids::{IdempotencyKey, OrderId, ProductId, Quantity, Tag, Total, UserId};
use jiff::Timestamp;

/// Which sales the orders are of.
#[derive(Debug, Clone, Copy)]
pub struct Sales<'a> {
    /// Before the number of each.
    pub name: &'a str,
    pub count: u32,
    /// On which they are in turn.
    pub partitions: i32,
    pub opened_at: Timestamp,
}

/// Orders of some sales, in turn.
#[derive(Debug, Clone)]
pub struct Orders {
    products: Vec<ProductId>,
    partitions: i32,
    pub count: u32,
    opened_at: Timestamp,
}

impl Orders {
    /// Of one sale on each partition.
    pub fn new(count: u32, partitions: i32) -> Result<Self> {
        Self::of(
            Sales {
                name: "drain",
                count: u32::try_from(partitions)?,
                partitions,
                opened_at: Timestamp::now(),
            },
            count,
        )
    }

    pub fn of(sales: Sales<'_>, count: u32) -> Result<Self> {
        let product = |n| ProductId::parse(&format!("{}-{n}", sales.name));
        Ok(Self {
            products: (0..sales.count).map(product).collect::<Result<_, _>>()?,
            partitions: sales.partitions,
            count,
            opened_at: Timestamp::from_millisecond(sales.opened_at.as_millisecond())?,
        })
    }

    pub fn partitions(&self) -> impl Iterator<Item = i32> {
        0..self.partitions
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
            };
            Ok((partition, Event::SaleOpened(opened)))
        })
    }

    /// On which partition an order is.
    pub fn partition_of(&self, n: u32) -> Result<i32> {
        self.partition_of_product(self.product_of(n))
    }

    /// One of them, from 0.
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
    fn orders_go_to_the_partitions_in_turn_and_all_differ() {
        let orders = Orders::new(6, 3).unwrap();
        let all: Vec<_> = (0..6).map(|n| orders.order(n).unwrap()).collect();
        assert_eq!(all[0].product_id, all[3].product_id);
        assert_ne!(all[0].product_id, all[1].product_id);
        assert_ne!(all[0].order_id, all[3].order_id);
        assert_eq!(orders.partition_of(5).unwrap(), 2);
    }

    #[test]
    fn more_sales_than_partitions_share_them_and_fewer_leave_some_empty() {
        let partitions = |count| {
            let opened_at = Timestamp::UNIX_EPOCH;
            let (name, partitions) = ("p", 3);
            let sales = Sales {
                name,
                count,
                partitions,
                opened_at,
            };
            let openings = Orders::of(sales, 9).unwrap();
            let openings = openings.openings().map(|it| it.unwrap().0);
            openings.collect::<Vec<_>>()
        };
        assert_eq!(partitions(5), [0, 1, 2, 0, 1]);
        assert_eq!(partitions(1), [0]);
    }
}
