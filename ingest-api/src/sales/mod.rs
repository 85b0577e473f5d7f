//! Which sales there are: what a copy remembers of them, and how one opens and changes.

mod catalog;
mod changes;
mod door;
mod open;
mod sale;
mod views;

pub use catalog::{Absence, Catalog};
pub use changes::{ChangeError, Changes};
pub use door::{Closure, Door, Orders, Room, Sign as DoorSign};
pub use open::{OpenError, Opened, Opener};
pub use sale::Sale;
pub use views::Views;
