//! Which sales there are: what an instance remembers of them, and how one opens and changes.

mod changes;
mod open;
mod sale;
mod sale_cache;
mod sale_snapshots;

pub use changes::{ChangeError, SaleChanges};
pub use open::{OpenError, Opened, SaleOpener};
pub use sale::Sale;
pub use sale_cache::{SaleCache, SaleLookupError};
pub use sale_snapshots::SaleSnapshots;
