//! Which sales there are: what a copy remembers of them, and how one opens and changes.

mod catalog;
mod changes;
mod open;
mod sale;

pub use catalog::{Absence, Catalog};
pub use changes::{ChangeError, Changes};
pub use open::{OpenError, Opened, Opener};
pub use sale::Sale;
