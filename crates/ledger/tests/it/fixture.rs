//! A schema that no other test has, and records to write into it.

use std::time::Duration;

use fluxgate_domain::Terms;
use fluxgate_domain::batch::{Batch, Content, Position, Record, RecordMark, Slice};
use fluxgate_domain::events::{
    CancelCause, Event, OrderCancelled, OrderCompleted, OrderReserved, SaleAmended, SaleClosed,
    SaleFenced, SaleOpened, SaleRestocked,
};
use fluxgate_domain::ids::{
    IdempotencyKey, OrderId, OrdersPerUser, ProductId, RestockId, Tag, UserId,
};
use fluxgate_ledger::{Ledger, LedgerError, StoredPosition, WrittenBatch};
use fluxgate_service::settings::PostgresSettings;
use jiff::Timestamp;
use refinery::Target;
use tokio_postgres::{Client, NoTls};

mod embedded {
    refinery::embed_migrations!("migrations");
}

pub const TOPIC: &str = "orders";

/// A migrated schema that no other test has.
pub struct Schema {
    pub settings: PostgresSettings,
    pub ledger: Ledger,
    pub sql: Client,
}

/// Indexes that are built between migrations, and after which one.
const INDEXES: [(i32, &str); 2] = [
    (
        6,
        r#"CREATE UNIQUE INDEX dead_letters_key ON dead_letters (topic, partition, log_number, "offset")"#,
    ),
    (
        7,
        "CREATE INDEX dead_letters_copy_due ON dead_letters (copy_due_at) WHERE copy_due_at IS NOT NULL",
    ),
];

impl Schema {
    /// A schema of the newest version, with a position for partition 0.
    pub async fn new() -> Self {
        let schema = Self::empty().await;
        schema.ledger.migrate().await.unwrap();
        assert_eq!(schema.next(0).await, 0);
        schema
    }

    /// The position of a partition that is not halted.
    pub async fn position(&self, partition: i32) -> Position {
        match self.ledger.position(TOPIC, partition).await.unwrap() {
            StoredPosition::Read(position) => position,
            StoredPosition::Halted(because) => panic!("halted: {because}"),
        }
    }

    /// The offset that is read next.
    pub async fn next(&self, partition: i32) -> i64 {
        self.position(partition).await.next
    }

    /// A schema of an older version.
    pub async fn of_version(version: i32) -> Self {
        let mut schema = Self::empty().await;
        for (after, create) in INDEXES.iter().take_while(|(after, _)| *after < version) {
            schema.migrate_to(*after).await;
            schema.sql.batch_execute(create).await.unwrap();
        }
        schema.migrate_to(version).await;
        schema
    }

    async fn migrate_to(&mut self, version: i32) {
        let runner = embedded::migrations::runner().set_target(Target::Version(version));
        runner.run_async(&mut self.sql).await.unwrap();
    }

    async fn empty() -> Self {
        let url = std::env::var("DATABASE_URL").expect("DATABASE_URL is not set: run `make test`");
        let name = format!("ledger_{}", uuid::Uuid::new_v4().simple());
        let (sql, connection) = tokio_postgres::connect(&url, NoTls).await.unwrap();
        tokio::spawn(connection);
        sql.batch_execute(&format!("CREATE SCHEMA {name}; SET search_path = {name}"))
            .await
            .unwrap();
        let joint = if url.contains('?') { '&' } else { '?' };
        let settings = PostgresSettings {
            database_url: format!("{url}{joint}options=-c%20search_path%3D{name}"),
            database_ca_file: None,
        };
        let ledger = Ledger::connect(&settings, "test", 1, Duration::from_secs(5)).unwrap();
        Self {
            settings,
            ledger,
            sql,
        }
    }

    /// Another session.
    pub async fn connect(&self) -> Client {
        let url = &self.settings.database_url;
        let (session, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
        tokio::spawn(connection);
        session
    }

    /// One text per row of a query.
    pub async fn rows(&self, query: &str) -> Vec<String> {
        let rows = self.sql.query(query, &[]).await.unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    }

    /// Writes a batch; what is refused becomes dead letters, as the worker does it.
    pub async fn write(&self, batch: &Batch) -> WrittenBatch {
        let mut batch = batch.clone();
        loop {
            match self.ledger.write(TOPIC, &batch).await {
                Err(LedgerError::Refused(records)) => batch.mark_dead_letters(&records),
                written => return written.unwrap(),
            }
        }
    }

    /// Writes a log in batches of `size`.
    pub async fn write_all(&self, log: &[Record], size: usize) {
        for records in log.chunks(size) {
            self.write(&batch(records)).await;
        }
    }
}

/// The mark of a record without a `ce_id`.
pub fn mark(record: &Record) -> RecordMark {
    let (key, value) = (record.source.key(), record.source.value());
    RecordMark::of(record.offset, record.timestamp_ms, key, None, value)
}

/// A batch of consecutive records of partition 0.
pub fn batch(records: &[Record]) -> Batch {
    Batch::from(Slice {
        partition: 0,
        generation: 1,
        log_number: 0,
        expected: records[0].offset,
        next: records[records.len() - 1].offset + 1,
        last: Some(mark(&records[records.len() - 1])),
        records: records.to_vec(),
    })
}

/// The terms of every sale.
pub fn terms(total: i64) -> Terms {
    Terms {
        per_user_limit: Some(3),
        orders_per_user: OrdersPerUser::parse("3/60").ok(),
        ..Terms::of(total.try_into().unwrap())
    }
}

pub fn opening(offset: i64, product: &str, total: i64) -> Record {
    record(
        offset,
        Event::SaleOpened(SaleOpened {
            product_id: ProductId::parse(product).unwrap(),
            total: total.try_into().unwrap(),
            opens_at: Timestamp::UNIX_EPOCH,
            closes_at: None,
            per_user_limit: Some(3),
            epoch: 1,
            partition: 0,
            id_time: None,
            terms: Some(terms(total)),
        }),
    )
}

pub fn order(offset: i64, product: &str, user: &str, quantity: i64, sequence: u32) -> Record {
    let product = ProductId::parse(product).unwrap();
    let user = UserId::parse(user).unwrap();
    let key = IdempotencyKey::parse("key").unwrap();
    record(
        offset,
        Event::OrderReserved(OrderReserved {
            order_id: OrderId::derive(&product, Tag::of(&product), 1, &user, &key),
            product_id: product,
            user_id: user,
            quantity: quantity.try_into().unwrap(),
            epoch: 1,
            sequence,
            placed_at: Timestamp::UNIX_EPOCH,
        }),
    )
}

pub fn cancel(offset: i64, ordered: &Record, sequence: u32) -> Record {
    cancel_for(CancelCause::Shop, offset, ordered, sequence)
}

pub fn expiry(offset: i64, ordered: &Record, sequence: u32) -> Record {
    cancel_for(CancelCause::Expired, offset, ordered, sequence)
}

pub fn cancel_for(cause: CancelCause, offset: i64, ordered: &Record, sequence: u32) -> Record {
    record(
        offset,
        Event::OrderCancelled(OrderCancelled {
            order: ordered_by(ordered).clone(),
            cancel_epoch: 1,
            cancel_sequence: sequence,
            cancelled_at: Timestamp::UNIX_EPOCH,
            cause,
        }),
    )
}

pub fn completion(offset: i64, ordered: &Record, sequence: u32) -> Record {
    record(
        offset,
        Event::OrderCompleted(OrderCompleted {
            order: ordered_by(ordered).clone(),
            completion_epoch: 1,
            completion_sequence: sequence,
            completed_at: Timestamp::UNIX_EPOCH,
        }),
    )
}

pub fn ordered_by(record: &Record) -> &OrderReserved {
    match &record.content {
        Content::Event(Event::OrderReserved(order)) => order,
        other => panic!("{other:?} is no order"),
    }
}

pub fn restock(offset: i64, product: &str, units: i64, sequence: u32) -> Record {
    let product = ProductId::parse(product).unwrap();
    let key = IdempotencyKey::parse(&sequence.to_string()).unwrap();
    record(
        offset,
        Event::SaleRestocked(SaleRestocked {
            restock_id: RestockId::derive(&product, &key),
            product_id: product,
            quantity: units.try_into().unwrap(),
            epoch: 1,
            sequence,
            restocked_at: Timestamp::UNIX_EPOCH,
        }),
    )
}

pub fn close(offset: i64, product: &str, sequence: u32) -> Record {
    record(
        offset,
        Event::SaleClosed(SaleClosed {
            product_id: ProductId::parse(product).unwrap(),
            epoch: 1,
            sequence,
            closed_at: Timestamp::from_second(1).unwrap(),
        }),
    )
}

pub fn fence(offset: i64, product: &str, epoch: u32) -> Record {
    record(
        offset,
        Event::SaleFenced(SaleFenced {
            product_id: ProductId::parse(product).unwrap(),
            epoch,
            fenced_at: Timestamp::UNIX_EPOCH,
        }),
    )
}

/// The same order, with the number that a rebuilt sale gives it.
pub fn again(ordered: Record, epoch: u32, sequence: u32) -> Record {
    let mut order = ordered_by(&ordered).clone();
    (order.epoch, order.sequence) = (epoch, sequence);
    record(ordered.offset, Event::OrderReserved(order))
}

fn record(offset: i64, event: Event) -> Record {
    let value = event.encode();
    let key = event.product_id().as_str().to_owned();
    Record::new(offset, 0, Some(key.as_bytes()), Some(&value), Ok(event))
}

/// The amendment to a limit of so many units per user, which opens the sale a second later for each.
pub fn amendment(offset: i64, product: &str, limit: u32, sequence: u32) -> Record {
    let amended = SaleAmended {
        product_id: ProductId::parse(product).unwrap(),
        opens_at: Timestamp::from_second(limit.into()).unwrap(),
        terms: Terms {
            per_user_limit: Some(limit),
            ..terms(3)
        },
        epoch: 1,
        sequence,
        amended_at: Timestamp::UNIX_EPOCH,
    };
    record(offset, Event::SaleAmended(amended))
}
