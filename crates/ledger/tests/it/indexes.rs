//! Indexes that are built while rows are written.

use std::time::{Duration, Instant};

use fluxgate_ledger::SchemaError;
use tokio::task::JoinHandle;
use tokio_postgres::Client;

use crate::fixture::Schema;

const KEY: &str = "dead_letters_key";
const COPY_DUE: &str = "dead_letters_copy_due";
/// How long a build may take until it waits.
const BUILD_LIMIT: Duration = Duration::from_secs(60);

type Migration = JoinHandle<Result<(), SchemaError>>;

#[tokio::test]
async fn dead_letters_are_written_while_their_indexes_are_built() {
    let schema = Schema::of_version(5).await;
    let mut old_reader = schema.hold_snapshot().await;
    let migrating = schema.start_migration();
    for (offset, index) in [KEY, COPY_DUE].iter().enumerate() {
        schema.until_build_waits(index, &migrating).await;
        schema.write_letter(offset).await;
        schema.replace(&mut old_reader).await;
    }
    old_reader.batch_execute("COMMIT").await.unwrap();
    migrating.await.unwrap().unwrap();
    schema.assert_indexed().await;
    let letters = "SELECT count(*)::text FROM dead_letters";
    assert_eq!(schema.rows(letters).await, ["2"]);
}

#[tokio::test]
async fn the_next_migration_mends_an_index_whose_build_was_interrupted() {
    let schema = Schema::of_version(5).await;
    schema.write_letter(0).await;
    let mut old_reader = schema.hold_snapshot().await;
    let first = schema.start_migration();
    schema.interrupt_build(KEY, first).await;
    let second = schema.start_migration();
    schema.until_build_waits(KEY, &second).await;
    schema.replace(&mut old_reader).await;
    schema.interrupt_build(COPY_DUE, second).await;
    old_reader.batch_execute("COMMIT").await.unwrap();
    schema.ledger.migrate().await.unwrap();
    schema.assert_indexed().await;
}

impl Schema {
    /// A session whose transaction reads the tables as they are now. It locks no row and no table of ours, but an index that
    /// is built while rows are written waits for its end.
    async fn hold_snapshot(&self) -> Client {
        let session = self.connect().await;
        let hold = "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1";
        session.batch_execute(hold).await.unwrap();
        session
    }

    /// Lets the build that waits for this session go on; the next one waits for another session.
    async fn replace(&self, old_reader: &mut Client) {
        let next = self.hold_snapshot().await;
        old_reader.batch_execute("COMMIT").await.unwrap();
        *old_reader = next;
    }

    fn start_migration(&self) -> Migration {
        let ledger = self.ledger.clone();
        tokio::spawn(async move { ledger.migrate().await })
    }

    /// Returns the process that builds the index, once it waits for an older snapshot. It has then chosen which ones to wait for:
    /// a later one does not hold it up.
    async fn until_build_waits(&self, index: &str, migrating: &Migration) -> i32 {
        let waits = "SELECT pid FROM pg_stat_progress_create_index
            WHERE index_relid = to_regclass($1) AND phase = 'waiting for old snapshots' AND current_locker_pid <> 0";
        let begin = Instant::now();
        loop {
            assert!(begin.elapsed() < BUILD_LIMIT, "{index} is not built");
            if let Some(row) = self.sql.query_opt(waits, &[&index]).await.unwrap() {
                return row.get(0);
            }
            assert!(
                !migrating.is_finished(),
                "{index} was built while the table was locked"
            );
            tokio::task::yield_now().await;
        }
    }

    /// Ends the session of a migration while it builds the index.
    async fn interrupt_build(&self, index: &str, migrating: Migration) {
        let builder = self.until_build_waits(index, &migrating).await;
        let end = "SELECT pg_terminate_backend($1)";
        self.sql.execute(end, &[&builder]).await.unwrap();
        migrating.await.unwrap().unwrap_err();
        let valid = "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass($1)";
        let row = self.sql.query_one(valid, &[&index]).await.unwrap();
        assert!(!row.get::<_, bool>(0), "{index}");
    }

    /// Writes a dead letter as a worker does, who gives up after a while.
    async fn write_letter(&self, offset: usize) {
        let write = format!(
            "SET lock_timeout = '5s';
             INSERT INTO dead_letters (topic, partition, \"offset\", reason) VALUES ('orders', 0, {offset}, 'x')"
        );
        self.sql.batch_execute(&write).await.unwrap();
    }

    async fn assert_indexed(&self) {
        let indexes = "SELECT concat_ws(' ', indisvalid, indisprimary, split_part(pg_get_indexdef(indexrelid), 'btree ', 2))
            FROM pg_index WHERE indrelid = 'dead_letters'::regclass ORDER BY 1";
        let expected = [
            "t f (copy_due_at) WHERE (copy_due_at IS NOT NULL)",
            "t t (topic, partition, log_number, \"offset\")",
        ];
        assert_eq!(self.rows(indexes).await, expected);
    }
}
