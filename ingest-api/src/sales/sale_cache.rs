use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use fluxgate_domain::ids::ProductId;
use fluxgate_domain::records::OrderRecord;
use fluxgate_domain::{HoldTerms, NumberSeries, OrderStatus, SequenceNumber};
use fluxgate_gate::{GateError, ReservationStore, SaleView};
use fluxgate_ledger::{LedgerEntry, LedgerReader, ReadClass, Unavailable};
use fluxgate_service::essential_tasks::EssentialTasks;
use jiff::Timestamp;
use quick_cache::sync::Cache;

use super::{Sale, WatchedSale, over};
use crate::boot_instant::BootInstant;
use crate::metrics::Metrics;
use crate::read_batcher::{BatchRead, ReadLimits, RowBatchers};

/// Sales that an instance remembers; each exists in Redis. An evicted sale is read again, from Redis and the ledger.
const SALES_MAX: usize = 65_536;
/// Answers of the ledger that an instance remembers, also about products that have no sale.
const LEDGER_ANSWERS_MAX: usize = 10_000;
/// How long an answer of the ledger about a product is reused.
const LEDGER_ANSWER_TTL: Duration = Duration::from_secs(1);
/// Sales whose highest numbers are read in one query.
const SERIES_PER_QUERY: usize = 500;

/// Finds sales: in memory, else in Redis, else in the ledger.
pub struct SaleCache {
    store: ReservationStore,
    ledger: Option<Ledger>,
    sales: Cache<ProductId, Arc<Sale>>,
    ledger_answers: Cache<ProductId, (Instant, Result<Option<LedgerEntry>, Unavailable>)>,
}

/// The ledger, with the queues of its reads of sales.
struct Ledger {
    reader: LedgerReader,
    sales: RowBatchers<SaleRows>,
}

/// Sales in PostgreSQL.
struct SaleRows(LedgerReader, ReadClass);

impl BatchRead for SaleRows {
    type Key = ProductId;
    type Value = Option<LedgerEntry>;
    type Error = Unavailable;
    const KEYS_MAX: usize = LedgerReader::KEYS_MAX;

    fn name(&self) -> &'static str {
        match self.1 {
            ReadClass::Known => "sale_rows",
            ReadClass::Unknown => "unknown_sale_rows",
        }
    }

    async fn read(&self, products: &[ProductId]) -> Vec<Result<Self::Value, Unavailable>> {
        self.0.entries(self.1, products).await
    }

    fn not_made() -> Unavailable {
        Unavailable
    }
}

/// Why no sale was found.
#[derive(Debug, thiserror::Error)]
pub enum SaleLookupError {
    /// No store knows the sale.
    #[error("no sale of this product")]
    Unknown,
    /// The sale is over: it has ended, and its records in Redis have expired. Its view, from the ledger.
    #[error("the sale is closed")]
    Over(Box<SaleView>),
    /// The ledger has the sale, Redis has lost it.
    #[error("Redis has lost the data of this sale")]
    Lost,
    /// Redis does not have the sale, and PostgreSQL, which might, is unavailable.
    #[error("PostgreSQL is unavailable")]
    Undecided,
    /// Redis gave no usable answer.
    #[error(transparent)]
    Gate(#[from] GateError),
}

impl SaleCache {
    /// An empty cache. Without a ledger, a product that Redis does not know is unknown.
    pub fn new(
        store: ReservationStore,
        ledger: Option<LedgerReader>,
        limits: ReadLimits,
        metrics: &Metrics,
        tasks: &EssentialTasks,
    ) -> Self {
        let ledger = ledger.map(|reader| {
            let rows = |class| SaleRows(reader.clone(), class);
            Ledger {
                sales: RowBatchers::start(rows, limits, metrics, tasks),
                reader,
            }
        });
        Self {
            store,
            ledger,
            sales: Cache::new(SALES_MAX),
            ledger_answers: Cache::new(LEDGER_ANSWERS_MAX),
        }
    }

    /// The sale of a product.
    ///
    /// # Errors
    /// If there is none, with the reason.
    pub async fn find(&self, product: &ProductId) -> Result<Arc<Sale>, SaleLookupError> {
        if let Some(sale) = self.sales.get(product) {
            return Ok(sale);
        }
        // Boxed: a rare, large future would enlarge the one of every order.
        match Box::pin(self.find_in_redis(product)).await? {
            Some(sale) => Ok(sale),
            None => Err(Box::pin(self.lookup_error(product)).await),
        }
    }

    /// The sale of a product, from memory or Redis; `None` if neither has it.
    ///
    /// # Errors
    /// If Redis gave no usable answer.
    pub async fn find_in_redis(&self, product: &ProductId) -> Result<Option<Arc<Sale>>, GateError> {
        if let Some(sale) = self.sales.get(product) {
            return Ok(Some(sale));
        }
        let Some(view) = self.store.sale(product).await? else {
            return Ok(None);
        };
        // An instance that starts after Redis lost writes has seen no number yet, but the ledger has.
        let high_water_mark = match self.ledger_entry(ReadClass::Known, product).await {
            Ok(Some(entry)) => entry.highest,
            Ok(None) | Err(Unavailable) => SequenceNumber::default(),
        };
        let new = Arc::new(Sale::new(view.facts, high_water_mark));
        let sale = self
            .sales
            .get_or_insert_with(product, || Ok::<_, Infallible>(new));
        Ok(sale.ok())
    }

    /// The terms of holds of a sale that has an order; `None` if there are none, or if Redis does not have the sale.
    ///
    /// # Errors
    /// If Redis gave no usable answer.
    pub async fn hold_terms(&self, sale: &Sale) -> Result<Option<HoldTerms>, GateError> {
        sale.hold_terms(&self.store).await
    }

    /// Until when an order with this status has to be paid; `None` if it need not be, or if Redis does not say.
    pub async fn expires_at(
        &self,
        sale: &Sale,
        record: &OrderRecord,
        status: OrderStatus,
    ) -> Option<Timestamp> {
        if !sale.facts.has_holds || !status.is_held() || !record.is_held() {
            return None;
        }
        // Boxed: a rare, large future would enlarge the one of every order.
        let terms = Box::pin(self.hold_terms(sale)).await;
        Some(terms.ok()??.expires_at(record.placed_at))
    }

    /// The sale of a product, if it is in memory.
    pub fn remembered_sale(&self, product: &ProductId) -> Option<Arc<Sale>> {
        self.sales.get(product)
    }

    /// Every sale in memory.
    pub fn remembered(&self) -> Vec<Arc<Sale>> {
        self.sales.iter().map(|(_, sale)| sale).collect()
    }

    /// Raises the high-water mark of every remembered sale to the highest number in the ledger. Otherwise this instance
    /// would keep selling from a Redis that has lost writes which only other instances saw, or the stop of a rebuild.
    pub async fn refresh_high_water_marks(&self) {
        let Some(ledger) = &self.ledger else {
            return;
        };
        let sales = self.remembered();
        for chunk in sales.chunks(SERIES_PER_QUERY) {
            let series: Vec<&NumberSeries> = chunk.iter().map(|sale| &sale.series).collect();
            let named = chunk.iter().map(|sale| (sale.series.as_str(), sale));
            let sales: HashMap<&str, &Arc<Sale>> = named.collect();
            // An unavailable PostgreSQL does not stop a sale.
            for (series, highest) in ledger.reader.highest(&series).await.unwrap_or_default() {
                let sale = sales.get(&*series).into_iter();
                sale.for_each(|sale| sale.observe(highest));
            }
        }
    }

    /// Drops refusals whose leases expired before `then`, and the orders that they kept in memory.
    pub fn clear_expired_refusals(&self, then: BootInstant) {
        for (_, sale) in self.sales.iter() {
            sale.refusals.clear_expired(then);
        }
    }

    /// Forgets a sale that Redis no longer agrees with, and the ledger's last answer about it, which may be older than
    /// the sale's row.
    pub fn forget(&self, product: &ProductId) {
        self.sales.remove(product);
        self.ledger_answers.remove(product);
    }

    /// Why Redis does not have a sale, or an order of it, that this instance remembers. Forgets the sale: what is
    /// remembered says nothing about whether it has been retired since.
    pub async fn why_missing(&self, product: &ProductId) -> SaleLookupError {
        self.forget(product);
        match self.find_in_redis(product).await {
            // Redis has the sale again, or has only part of it.
            Ok(Some(_)) => SaleLookupError::Lost,
            Ok(None) => self.lookup_error(product).await,
            Err(error) => error.into(),
        }
    }

    /// Why Redis has no sale of this product.
    pub async fn lookup_error(&self, product: &ProductId) -> SaleLookupError {
        match self.ledger_entry(ReadClass::Unknown, product).await {
            Ok(None) => SaleLookupError::Unknown,
            Ok(Some(entry)) if over::has_ended(&entry) => match over::view(product, &entry) {
                Some(view) => SaleLookupError::Over(Box::new(view)),
                None => SaleLookupError::Undecided,
            },
            Ok(Some(_)) => SaleLookupError::Lost,
            Err(Unavailable) => SaleLookupError::Undecided,
        }
    }

    /// What operators watch of a sale: from Redis, not from memory.
    ///
    /// # Errors
    /// If there is no such sale, or Redis gave no usable answer.
    pub async fn watch(&self, product: &ProductId) -> Result<WatchedSale, SaleLookupError> {
        if let Some(figures) = self.store.figures(product).await? {
            let entry = self.ledger_entry(ReadClass::Known, product).await;
            return Ok(WatchedSale::of(figures, entry.ok().flatten().as_ref()));
        }
        match self.lookup_error(product).await {
            SaleLookupError::Over(view) => Ok(WatchedSale::over(*view)),
            error => Err(error),
        }
    }

    /// The ledger's entry, at most a second old. Concurrent callers for one product share one read.
    async fn ledger_entry(
        &self,
        class: ReadClass,
        product: &ProductId,
    ) -> Result<Option<LedgerEntry>, Unavailable> {
        let Some(ledger) = &self.ledger else {
            return Ok(None);
        };
        let is_expired = |read_at: Instant| read_at.elapsed() >= LEDGER_ANSWER_TTL;
        self.ledger_answers
            .remove_if(product, |(read_at, _)| is_expired(*read_at));
        let read = async {
            let entry = ledger.sales.read(class, product.clone()).await;
            Ok::<_, Infallible>((Instant::now(), entry))
        };
        match self.ledger_answers.get_or_insert_async(product, read).await {
            Ok((_, answer)) => answer,
            Err(never) => match never {},
        }
    }
}
