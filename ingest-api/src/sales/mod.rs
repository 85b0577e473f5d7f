//! Sales: what an instance remembers of them, and how a sale is opened, restocked and closed.

mod change_error;
mod loss_policy;
mod over;
mod published_entry;
mod sale;
mod sale_amender;
mod sale_answer;
mod sale_cache;
mod sale_changes;
mod sale_opener;
mod sale_snapshots;
mod watched_sale;

pub use change_error::ChangeError;
pub use loss_policy::LossPolicy;
pub use over::WrittenSales;
pub use published_entry::{PublishedEntry, Publisher, publish_change};
pub use sale::Sale;
pub use sale_amender::SaleAmender;
pub use sale_answer::SaleAnswer;
pub use sale_cache::{SaleCache, SaleLookupError};
pub use sale_changes::{NotedCompletion, SaleChanges};
pub use sale_opener::{OpenError, Opened, SaleOpener};
pub use sale_snapshots::SaleSnapshots;
pub use watched_sale::WatchedSale;
