//! Which scenarios there are, and which of them a run measures.

use anyhow::{Result, ensure};

use super::Kind::{
    AcceptLimited, AcceptMany, Closed, Connections, CopyIn, Drain, DrainCompleted, EndToEnd, Grown,
    Kafka, QueueJoins, QueuePolls, Rate, Redis, RedisGrowth, Soak, Sql, Streams,
};
use super::growth::Growth;
use super::http::ClosedLoop as Ask;
use super::{GROWTH, Kind, Scenario};

const ONE: &[u32] = &[];
const BOTH: &[u32] = &[64, 256];
const PRODUCTS: &[u32] = &[1, 10, 100, 1_000];
const ROWS: &[u32] = &[0, 1_000_000, 5_000_000, 10_000_000];
const PARTITIONS: &[u32] = &[12, 24, 48, 96];
const WORKERS: &[u32] = &[1, 2, 4, 12];

/// Name, kind, sizes, with a worker; in the order of a round, each after its ceiling.
const ALL: [(&str, Kind, &[u32], bool); 35] = [
    ("bare", Closed(Ask::Bare), BOTH, false),
    ("accept", Closed(Ask::Accept), BOTH, false),
    ("accept-limited", AcceptLimited, BOTH, false),
    ("accept-1000", AcceptMany(1_000), &[256], false),
    ("sold-out", Closed(Ask::SoldOut), BOTH, false),
    ("replay", Closed(Ask::Replay), BOTH, false),
    ("status", Closed(Ask::Status), BOTH, false),
    ("product", Closed(Ask::Product), &[64], false),
    ("redis", Redis(1, 1), ONE, false),
    ("redis-pipelined", Redis(1, 16), ONE, false),
    ("redis-batched", Redis(16, 1), ONE, false),
    ("redis-batched-pipelined", Redis(16, 16), ONE, false),
    ("kafka", Kafka, ONE, false),
    ("copy", CopyIn, ONE, false),
    ("drain", Drain, ONE, false),
    ("drain-completed", DrainCompleted, ONE, false),
    ("sql", Sql, ONE, false),
    ("growth-accept", Grown(Growth::Accept), PRODUCTS, false),
    ("growth-products", Grown(Growth::Products), PRODUCTS, false),
    ("growth-rows", Grown(Growth::Rows), ROWS, false),
    (
        "growth-partitions",
        Grown(Growth::Partitions),
        PARTITIONS,
        false,
    ),
    ("growth-workers", Grown(Growth::Workers), WORKERS, false),
    ("growth-redis", RedisGrowth, ONE, false),
    ("streams", Streams, &[5_000], false),
    ("queue-joins", QueueJoins, &[256], false),
    ("queue-polls", QueuePolls, &[2_000], false),
    ("replay-once", Closed(Ask::ReplayOnce), BOTH, true),
    ("status-once", Closed(Ask::StatusOnce), BOTH, true),
    ("accept+write", Closed(Ask::Accept), BOTH, true),
    ("mixed", Closed(Ask::Mixed), BOTH, true),
    ("end-to-end", EndToEnd, ONE, true),
    ("rate-5000", Rate(5_000, 1), ONE, true),
    ("rate-10000", Rate(10_000, 12), ONE, true),
    ("connections", Connections, &[256, 18_000, 100_000], true),
    ("soak", Soak, ONE, true),
];

/// The scenarios of these names, one for each size; without names all but the long ones, without sizes the usual ones.
pub fn selected(names: &[String], sizes: &[u32]) -> Result<Vec<Scenario>> {
    let known = || ALL.iter().map(|(name, ..)| *name);
    for name in names {
        let all = known().collect::<Vec<_>>().join(", ");
        let is_known = name == GROWTH || known().any(|it| it == name);
        ensure!(is_known, "there is no scenario {name}; there are {all}");
    }
    let mut selected = Vec::new();
    for (name, kind, usual, with_worker) in ALL {
        let of_size = |size| Scenario {
            name,
            size,
            with_worker,
            kind,
        };
        match (usual, sizes) {
            ([], _) => selected.push(of_size(None)),
            (sizes, []) | (_, sizes) => {
                selected.extend(sizes.iter().map(|size| of_size(Some(*size))));
            }
        }
    }
    selected.retain(|it| it.is_selected_by(names));
    Ok(selected)
}

#[cfg(test)]
mod tests {
    use fluxgate_domain::ids::ProductId;

    use super::*;
    use crate::measure::processes::Part;

    fn named(names: &[&str]) -> Result<Vec<Scenario>> {
        let names: Vec<_> = names.iter().map(|it| (*it).to_owned()).collect();
        selected(&names, &[])
    }

    #[test]
    fn a_round_starts_the_worker_once_and_every_name_fits_into_a_product_id() {
        let all = named(&ALL.map(|(name, ..)| name)).unwrap();
        let pairs = all.windows(2);
        let starts = pairs.filter(|pair| pair[0].with_worker != pair[1].with_worker);
        assert_eq!(starts.count(), 1);
        let mut ids = all.iter().map(|it| ProductId::parse(&it.unique(50)));
        assert!(ids.all(|id| id.is_ok()));
    }

    #[test]
    fn long_scenarios_are_measured_only_if_they_are_asked_for() {
        let long = |names| {
            let selected = named(names).unwrap();
            selected.iter().filter(|it| it.is_long()).count()
        };
        assert_eq!([long(&[]), long(&["soak"]), long(&[GROWTH])], [0, 1, 21]);
        assert_eq!(named(&["bare"]).unwrap().len(), 2);
        let text = named(&["bare", "acept"]).unwrap_err().to_string();
        let names_all = text.contains("acept") && text.contains("end-to-end");
        assert!(names_all, "{text}");
    }

    #[test]
    fn closed_loops_are_held_against_bare_and_drains_against_copy() {
        for (name, ceiling, tested, floor) in [
            ("replay", Some("bare"), Part::Api, Some(0.32)),
            ("accept-1000", Some("accept"), Part::Api, None),
            ("accept-limited", Some("accept"), Part::Api, Some(0.64)),
            ("status-once", Some("bare"), Part::Api, Some(0.32)),
            ("drain", Some("copy"), Part::Worker, Some(0.56)),
            ("drain-completed", Some("drain"), Part::Worker, Some(0.56)),
            ("growth-rows", Some("first"), Part::Worker, None),
            ("redis-batched", None, Part::Redis, None),
        ] {
            let it = &named(&[name]).unwrap()[0];
            let found = (it.ceiling(), it.tested()[0], it.floor());
            assert_eq!(found, (ceiling, tested, floor), "{name}");
        }
    }
}
