//! What the reconciler reads of a log that was written.

use fluxgate_domain::SequenceNumber;
use fluxgate_domain::apply::ChangeKind;
use fluxgate_domain::ids::ProductId;
use fluxgate_ledger::{AuditError, AuditReader, StoredPosition};

use uuid::Uuid;

use crate::fixture::{
    Schema, TOPIC, amendment, fence, opening, order, queue_change, queue_start, restock, sorted,
    terms,
};
use crate::logs::{changes, log, rebuilt};

fn product(name: &str) -> ProductId {
    ProductId::parse(name).unwrap()
}

#[tokio::test]
async fn an_audit_reads_everything_that_is_written_about_a_sale() {
    let schema = Schema::new().await;
    schema.write_all(&changes(), 4).await;
    let mut audit = schema.audit().await;
    let (written, mut orders) = audit.read_sale(&product("a")).await.unwrap();
    let sale = written.sale.as_ref().unwrap();
    assert_eq!((sale.total, sale.sold, sale.written), (7, 6, 5));
    assert_eq!(sale.highest, SequenceNumber::new(1, 9));
    assert_eq!(sale.terms, Some(terms(3)));
    assert_eq!((orders.sold_units(), written.changes.len()), (6, 2));
    assert_eq!(orders.next().await.unwrap().len(), 5);
    assert_eq!(orders.next().await.unwrap().len(), 0);
    let users = orders.next_users().await.unwrap();
    assert_eq!(sorted(&users), [("u4", 3, 0), ("u5", 3, 0)]);
    assert_eq!(orders.next_users().await.unwrap(), []);
    drop(orders);
    assert_eq!(audit.sales().await.unwrap(), std::slice::from_ref(sale));

    let (nowhere, _) = audit.read_sale(&product("nowhere")).await.unwrap();
    assert_eq!(nowhere.sale, None);
    let number = nowhere.dead_letters[0].number;
    assert_eq!(number, SequenceNumber::new(1, 1), "the restock of no sale");
}

#[tokio::test]
async fn the_orders_of_a_sale_are_read_in_pages_of_one_snapshot() {
    let schema = Schema::new().await;
    schema.write_all(&log(), 100).await;
    let insert = "INSERT INTO orders (order_id, product_id, user_id, quantity, epoch, sequence, status, placed_at)
        SELECT overlay(overlay(md5(($1 + n)::text) placing '8' from 13) placing '8' from 17)::uuid, 'a', 'u' || n, 1, 1, $1 + n, 'confirmed', now() FROM generate_series(1, 6000) n";
    schema.sql.execute(insert, &[&1_000_i32]).await.unwrap();
    let mut audit = schema.audit().await;
    let (_, mut orders) = audit.read_sale(&product("a")).await.unwrap();
    // Outside the bounds of the sale's ids, so the whole table is read; each row once.
    let first = orders.next().await.unwrap().len();
    schema.sql.execute(insert, &[&10_000_i32]).await.unwrap();
    let second = orders.next().await.unwrap().len();
    assert_eq!((first, second), (5_000, 1_003));
    assert_eq!(orders.next().await.unwrap().len(), 0);
}

#[tokio::test]
async fn a_rebuilt_sale_has_the_fence_as_its_epoch() {
    let schema = Schema::new().await;
    schema.write_all(&rebuilt()[..3], 1).await;
    let sale = schema.audit().await.sale(&product("a")).await.unwrap();
    let sale = sale.unwrap();
    assert_eq!(
        (sale.fenced_epoch, sale.highest),
        (2, SequenceNumber::new(2, 0))
    );
}

#[tokio::test]
async fn the_position_of_a_partition_is_where_the_workers_are() {
    let schema = Schema::new().await;
    schema.write_all(&log(), 100).await;
    let audit = schema.audit().await;
    let next = async |partition| match audit.position(partition).await.unwrap() {
        StoredPosition::Read(position) => position.next,
        StoredPosition::Halted(because) => panic!("halted: {because}"),
    };
    assert_eq!(next(0).await, 12);
    assert_eq!(next(7).await, 0, "a partition never read");
}

#[tokio::test]
async fn one_rebuild_of_a_sale_runs_at_a_time() {
    let schema = Schema::new().await;
    let (first, second) = (schema.audit().await, schema.audit().await);
    let lock =
        async |audit: &AuditReader, id| audit.lock_rebuild(&product(id), Uuid::new_v4()).await;
    let held = lock(&first, "a").await.unwrap();
    let refused = tokio::select! {
        refused = lock(&second, "a") => refused.err(),
        cause = held.lost() => panic!("{cause}"),
    };
    assert!(matches!(refused, Some(AuditError::Locked)), "{refused:?}");
    lock(&second, "b").await.unwrap();
    held.release().await;
    let held = lock(&second, "a").await.unwrap();
    // As if its process were killed: nobody renews it.
    drop(held);
    lock(&first, "a").await.unwrap();
}

#[tokio::test]
async fn the_holder_of_a_lock_learns_that_another_rebuild_has_it() {
    let schema = Schema::new().await;
    let audit = schema.audit().await;
    let held = audit.lock_rebuild(&product("a"), Uuid::new_v4()).await;
    let take = "UPDATE rebuild_locks SET token = gen_random_uuid()";
    schema.sql.batch_execute(take).await.unwrap();
    let cause = held.unwrap().lost().await;
    assert!(matches!(cause, AuditError::Locked), "{cause}");
}

#[tokio::test]
async fn a_lock_is_lost_with_its_connection() {
    let schema = Schema::new().await;
    let name = Uuid::new_v4().to_string();
    let audit = AuditReader::connect(&schema.settings, &name, TOPIC).await;
    let audit = audit.unwrap();
    let held = audit.lock_rebuild(&product("a"), Uuid::new_v4()).await;
    let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1";
    assert!(schema.sql.execute(end, &[&name]).await.unwrap() > 0);
    let cause = held.unwrap().lost().await;
    assert!(matches!(cause, AuditError::Postgres(_)), "{cause}");
}

#[tokio::test]
async fn an_amended_sale_has_the_terms_of_the_highest_number_and_keeps_the_time_of_its_ids() {
    let log = [
        opening(0, "a", 3),
        order(1, "a", "u1", 1, 3),
        amendment(2, "a", 5, 2),
        amendment(3, "a", 4, 1),
        amendment(4, "a", 5, 2),
    ];
    for size in [1, 2, 5] {
        let schema = Schema::new().await;
        schema.write_all(&log, size).await;
        let mut audit = schema.audit().await;
        let (written, orders) = audit.read_sale(&product("a")).await.unwrap();
        let sale = written.sale.unwrap();
        let limits = (sale.per_user_limit, sale.terms.unwrap().per_user_limit);
        assert_eq!(limits, (Some(5), Some(5)), "batches of {size}");
        assert_eq!(sale.opens_at.as_second(), 5);
        assert_eq!((sale.id_time.as_second(), sale.highest.sequence), (0, 3));
        assert_eq!((written.changes.len(), orders.sold_units()), (2, 1));
    }
}

#[tokio::test]
async fn a_queue_that_has_started_keeps_the_larger_count_and_each_start_has_a_row() {
    let log = [
        opening(0, "a", 3),
        queue_start(1, "a", 900, 2),
        queue_start(2, "a", 1_000, 1),
        queue_start(3, "a", 900, 2),
        fence(4, "a", 2),
        queue_start(5, "a", 2_000, 3),
    ];
    for size in [1, 2, 6] {
        let schema = Schema::new().await;
        schema.write_all(&log, size).await;
        let mut audit = schema.audit().await;
        let (written, _) = audit.read_sale(&product("a")).await.unwrap();
        let sale = written.sale.unwrap();
        assert_eq!(sale.queue_joined, Some(1_000), "batches of {size}");
        assert_eq!(sale.total, 3);
        let mut starts: Vec<_> = written
            .changes
            .iter()
            .map(|it| (it.number.sequence, it.kind, it.units, it.at.as_second()))
            .collect();
        starts.sort_unstable_by_key(|it| it.0);
        let start = |n: u32| (n, ChangeKind::QueueStart, 0, i64::from(n));
        assert_eq!(starts, [start(1), start(2)]);
        let fenced = written.dead_letters.iter().map(|letter| letter.number);
        assert_eq!(fenced.collect::<Vec<_>>(), [SequenceNumber::new(1, 3)]);
    }
}

#[tokio::test]
async fn a_sale_whose_queue_has_not_started_has_no_count() {
    let schema = Schema::new().await;
    schema.write_all(&[opening(0, "a", 3)], 1).await;
    let sale = schema.audit().await.sale(&product("a")).await.unwrap();
    assert_eq!(sale.unwrap().queue_joined, None);
}

#[tokio::test]
async fn the_rows_of_the_changes_of_a_queue_say_what_was_set_whatever_was_read_first() {
    let log = [
        opening(0, "a", 3),
        queue_change(1, "a", "200 0 queue", 3),
        queue_change(2, "a", "- 1 pass", 1),
        queue_change(3, "a", "200 0 queue", 3),
        restock(4, "a", 1, 2),
    ];
    for size in [1, 5] {
        let schema = Schema::new().await;
        schema.write_all(&log, size).await;
        let mut audit = schema.audit().await;
        let (mut written, _) = audit.read_sale(&product("a")).await.unwrap();
        written.changes.sort_unstable_by_key(|it| it.number);
        let read = written.changes.iter().map(|it| {
            let settings = it.queue_settings.map(|it| it.to_string());
            (it.kind, it.number.sequence, settings)
        });
        let set = |settings: &str| Some(settings.to_owned());
        let expected = [
            (ChangeKind::QueueChange, 1, set("- 1 pass")),
            (ChangeKind::Restock, 2, None),
            (ChangeKind::QueueChange, 3, set("200 0 queue")),
        ];
        assert_eq!(read.collect::<Vec<_>>(), expected, "batches of {size}");
    }
}
