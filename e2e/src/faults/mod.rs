//! Runs in which something breaks: a sale with everything that buyers and administrators do, one
//! fault in the middle of it, and afterwards every answer held against what the stores say.
//!
//! | module | holds |
//! |---|---|
//! | [`matrix`], [`results`], [`table`] | every row with every seed, and what came out |
//! | [`run`], [`stage`], [`settle`] | one run: its programs, its fault, its end |
//! | [`rows`] | the faults |
//! | [`links`], [`proxy`], [`topic`] | ways between programs that can be cut; the topic to be changed |
//! | [`market`], [`drivers`], [`caller`] | what is sold, who asks, and how |
//! | [`history`], [`end`] | everything that was answered, everything that is left |
//! | [`checker`] | the one held against the other |

pub mod caller;
pub mod checker;
pub mod drivers;
pub mod end;
pub mod history;
pub mod links;
pub mod market;
pub mod matrix;
pub mod proxy;
pub mod results;
pub mod rows;
pub mod run;
pub mod settle;
pub mod stage;
pub mod table;
pub mod topic;
