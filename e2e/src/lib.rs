//! Drives the real programs, `ingest-api` and `inventory-worker`, over real Redis, Kafka and PostgreSQL.
//!
//! | module | holds |
//! |---|---|
//! | [`stack`], [`outage`] | the three stores, and how to take one away for a while |
//! | [`doors`] | their encrypted doors, each with a password |
//! | [`fleet`] | Redis with replicas: under Sentinels, or as a Cluster |
//! | [`sandbox`] | names of one's own on shared stores: topics, group, schema, Redis database |
//! | [`process`], [`program`] | a service as a process: start, kill, freeze, ask |
//! | [`client`], [`order`], [`answer`] | one order over HTTP, and what was answered |
//! | [`pacer`] | when what is due at a constant rate |
//! | [`crowd`], [`history`] | many buyers at once, and everything they were told |
//! | [`deployment`] | services that run, and the stores behind them |
//! | [`stores`] | the stores of one deployment: waiting until all is written, everything they say about a sale |
//! | [`truth`] | what PostgreSQL, Redis and Kafka say about a sale |
//! | [`record`] | a single record of Kafka, for tests that put one there |
//! | [`verdict`] | history against truth: what is lost, doubled, oversold, stranded |
//! | [`otlp`] | a receiver of traces, and a picture of one |
//! | [`until`] | waiting for a condition, never for a time |
//! | [`faults`] | runs in which something breaks, each checked against everything that was answered |
//! | [`rehearsal`] | a sale at a constant rate against services that run: what `rehearse` does |
//! | [`scale`] | workers and copies of the API come and go under load: what `scale` does |
//! | [`demo`] | the demonstration that `make demo` runs |

pub mod answer;
mod children;
pub mod client;
mod contract;
pub mod crowd;
pub mod demo;
pub mod deployment;
pub mod doors;
pub mod faults;
pub mod fleet;
pub mod history;
mod http;
pub mod order;
pub mod otlp;
pub mod outage;
pub mod pacer;
pub mod process;
pub mod program;
pub mod record;
pub mod rehearsal;
pub mod sandbox;
pub mod scale;
mod signals;
pub mod stack;
pub mod stores;
mod thousands;
pub mod truth;
pub mod until;
pub mod verdict;
