//! What all Fluxgate programs agree on. Pure: no I/O, no runtime, no store driver, no command line.
//!
//! | module | holds |
//! |---|---|
//! | [`ids`] | product, user, idempotency key, quantity, order id and hash tag: parsed once, valid ever after |
//! | [`sequence_number`] | the number of a reservation or change, and the series it belongs to |
//! | [`number_set`] | a set of such numbers, one bit each |
//! | [`order_status`] | how far an order has come, and the rank of each status |
//! | [`order_facts`] | what is known about an order beside its event, and its status |
//! | [`Terms`] | what an admin says about a sale |
//! | [`records`] | what Redis keeps of an order and of a change of a sale |
//! | [`queue`] | what the queue of a sale is computed with |
//! | [`partition`] | the Kafka partition of a product |
//! | [`events`] | the events on the topic |
//! | [`batch`] | the records that are written in one transaction |
//! | [`apply`] | what a batch does to orders, ledger and number series |

pub mod apply;
pub mod batch;
pub mod events;
pub mod ids;
pub mod number_set;
pub mod order_facts;
pub mod order_status;
pub mod partition;
pub mod queue;
pub mod records;
pub mod sequence_number;
mod terms;

pub use number_set::NumberSet;
pub use order_facts::OrderFacts;
pub use order_status::OrderStatus;
pub use sequence_number::{NumberSeries, SequenceNumber};
pub use terms::{HoldTerms, QueueTerms, Terms};
