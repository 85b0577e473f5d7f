use std::sync::Arc;
use std::time::{Duration, Instant};

use fluxgate_domain::ids::ProductId;
use jiff::Timestamp;
use quick_cache::sync::Cache;

use super::Sale;
use crate::boot_instant::BootInstant;
use crate::ledger::{Entry, Ledger, Unavailable};
use fluxgate_domain::SequenceNumber;
use fluxgate_gate::{GateError, ReservationStore};

/// Sales that one copy remembers. One that falls out is read again.
const SALES_MAX: usize = 10_000;
/// How long the ledger's word on a product is taken without asking again.
const LEDGER_ANSWER_KEPT: Duration = Duration::from_secs(1);

/// Sales whose numbers are asked for in one query.
const SERIES_PER_QUERY: usize = 500;

/// Finds sales: in memory, else in Redis, else in the ledger.
pub struct SaleCache {
    store: ReservationStore,
    ledger: Option<Ledger>,
    sales: Cache<ProductId, Arc<Sale>>,
    ledger_answers: Cache<ProductId, (Instant, Result<Option<Entry>, Unavailable>)>,
}

/// Why there is no sale to sell from.
#[derive(Debug, thiserror::Error)]
pub enum SaleLookupError {
    /// No store has ever heard of it.
    #[error("there is no sale of this product")]
    Unknown,
    /// It is over, and Redis has forgotten it.
    #[error("the sale is over")]
    Closed,
    /// The ledger has it, Redis does not: its data is lost.
    #[error("the sale's data in Redis is lost")]
    Lost,
    /// Nobody can tell: Redis does not have it, and PostgreSQL does not answer.
    #[error("PostgreSQL does not answer")]
    Undecided,
    /// Redis gave no usable answer.
    #[error(transparent)]
    ReservationStore(#[from] GateError),
}

impl SaleCache {
    /// An empty sales. Without a ledger, a product that Redis does not know is unknown.
    pub fn new(store: ReservationStore, ledger: Option<Ledger>) -> Self {
        Self {
            store,
            ledger,
            sales: Cache::new(SALES_MAX),
            ledger_answers: Cache::new(SALES_MAX),
        }
    }

    /// The sale of a product.
    ///
    /// # Errors
    /// When there is none to sell from, with the reason.
    pub async fn find(&self, product: &ProductId) -> Result<Arc<Sale>, SaleLookupError> {
        if let Some(sale) = self.sales.get(product) {
            return Ok(sale);
        }
        // In a box: every order would carry the room that only this takes.
        match Box::pin(self.find_in_redis(product)).await? {
            Some(sale) => Ok(sale),
            None => Err(Box::pin(self.lookup_error(product)).await),
        }
    }

    /// The sale of a product, from memory or Redis; `None` where neither has it.
    ///
    /// # Errors
    /// When Redis gave no usable answer.
    pub async fn find_in_redis(&self, product: &ProductId) -> Result<Option<Arc<Sale>>, GateError> {
        if let Some(sale) = self.sales.get(product) {
            return Ok(Some(sale));
        }
        let Some(view) = self.store.sale(product).await? else {
            return Ok(None);
        };
        // A copy that starts after Redis was rolled back has seen nothing yet: the ledger has.
        let high_water_mark = match self.ledger_entry(product).await {
            Ok(Some(entry)) => entry.highest,
            Ok(None) | Err(Unavailable) => SequenceNumber::default(),
        };
        let fresh = Arc::new(Sale::new(view.facts, high_water_mark));
        let sale = self
            .sales
            .get_or_insert_with(product, || Ok::<_, std::convert::Infallible>(fresh));
        Ok(sale.ok())
    }

    /// Learns how far the ledger is with every sale that this copy remembers: a Redis that has lost
    /// what other copies saw, or was stopped for a rebuild and lost that, must not sell through this
    /// one either.
    pub async fn refresh_high_water_marks(&self) {
        let Some(ledger) = &self.ledger else {
            return;
        };
        let sales: Vec<Arc<Sale>> = self.sales.iter().map(|(_, sale)| sale).collect();
        for some in sales.chunks(SERIES_PER_QUERY) {
            let products: Vec<&str> = some.iter().map(|s| s.facts.product.as_str()).collect();
            // A silent PostgreSQL does not stop a sale.
            for (product, highest) in ledger.highest(&products).await.unwrap_or_default() {
                let sale = some.iter().find(|s| s.facts.product.as_str() == product);
                sale.into_iter().for_each(|sale| sale.observe(highest));
            }
        }
    }

    /// Takes down signs that ran out a while ago, and with them the orders they kept in memory.
    pub fn clear_expired_refusals(&self, then: BootInstant) {
        for (_, sale) in self.sales.iter() {
            sale.refusals.clear_expired(then);
        }
    }

    /// Forgets what is remembered of a sale, because Redis no longer agrees. The ledger is asked
    /// anew, too: its last word may be from before the sale was written there.
    pub fn forget(&self, product: &ProductId) {
        self.sales.remove(product);
        self.ledger_answers.remove(product);
    }

    /// Why Redis has no sale of this product.
    pub async fn lookup_error(&self, product: &ProductId) -> SaleLookupError {
        match self.ledger_entry(product).await {
            Ok(None) => SaleLookupError::Unknown,
            Ok(Some(entry)) if entry.closes_at.is_some_and(|at| at <= Timestamp::now()) => {
                SaleLookupError::Closed
            }
            Ok(Some(_)) => SaleLookupError::Lost,
            Err(Unavailable) => SaleLookupError::Undecided,
        }
    }

    /// The ledger's word, at most a second old; one caller at a time asks for a product.
    async fn ledger_entry(&self, product: &ProductId) -> Result<Option<Entry>, Unavailable> {
        let Some(ledger) = &self.ledger else {
            return Ok(None);
        };
        let is_old = |asked: Instant| asked.elapsed() >= LEDGER_ANSWER_KEPT;
        self.ledger_answers
            .remove_if(product, |(asked, _)| is_old(*asked));
        let ask = async {
            Ok::<_, std::convert::Infallible>((Instant::now(), ledger.entry(product).await))
        };
        match self.ledger_answers.get_or_insert_async(product, ask).await {
            Ok((_, answer)) => answer,
            Err(never) => match never {},
        }
    }
}
