//! Holds: orders that are not paid in time expire, and their units can be sold again.

mod expiry_pages;
mod expiry_summary;
mod hold_expirer;

pub use expiry_pages::ExpiryPages;
pub use hold_expirer::HoldExpirer;
