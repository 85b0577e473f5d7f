//! The real programs over the real stores, from the buyer's request to the row.
//!
//! The stores come from the environment (`make test` sets it); each test has a sandbox in them.

mod amendments;
mod changes;
mod clusters;
mod compat;
mod crashes;
mod dead_letters;
mod deployments;
mod encrypted;
mod faults;
mod fixture;
mod held_sale;
mod leaders;
mod limits;
mod lost_logs;
mod million;
mod monitoring;
mod outages;
mod queue;
mod reads;
mod reconciler;
mod reconciler_holds;
mod replays;
mod scaling;
mod sell_out;
mod settings;
mod shop;
mod traces;
