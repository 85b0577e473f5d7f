//! Migrations, the probe, and rules that every statement follows.

use fluxgate_domain::batch::Record;
use fluxgate_ledger::PROBE;
use tokio_postgres::SimpleQueryMessage;
use tokio_postgres::types::ToSql;

use crate::fixture::{Schema, TOPIC, again, cancel, completion, order, ordered_by, restock};

#[tokio::test]
async fn a_second_migration_finds_nothing_to_do() {
    let schema = Schema::new().await;
    let (first, second) = tokio::join!(schema.ledger.migrate(), schema.ledger.migrate());
    first.unwrap();
    second.unwrap();
    schema.ledger.probe().await.unwrap();
}

#[tokio::test]
async fn only_a_migration_may_take_longer_than_one_call() {
    let schema = Schema::of_version(4).await;
    // Triggers record the limits of the sessions that write.
    let record = "
        CREATE TABLE limits (writer text, statement text, lock text);
        CREATE FUNCTION record() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            INSERT INTO limits VALUES (tg_table_name, current_setting('statement_timeout'),
                                       current_setting('lock_timeout'));
            RETURN new;
        END $$;
        CREATE TRIGGER record BEFORE INSERT ON refinery_schema_history
            FOR EACH STATEMENT EXECUTE FUNCTION record();
        CREATE TRIGGER record BEFORE INSERT ON positions FOR EACH STATEMENT EXECUTE FUNCTION record();
        CREATE TRIGGER record BEFORE INSERT ON orders FOR EACH STATEMENT EXECUTE FUNCTION record();";
    schema.sql.batch_execute(record).await.unwrap();
    schema.ledger.migrate().await.unwrap();
    schema.ledger.position(TOPIC, 0).await.unwrap();
    schema.write_all(&[order(0, "a", "u1", 1, 1)], 1).await;
    let limits = "SELECT DISTINCT concat_ws(' ', writer, statement, lock) FROM limits ORDER BY 1";
    assert_eq!(
        schema.rows(limits).await,
        [
            "orders 5s 5s",
            "positions 5s 5s",
            "refinery_schema_history 0 5s"
        ]
    );
}

#[tokio::test]
async fn the_numbers_of_version_4_move_to_number_series_and_go_on_from_there() {
    let schema = Schema::of_version(4).await;
    let sales = "
        INSERT INTO stock_ledger (product_id, total, sold, opens_at, epoch, written, last_sequence,
                                  fenced_epoch, partition)
        VALUES ('a', 10, 3, 'epoch', 1, 3, 5, 0, 0), ('rebuilt', 10, 2, 'epoch', 3, 7, 4, 3, 0);";
    schema.sql.batch_execute(sales).await.unwrap();
    schema.ledger.migrate().await.unwrap();

    let series = "SELECT concat_ws(' ', series_id, product_id, epoch, last_sequence, written)
                  FROM number_series ORDER BY series_id";
    let moved = ["a a 1 5 3", "rebuilt rebuilt 3 4 7"];
    assert_eq!(schema.rows(series).await, moved);
    let columns = "SELECT column_name::text FROM information_schema.columns
        WHERE table_schema = current_schema() AND table_name = 'stock_ledger'
            AND column_name IN ('epoch', 'last_sequence', 'written')";
    assert_eq!(schema.rows(columns).await, [""; 0]);

    schema.ledger.position(TOPIC, 0).await.unwrap();
    let log = [
        order(0, "a", "u1", 1, 6),
        again(order(1, "rebuilt", "u1", 1, 1), 3, 5),
        restock(2, "a", 1, 7),
    ];
    schema.write_all(&log, 2).await;
    let counted = ["a a 1 7 4", "rebuilt rebuilt 3 5 8"];
    assert_eq!(schema.rows(series).await, counted);
}

#[tokio::test]
async fn positions_and_dead_letters_of_version_5_are_those_of_the_first_log() {
    let schema = Schema::of_version(5).await;
    let rows = "
        INSERT INTO positions (topic, partition, next_offset) VALUES ('orders', 0, 7);
        INSERT INTO dead_letters (topic, partition, \"offset\", reason) VALUES ('orders', 0, 6, 'x');";
    schema.sql.batch_execute(rows).await.unwrap();
    schema.ledger.migrate().await.unwrap();
    let position = schema.position(0).await;
    assert_eq!((position.next, position.log_number), (7, 0));
    assert_eq!(position.last, None);
    let mut letter = order(6, "a", "u1", 1, 1);
    letter.mark_dead_letter("x");
    let reset = "UPDATE positions SET next_offset = 6";
    schema.sql.batch_execute(reset).await.unwrap();
    schema.write_all(&[letter], 1).await;
    let letters = "SELECT concat_ws(' ', log_number, \"offset\") FROM dead_letters";
    assert_eq!(
        schema.rows(letters).await,
        ["0 6"],
        "read again, written once"
    );
    let waiting = schema.ledger.uncopied_dead_letters(TOPIC).await.unwrap();
    assert_eq!(waiting, 0, "copied by the version that wrote it");
}

#[tokio::test]
async fn orders_of_version_9_can_be_paid_and_stay_what_they_were() {
    let schema = Schema::of_version(9).await;
    let sale = "
        INSERT INTO stock_ledger (product_id, total, sold, opens_at, fenced_epoch, partition)
        VALUES ('a', 10, 4, 'epoch', 0, 0);
        INSERT INTO number_series (series_id, product_id, epoch, last_sequence, written)
        VALUES ('a', 'a', 1, 5, 4);";
    schema.sql.batch_execute(sale).await.unwrap();
    let insert = "
        INSERT INTO orders (order_id, product_id, user_id, quantity, epoch, sequence, status, reason, placed_at, cancel_number)
        VALUES ($1, 'a', $2, 2, 1, $3, $4, $5, 'epoch', $6)";
    let ordered = [1, 2, 3, 4].map(|n| order(0, "a", &format!("u{n}"), 2, n));
    let written = [
        ("confirmed", None, None),
        ("cancelled", None, Some((1_i64 << 32) + 5)),
        ("rejected", Some("oversold"), None),
        ("confirmed", None, None),
    ];
    for (record, (status, reason, cancel_number)) in ordered.iter().zip(written) {
        let order = ordered_by(record);
        let (id, user, sequence) = (
            order.order_id.as_uuid(),
            order.user_id.as_str(),
            i64::from(order.sequence),
        );
        let row: [&(dyn ToSql + Sync); 6] =
            [&id, &user, &sequence, &status, &reason, &cancel_number];
        schema.sql.execute(insert, &row).await.unwrap();
    }
    schema.ledger.migrate().await.unwrap();

    schema.ledger.position(TOPIC, 0).await.unwrap();
    let log = [
        completion(0, &ordered[0], 6),
        // Read again.
        ordered[1].clone(),
        cancel(2, &ordered[1], 5),
        completion(3, &ordered[2], 7),
        cancel(4, &ordered[3], 8),
    ];
    let log = (0..)
        .zip(log)
        .map(|(offset, record)| Record { offset, ..record });
    schema.write_all(&log.collect::<Vec<_>>(), 2).await;
    let statuses =
        "SELECT concat_ws(' ', user_id, status, completion_refused) FROM orders ORDER BY user_id";
    let expected = [
        "u1 completed f",
        "u2 cancelled f",
        "u3 rejected t",
        "u4 cancelled f",
    ];
    assert_eq!(schema.rows(statuses).await, expected);
    let ledger = "SELECT concat_ws(' ', sold, completed, last_sequence, written)
                  FROM stock_ledger JOIN number_series USING (product_id)";
    assert_eq!(schema.rows(ledger).await, ["2 2 8 4"]);
    assert_eq!(schema.ledger.sequence_gaps(TOPIC, &[0]).await.unwrap(), 0);
}

#[tokio::test]
async fn the_probe_reads_no_row() {
    let schema = Schema::new().await;
    schema.ledger.probe().await.unwrap();
    let plan = format!("EXPLAIN (ANALYZE, COSTS off, TIMING off) {PROBE}");
    let plan = schema.sql.simple_query(&plan).await.unwrap();
    let scans: Vec<&str> = plan.iter().filter_map(scan).collect();
    assert_eq!(scans.len(), 6, "{plan:?}");
    let read = scans.iter().filter(|it| !it.contains("never executed"));
    assert_eq!(read.count(), 0, "{scans:?}");
}

/// The line of a plan, if it reads a table.
fn scan(message: &SimpleQueryMessage) -> Option<&str> {
    let SimpleQueryMessage::Row(row) = message else {
        return None;
    };
    row.get(0).filter(|line| line.contains("Scan"))
}

#[test]
fn a_statement_that_lists_the_ids_of_orders_names_the_lowest_and_the_highest() {
    let statements = include_str!("../../src/sql.rs").split("pub const").skip(1);
    let by_id = statements.filter(|it| it.contains("order_id = ANY("));
    let by_id: Vec<&str> = by_id.collect();
    assert!(by_id.len() >= 2, "{by_id:?}");
    for statement in by_id {
        assert!(statement.contains("order_id BETWEEN"), "{statement}");
    }
}
