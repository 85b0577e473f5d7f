//! A sale with a queue runs beside the usual ones.

use futures_util::FutureExt;

use super::super::RedisKind::Sentinels;
use super::super::Row;
use super::super::queue::{
    blank, blank_during_turns, fail_over, kill_during_turns, kill_while_joining, roll_back_joins,
    roll_back_pause, roll_back_start, roll_back_turns, start_without_kafka,
};
use super::super::queue_turns::{craft_ids, order_in_the_grace};
use super::is_by_clock;
use crate::queue::SECRET;

const QUEUE: &[(&str, &str)] = &[("SALE_FEATURES", "queue"), ("QUEUE_SECRETS", SECRET)];
const SMALL_OUTBOX: &[(&str, &str)] = &[
    ("SALE_FEATURES", "queue"),
    ("QUEUE_SECRETS", SECRET),
    ("OUTBOX_MAX", "60"),
];

pub fn queues() -> Vec<Row> {
    rows! {
        "queue-api-kill-joins", "one API instance is killed while people join a queue, before its start and after it"
            => kill_while_joining(), setup.settings: QUEUE;
        "queue-api-kill-turns", "one API instance is killed while people are let through"
            => kill_during_turns(), setup.settings: QUEUE;
        "queue-failover", "the master under Sentinels is killed while people join and are let through"
            => fail_over(), setup.settings: QUEUE, setup.redis: Sentinels, may_lose: true;
        "queue-rolled-back-joins", "Redis comes back without joins of before the start, and of after it"
            => roll_back_joins(), setup.settings: QUEUE, rebuilds: true;
        "queue-rolled-back-start", "Redis comes back as before the start, with its clock a minute behind"
            => roll_back_start(), setup.settings: QUEUE, rebuilds: true, excuses: is_by_clock;
        "queue-rolled-back-turns", "Redis comes back without orders and without how far the queue was served; rebuilt"
            => roll_back_turns(), setup.settings: QUEUE, rebuilds: true;
        "queue-rolled-back-pause", "Redis comes back without a pause of the queue; rebuilt, the queue is still paused, and then goes on"
            => roll_back_pause(), setup.settings: QUEUE, rebuilds: true;
        "queue-redis-blank", "Redis comes back with an empty disk before the start; rebuilt"
            => blank(), setup.settings: QUEUE, rebuilds: true;
        "queue-redis-blank-turns", "the same while people are let through"
            => blank_during_turns(), setup.settings: QUEUE, rebuilds: true;
        "queue-kafka-away", "Kafka is killed before the start, until the outbox is full and the turn clock stops"
            => start_without_kafka(), setup.settings: SMALL_OUTBOX;
        "queue-crafted-ids", "6,000 user ids that would inflate a count over ids join, and some with odd characters"
            => craft_ids(), setup.settings: QUEUE;
        "queue-grace", "Redis is frozen in the last second of a turn; orders are taken in the grace, and not after it"
            => order_in_the_grace(), setup.settings: QUEUE;
    }
}
