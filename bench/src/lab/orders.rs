//! Orders in memory: the same for the drain, Kafka, the worker's SQL and COPY.

use anyhow::Result;
use fluxgate_domain::OrderStatus;
use fluxgate_domain::events::{Event, OrderCompleted, OrderReserved, SaleOpened};
use fluxgate_domain::ids::{IdempotencyKey, OrderId, ProductId, Quantity, Tag, Total, UserId};
use jiff::Timestamp;

/// Partitions of a topic, unless their number is what is measured.
pub const PARTITIONS: i32 = 12;

/// Orders between an order and its completion, on average: several batches of a worker.
pub const COMPLETED_AFTER: u32 = 24_000;
/// Payments take their time, some more and some less: within so many orders, they come in another order.
const PAID_TOGETHER: u32 = 20_000;
/// The next payment is for the order that is so many further, modulo [`PAID_TOGETHER`]; they have no common factor.
const PAID_STEP: u32 = 7_919;

/// Orders of several sales, in turn.
#[derive(Debug, Clone)]
pub struct Orders {
    products: Vec<ProductId>,
    pub partitions: i32,
    pub count: u32,
    /// Whether each order is paid, about [`COMPLETED_AFTER`] orders later.
    is_completed: bool,
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
            is_completed: false,
            opened_at: Timestamp::from_millisecond(Timestamp::now().as_millisecond())?,
        })
    }

    /// The same orders, each of which is paid later.
    pub fn and_completions(self) -> Self {
        Self {
            is_completed: true,
            ..self
        }
    }

    /// The status of all of them at the end.
    pub fn last_status(&self) -> OrderStatus {
        match self.is_completed {
            true => OrderStatus::Completed,
            false => OrderStatus::Confirmed,
        }
    }

    /// How many events the orders have.
    pub fn records(&self) -> u64 {
        u64::from(self.count) * if self.is_completed { 2 } else { 1 }
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
            Ok((partition, Event::SaleOpened(opened.into())))
        })
    }

    /// All orders and their completions, each with its partition.
    pub fn events(&self) -> impl Iterator<Item = Result<(i32, Event)>> {
        let end = match self.is_completed {
            true => self.count + COMPLETED_AFTER,
            false => self.count,
        };
        (0..end).flat_map(move |n| {
            let order = (n < self.count).then(|| self.order(n).map(Event::OrderReserved));
            let completed = n.checked_sub(COMPLETED_AFTER).filter(|_| self.is_completed);
            let completed = completed.map(|n| self.paid(n));
            let completion = completed.map(|n| self.completion(n).map(Event::OrderCompleted));
            let with_partition = move |(n, event): (u32, Result<Event>)| {
                let partition = self.partition_of_product(self.product_of(n))?;
                Ok((partition, event?))
            };
            let both = [Some(n).zip(order), completed.zip(completion)];
            both.into_iter().flatten().map(with_partition)
        })
    }

    /// The order that is paid as the one with this number: another one of those that are paid together, if all of them
    /// are placed.
    fn paid(&self, n: u32) -> u32 {
        let first = n - n % PAID_TOGETHER;
        match first + PAID_TOGETHER <= self.count {
            true => first + (n % PAID_TOGETHER) * PAID_STEP % PAID_TOGETHER,
            false => n,
        }
    }

    fn completion(&self, n: u32) -> Result<OrderCompleted> {
        Ok(OrderCompleted {
            order: self.order(n)?,
            completion_epoch: 1,
            completion_sequence: self.count + n + 1,
            completed_at: self.opened_at,
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
    fn every_order_is_completed_once_and_later() {
        let orders = Orders::of(5, 3, PAID_TOGETHER + COMPLETED_AFTER + 2).unwrap();
        let orders = orders.and_completions();
        let events: Vec<_> = orders.events().map(|it| it.unwrap().1).collect();
        assert_eq!(events.len() as u64, orders.records());
        let mut completed: Vec<_> = events
            .iter()
            .filter_map(|event| match event {
                Event::OrderCompleted(completed) => Some(completed.order.sequence),
                _ => None,
            })
            .collect();
        assert!(!completed.is_sorted(), "not in the order of their placing");
        completed.sort_unstable();
        assert!(completed.into_iter().eq(1..=orders.count));
        let first = events
            .iter()
            .position(|it| matches!(it, Event::OrderCompleted(_)));
        assert_eq!(first, Some(COMPLETED_AFTER as usize + 1));
    }

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
