//! The table of rows, in the order in which they are run.

use std::time::Duration;

use futures_util::FutureExt;

use super::Component::{Api, Kafka, Postgres, Redis, Worker};
use super::Kind::{Cancels, Orders, Restocks, Retries};
use super::RedisKind::{Cluster, Sentinels};
use super::connections::{block, cut, forget_quiet, reset, send_slow_bodies, slow_down};
use super::eviction::evict_each_key;
use super::hold_storm::storm;
use super::holds::{
    end_without_kafka, fail_over, lose_completions, miss_all_ends, rebuild_held, refund_retired,
    shift_clock,
};
use super::kafka::{
    acknowledge_slowly, add_partitions, create_topic_late, freeze_until_fenced, limit_message_size,
    publish_without_waiting, take_a_leader_away,
};
use super::logs::{grow_past_position, make_anew, remove_unread, repeat_in_transactions};
use super::pairs;
use super::postgres::{
    OTHER_TYPE, READ_ONLY, SERIALIZATION_FAILURES, WRITABLE, fill_disk, restore, run_sql,
    stop_immediately,
};
use super::redis::{
    blank, kill_durable, kill_master, move_slot, out_of_memory, rebuild, roll_back,
    start_beside_dead_master, tear_file, tear_file_and_rebuild,
};
use super::retired::{cancel_expired, cancel_retired};
use super::sell_out::sell_a_million;
use super::services::{
    crash, freeze, freeze_instances_in_turn, kill, panic_in_a_task, rebalance_storm,
    stop_before_commit, zombie_worker,
};
use super::{Rates, Row, Violation};

/// A row each: its name, what is done, the function that injects the fault with its arguments, and what differs from
/// the usual run.
macro_rules! rows {
    ($($name:expr, $about:literal => $inject:ident($($argument:expr),*) $(, $($field:ident).+: $value:expr)*;)*) => {
        vec![$({
            #[allow(unused_mut)]
            let mut row = Row::new($name, $about, move |it| $inject(it $(, $argument)*).boxed_local());
            $(row.$($field).+ = $value;)*
            row
        }),*]
    };
}

mod queues;

/// All rows.
pub fn all() -> Vec<Row> {
    let groups = [
        killed_and_frozen(),
        disturbed_connections(),
        redis(),
        failovers(),
        kafka(),
        postgres(),
        workers_and_crashes(),
        pairs::rows(),
        holds(),
        queues::queues(),
        large_sales(),
    ];
    groups.into_iter().flatten().collect()
}

fn killed_and_frozen() -> Vec<Row> {
    rows! {
        "api-kill", "kill -9 one API instance, start it again" => kill(Api);
        "worker-kill", "kill -9 one worker, start it again" => kill(Worker);
        "redis-kill", "kill -9 Redis, which writes every command to disk; start it again" => kill_durable();
        "kafka-kill", "kill -9 Kafka, start it again" => kill(Kafka);
        "postgres-kill", "kill -9 PostgreSQL, start it again" => kill(Postgres);
        "api-pause", "one API instance frozen for 8 s" => freeze(Api);
        "worker-pause", "one worker frozen for 8 s" => freeze(Worker);
        "api-pauses-in-turn", "four API instances, one after the other frozen for up to 600 ms, while units come back"
            => freeze_instances_in_turn(), setup.more_instances: 2, rates: &[(Retries, 200), (Cancels, 40), (Restocks, 10)];
        "redis-pause", "Redis frozen for 8 s" => freeze(Redis);
        "kafka-pause", "Kafka frozen for 8 s" => freeze(Kafka);
        "kafka-fenced", "Kafka frozen for 12 s, twice; its controller fences the broker" => freeze_until_fenced();
        "kafka-pause-in-session", "the same with the default session timeout of 10 s, which is longer"
            => freeze(Kafka), setup.settings: &[("KAFKA_SESSION_TIMEOUT_MS", "10000")];
        "postgres-pause", "PostgreSQL frozen for 8 s" => freeze(Postgres);
    }
}

/// Between buyers and the API, between one worker and its stores, and between all services and one store.
fn disturbed_connections() -> Vec<Row> {
    let rows = [Api, Worker, Redis, Kafka, Postgres].map(|component| {
        let name = |kind| format!("{component:?}-{kind}").to_lowercase();
        rows! {
            name("cut"), "replies cut after the request arrived, six times"
                => cut(), setup.proxied: Some(component);
            name("reset"), "all connections reset repeatedly, then for 2 s"
                => reset(), setup.proxied: Some(component);
            name("latency"), "50, 200 or 600 ms each way for 5 s"
                => slow_down(), setup.proxied: Some(component);
            name("blackhole"), "no data passes for 6 s; what was sent arrives afterwards"
                => block(), setup.proxied: Some(component);
        }
    });
    rows.into_iter().flatten().collect()
}

fn redis() -> Vec<Row> {
    rows! {
        "redis-kill-everysec", "kill -9 Redis, which writes to disk once a second" => kill(Redis), may_lose: true;
        "redis-torn", "kill -9 Redis, and the end of its append-only file is lost, as in a power cut"
            => tear_file(), may_lose: true;
        "redis-oom", "Redis is out of memory for 4 s" => out_of_memory();
        "redis-rolled-back", "Redis comes back without its last second; detected; rebuilt"
            => roll_back(false), rebuilds: true;
        "redis-rolled-back-continued", "the same with ON_REDIS_LOSS=continue: sold behind the backstop, then rebuilt"
            => roll_back(false), setup.settings: &[("ON_REDIS_LOSS", "continue")], rebuilds: true;
        "redis-rolled-back-kafka-down", "the same while Kafka is down, so that only the instances' high-water marks tell"
            => roll_back(true), rebuilds: true;
        "redis-torn-rebuilt", "kill -9 Redis, the end of its file is lost; rebuilt"
            => tear_file_and_rebuild(), rebuilds: true;
        "redis-blank", "Redis comes back with an empty disk; sales cannot be opened again; rebuilt"
            => blank(), rebuilds: true;
        "evicted-key", "a key of every sale is deleted, then another one, five in all; rebuilt each time"
            => evict_each_key(), rebuilds: true;
        "retired-cancel", "cancels of a retired sale while Kafka is frozen; nobody repeats them"
            => cancel_retired(), setup.settings: &[("ORDER_RECORD_TTL_SECONDS", "3600")];
        "expired-cancel", "cancels of a sale that has left Redis, while Kafka is frozen, then while no worker runs"
            => cancel_expired(), setup.settings: &[("ORDER_RECORD_TTL_SECONDS", "3")],
            excuses: |it| matches!(it, Violation::SaleMissing { store: "Redis" });
        "rebuild-whole", "sales are rebuilt while they run, though nothing was lost" => rebuild(), rebuilds: true;
    }
}

/// Without REDIS_WAIT_REPLICAS the last writes may not be replicated yet.
fn failovers() -> Vec<Row> {
    const WAIT: &[(&str, &str)] = &[("REDIS_WAIT_REPLICAS", "1")];
    rows! {
        "sentinel-failover", "kill -9 the master under Sentinels; a replica takes over"
            => kill_master(), setup.redis: Sentinels, may_lose: true;
        "sentinel-failover-wait", "the same with REDIS_WAIT_REPLICAS=1: no order may be lost"
            => kill_master(), setup.redis: Sentinels, setup.settings: WAIT;
        "cluster-failover", "kill -9 one master of a Cluster; its replica takes over"
            => kill_master(), setup.redis: Cluster, may_lose: true;
        "cluster-failover-wait", "the same with REDIS_WAIT_REPLICAS=1: no order may be lost"
            => kill_master(), setup.redis: Cluster, setup.settings: WAIT;
        "cluster-new-instance", "one master of a Cluster and its replica are dead; a new instance sells on the others"
            => start_beside_dead_master(), setup.redis: Cluster, may_lose: true;
        "cluster-slot-moved", "the slot of a running sale moves to another master, key by key"
            => move_slot(), setup.redis: Cluster;
    }
}

fn kafka() -> Vec<Row> {
    // Units that come back in a log that is lost are sold again in the next one.
    const MANY_CHANGES: &Rates = &[(Cancels, 40), (Restocks, 10)];
    rows! {
        "kafka-topic-missing", "services start 4 s before topic and tables exist"
            => create_topic_late(), setup.settings: &[("MIGRATE_ON_START", "off")], setup.starts_unready: true;
        "kafka-message-too-large", "the topic accepts no message above 200 bytes for 4 s" => limit_message_size();
        "kafka-partitions", "the topic grows from 12 to 24 partitions during the sale" => add_partitions();
        "kafka-log-anew", "Kafka is restarted, and the topic deleted and made again; accepted and republished"
            => make_anew(false), rates: MANY_CHANGES;
        "kafka-log-anew-worker-kill", "the same, and a worker is killed within 6 s"
            => make_anew(true), rates: MANY_CHANGES;
        "kafka-log-grown", "the same while no worker runs, and the log grows past a position"
            => grow_past_position(), rates: MANY_CHANGES;
        "kafka-retention-past-position", "half of the records that no worker has read are removed; accepted and republished"
            => remove_unread(), rates: MANY_CHANGES;
        "kafka-transactions", "300 records again in 15 transactions, every third of them aborted"
            => repeat_in_transactions();
        "kafka-slow-acks", "acknowledgements take 600 to 900 ms for 8 s, with 2,600 orders/s and a small outbox"
            => acknowledge_slowly(), setup.proxied: Some(Kafka), setup.settings: &[("OUTBOX_MAX", "2000")],
            rates: &[(Orders, 2_600)];
        "kafka-no-wait", "orders do not wait for Kafka (PUBLISH_WAIT_MS=0), 1,000 of them per second"
            => publish_without_waiting(), setup.settings: &[("PUBLISH_WAIT_MS", "0")], rates: &[(Orders, 1_000)];
        "kafka-leaderless", "of three brokers, the one that alone has a partition is killed for 12 s"
            => take_a_leader_away(), setup.three_brokers: true;
        "late-changes", "many cancels and restocks while Kafka is frozen for 8 s"
            => freeze(Kafka), rates: &[(Cancels, 50), (Restocks, 10)];
    }
}

fn postgres() -> Vec<Row> {
    rows! {
        "postgres-immediate", "PostgreSQL is stopped in immediate mode, and recovers" => stop_immediately();
        "postgres-refuse", "the right to insert orders is revoked for 4 s"
            => run_sql("REVOKE INSERT ON orders FROM CURRENT_USER", "GRANT INSERT ON orders TO CURRENT_USER");
        "postgres-serialization", "every fiftieth order is a serialization failure for 4 s"
            => run_sql(SERIALIZATION_FAILURES, "DROP TRIGGER conflicts ON orders");
        "postgres-read-only", "for 4 s the database takes no writes, and sessions begun then never do"
            => run_sql(READ_ONLY, WRITABLE);
        "postgres-stale-plan", "a column has another type for 4 s, under statements that sessions have prepared"
            => run_sql(OTHER_TYPE, "ALTER TABLE positions ALTER next_offset TYPE bigint");
        // An order whose row is gone again is `accepted` until the worker has read it a second time.
        "postgres-restored", "PostgreSQL comes back with data that is 3 s older"
            => restore(), excuses: |it| matches!(it, Violation::StatusWentBack { .. });
        "postgres-disk-full", "the table of orders lies on a disk that is full for 4 s" => fill_disk();
    }
}

fn workers_and_crashes() -> Vec<Row> {
    rows! {
        "quiet-connections", "connections to Redis are dropped in silence, and new ones work; then a quiet instance gets orders"
            => forget_quiet(), setup.proxied: Some(Redis);
        "slow-bodies", "half an order on 1,000 connections to each instance, with 500 slots; the rest never comes"
            => send_slow_bodies(), setup.settings: &[("IN_FLIGHT_MAX", "500")];
        "rebalance-storm", "a third worker joins and leaves every second, with SIGTERM or kill -9"
            => rebalance_storm();
        "zombie-worker", "one worker frozen until the other has all partitions, then resumed" => zombie_worker();
        "crash-after-reserve", "one API instance dies after the Lua call, before it publishes"
            => crash(Api, "after_reserve", 20..150);
        "crash-after-send", "one API instance dies after it has sent an event, before it answers"
            => crash(Api, "after_send", 20..150);
        "crash-before-ack", "one API instance dies after Kafka's acknowledgement, before the outbox entry is acknowledged"
            => crash(Api, "before_ack", 10..60);
        "crash-before-commit", "one worker dies after its INSERTs, before COMMIT" => crash(Worker, "before_commit", 2..8);
        "crash-after-commit", "one worker dies after COMMIT" => crash(Worker, "after_commit", 2..8);
        "crash-before-offsets", "one worker dies before it stores offsets in Kafka"
            => crash(Worker, "before_offsets", 2..8);
        "panic-in-the-api", "the task of one API instance that removes acknowledged outbox entries panics"
            => panic_in_a_task(Api, "before_ack", 10..60);
        "panic-in-the-worker", "the task of one worker that copies dead letters panics"
            => panic_in_a_task(Worker, "before_copies", 1..2);
        "stop-before-commit", "one worker is frozen between INSERT and COMMIT for longer than its session, then resumed"
            => stop_before_commit();
    }
}

/// A sale whose orders have to be paid runs beside the usual ones.
fn holds() -> Vec<Row> {
    const HOLDS: &[(&str, &str)] = &[("SALE_FEATURES", "holds")];
    const RETIRED: &[(&str, &str)] = &[
        ("SALE_FEATURES", "holds"),
        ("ORDER_RECORD_TTL_SECONDS", "3600"),
    ];
    let mut rows = rows! {
        "holds-failover", "orders are completed; the master under Sentinels is killed before the other holds end"
            => fail_over(), setup.settings: HOLDS, setup.redis: Sentinels, may_lose: true;
        "holds-rolled-back", "Redis comes back without completions; nothing expires until the rebuild"
            => lose_completions(), setup.settings: HOLDS, rebuilds: true;
        "holds-redis-away", "Redis is away past all holds; payments of that time are noted afterwards"
            => miss_all_ends(), setup.settings: HOLDS;
        "holds-redis-clock", "Redis's clock is an hour ahead, then an hour behind, while all holds end"
            => shift_clock(), setup.settings: HOLDS, excuses: is_by_clock;
        "holds-kafka-away", "Kafka is frozen while all holds end" => end_without_kafka(), setup.settings: HOLDS;
        "holds-rebuild", "a sale is rebuilt while orders are held" => rebuild_held(), setup.settings: HOLDS, rebuilds: true;
        "holds-refund-retired", "a sale is closed with orders that are held, retired, and orders are refunded"
            => refund_retired(), setup.settings: RETIRED;
    };
    for victim in [Redis, Kafka, Postgres, Worker] {
        let name = format!("hold-storm-{victim:?}").to_lowercase();
        rows.extend(rows! {
            name, "many holds end at once on four instances, in a race with payments, cancels, restocks and orders; one kill -9"
                => storm(victim), setup.settings: HOLDS, setup.more_instances: 2;
        });
    }
    rows
}

/// Sales open by Redis's clock. And if it is set forward, Redis may sell units while an instance still refuses from memory, for
/// a quarter of a second (decision 12).
fn is_by_clock(violation: &Violation) -> bool {
    match violation {
        Violation::UnexpectedAnswer { text } => text.contains("sale_not_open"),
        Violation::Contradiction { answer, .. } => *answer == "sold_out",
        _ => false,
    }
}

fn large_sales() -> Vec<Row> {
    rows! {
        "million-sell-out", "a million units sold on four instances with one thread each, of which one is killed; none takes more than 512 MiB"
            => sell_a_million(), setup.more_instances: 2, setup.settings: &[("HTTP_THREADS", "1")],
            limit: Duration::from_secs(1_800);
    }
}
