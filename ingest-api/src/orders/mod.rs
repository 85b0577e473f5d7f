//! Orders: placing, completing and cancelling an order, and reading its status.

mod active_buyers;
mod cancel_order;
mod complete_order;
mod order_reads;
mod order_status;
mod order_view;
mod place_order;
mod refusal;
mod reservation_batcher;

pub use active_buyers::ActiveBuyers;
pub use cancel_order::CancelOrder;
pub use complete_order::{CompleteOrder, Completion};
pub use order_status::{OrderStatusReader, OrderStatuses, StatusError};
pub use order_view::OrderView;
pub use place_order::{Order, PlaceOrder, Placed, Placement, QueuePass};
pub use refusal::Refusal;
pub use reservation_batcher::{ReservationBatcher, ReserveError};
