//! Every request of a run and its answer, also as JSON lines in a file.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result};
use fluxgate_domain::ids::{IdempotencyKey, OrderId, RestockId};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::answer::Status;
use crate::checker::{
    AdminAnswer, AdminCall, AdminOutcome, Answer, History, OrderAnswer, StatusRead,
};
use crate::order::Sale;

/// A request and its answer. Times are microseconds since the run began.
#[derive(Debug, Clone, Serialize)]
pub struct Exchange {
    pub request: Request,
    /// Which instance of the API was asked, from 0.
    pub instance: usize,
    pub sent_us: u64,
    /// When the answer was complete, or the caller stopped waiting.
    pub done_us: u64,
    pub response: Response,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct Request {
    pub product: String,
    pub action: Action,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    Order { buyer: u32, quantity: u32 },
    ReadStatus(OrderId),
    ReadSale,
    Cancel(OrderId),
    Restock { key: String, units: u32 },
    Close,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Response {
    Order(OrderShown),
    Sale(SaleShown),
    /// A problem: its HTTP status and its code.
    Refused(u16, String),
    /// The request may have had its effect or not.
    NoAnswer(String),
    /// An answer that the contract does not have.
    Unexpected(String),
}

/// A sale in an answer.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct SaleShown {
    total: i64,
    remaining: i64,
}

/// An order in an answer.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct OrderShown {
    pub id: OrderId,
    pub status: Status,
    pub replayed: bool,
}

impl Request {
    pub fn is_order(&self) -> bool {
        matches!(self.action, Action::Order { .. })
    }

    pub fn is_read(&self) -> bool {
        matches!(self.action, Action::ReadStatus(_) | Action::ReadSale)
    }

    fn admin_call(&self, sale: &Sale) -> Option<AdminCall> {
        match &self.action {
            Action::Cancel(id) => Some(AdminCall::Cancel(*id)),
            Action::Restock { key, units } => {
                let key = IdempotencyKey::parse(key).ok()?;
                let change_id = RestockId::derive(&sale.product, &key).to_string();
                let units = i64::from(*units);
                Some(AdminCall::Restock { change_id, units })
            }
            Action::Close => Some(AdminCall::Close),
            _ => None,
        }
    }
}

impl Response {
    /// Whether it leaves open what became of the request: only a repeat can tell.
    pub fn is_undecided(&self) -> bool {
        match self {
            Self::Order(_) | Self::Sale(_) => false,
            Self::Refused(http, _) => *http >= 500,
            Self::NoAnswer(_) | Self::Unexpected(_) => true,
        }
    }

    pub fn order(&self) -> Option<OrderShown> {
        match self {
            Self::Order(order) => Some(*order),
            _ => None,
        }
    }

    /// As an answer to an order; none where the contract does not have it.
    fn answer(&self) -> Option<Answer> {
        match self {
            Self::Order(order) => Some(Answer::Placed {
                id: order.id,
                status: order.status,
                replayed: order.replayed,
            }),
            Self::Refused(http, code) => Answer::refused(*http, code),
            Self::NoAnswer(_) => Some(Answer::Undecided),
            Self::Sale(_) | Self::Unexpected(_) => None,
        }
    }

    /// As an answer to an admin call; none where the contract does not have it.
    fn outcome(&self, call: &AdminCall) -> Option<AdminOutcome> {
        let done = match call {
            AdminCall::Cancel(_) => self
                .order()
                .is_some_and(|it| it.status == Status::Cancelled),
            AdminCall::Restock { .. } | AdminCall::Close => self.is_possible_sale(),
        };
        match self.answer() {
            _ if done => Some(AdminOutcome::Done),
            Some(Answer::SaleClosed) => Some(AdminOutcome::SaleClosed),
            Some(Answer::Undecided) => Some(AdminOutcome::Undecided),
            _ => None,
        }
    }

    fn is_possible_sale(&self) -> bool {
        matches!(self, Self::Sale(sale) if (0..=sale.total).contains(&sale.remaining))
    }
}

/// What the checker needs of the exchanges about one sale.
pub fn of_sale(sale: &Sale, exchanges: &[Exchange]) -> History {
    let mut history = History::default();
    history.expectations.final_status_read = true;
    let product = sale.product.as_str();
    for it in exchanges.iter().filter(|it| it.request.product == product) {
        if !add(&mut history, sale, it) {
            let text = format!("{:?} was answered {:?}", it.request, it.response);
            history.unexpected.push(text);
        }
    }
    history
}

/// Adds one exchange; false where the contract does not have its answer.
fn add(history: &mut History, sale: &Sale, exchange: &Exchange) -> bool {
    let (request, response) = (&exchange.request, &exchange.response);
    let (sent_us, done_us) = (exchange.sent_us, exchange.done_us);
    if let Action::Order { buyer, quantity } = request.action {
        let expected = response.answer();
        let answer = expected.unwrap_or(Answer::Undecided);
        let placed = OrderAnswer {
            sent_us,
            done_us,
            buyer,
            quantity,
            answer,
        };
        history.orders.push(placed);
        return expected.is_some();
    }
    if let Some(call) = request.admin_call(sale) {
        let expected = response.outcome(&call);
        let outcome = expected.unwrap_or(AdminOutcome::Undecided);
        let answer = AdminAnswer {
            sent_us,
            done_us,
            call,
            outcome,
        };
        history.admin_calls.push(answer);
        return expected.is_some();
    }
    match (&request.action, response) {
        (Action::ReadStatus(_), Response::Order(OrderShown { id, status, .. })) => {
            let (id, status) = (*id, *status);
            let read = StatusRead {
                sent_us,
                done_us,
                id,
                status,
            };
            history.status_reads.push(read);
            true
        }
        (Action::ReadSale, Response::Sale(_)) => response.is_possible_sale(),
        _ => response.answer() == Some(Answer::Undecided),
    }
}

/// Records a history. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Recorder {
    begin: Instant,
    recorded: Arc<Mutex<Recorded>>,
}

#[derive(Debug)]
struct Recorded {
    exchanges: Vec<Exchange>,
    file: BufWriter<File>,
}

/// Something that was done to the system, between the exchanges in the file.
#[derive(Serialize)]
struct Mark<'a> {
    mark: &'a str,
    at_us: u64,
}

impl Recorder {
    /// Records into a new file at `path`.
    pub fn to(path: &Path) -> Result<Self> {
        let file = File::create(path).with_context(|| format!("creating {}", path.display()))?;
        let (exchanges, file) = (Vec::new(), BufWriter::new(file));
        Ok(Self {
            begin: Instant::now(),
            recorded: Arc::new(Mutex::new(Recorded { exchanges, file })),
        })
    }

    /// Microseconds since the run began.
    pub fn now_us(&self) -> u64 {
        u64::try_from(self.begin.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    pub fn mark(&self, what: &str) {
        let mark = Mark {
            mark: what,
            at_us: self.now_us(),
        };
        self.recorded().write(&mark);
    }

    pub fn add(&self, exchange: Exchange) {
        let mut recorded = self.recorded();
        recorded.write(&exchange);
        recorded.exchanges.push(exchange);
    }

    /// The exchanges so far. The file is complete when this returns.
    pub fn exchanges(&self) -> Vec<Exchange> {
        let mut recorded = self.recorded();
        let _ = recorded.file.flush();
        recorded.exchanges.clone()
    }

    fn recorded(&self) -> MutexGuard<'_, Recorded> {
        self.recorded.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Recorded {
    /// A history that cannot be written to its file is still checked.
    fn write(&mut self, line: &impl Serialize) {
        if let Ok(text) = serde_json::to_string(line) {
            let _ = writeln!(self.file, "{text}");
        }
    }
}
