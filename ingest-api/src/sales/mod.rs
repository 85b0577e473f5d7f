//! Which sales there are: what a copy remembers of them, and how one opens.

mod catalog;
mod open;
mod sale;

pub use catalog::{Absence, Catalog};
pub use open::{OpenError, Opened, Opener};
pub use sale::Sale;
