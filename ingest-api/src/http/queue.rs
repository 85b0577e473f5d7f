//! The queue of a sale: joining it, its state, and the place of a ticket.

use std::sync::Arc;

use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue};
use actix_web::web::{Bytes, Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use altcha::Payload;
use fluxgate_domain::ids::{ProductId, QueueMode, UserId};
use fluxgate_domain::queue::{ServedPoint, Ticket, Turn};
use fluxgate_gate::{QueuePhase, QueueView};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Services;
use super::access::Caller;
use super::orders::named;
use super::problem::{Kind, Problem};
use super::request::json_body;
use crate::orders::QueuePass;
use crate::queue::{QueueSnapshot, SaleQueue};

/// The header that carries a ticket.
const TICKET: HeaderName = HeaderName::from_static("fluxgate-ticket");
/// Between which times a page asks for the state again, in milliseconds: a cache in front answers for a second.
const POLL_AFTER_MS: [u64; 2] = [4_000, 6_000];
/// A cache in front answers for a second. While it asks again, which one request of a crowd does, it goes on with what it has, but not
/// for long: people who are let through have to see it.
const STATE_CACHE: HeaderValue =
    HeaderValue::from_static("public, max-age=1, stale-while-revalidate=2");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct JoinRequest {
    #[serde(default, deserialize_with = "named")]
    user_id: Option<UserId>,
    work: Option<Payload>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct JoinAnswer<'a> {
    product_id: &'a ProductId,
    user_id: &'a UserId,
    ticket: &'a str,
    joined: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    number: Option<u64>,
}

/// `POST /queue/{product}`
pub async fn join(
    request: HttpRequest,
    product: Path<String>,
    services: Data<Services>,
) -> Result<HttpResponse, Problem> {
    let caller = services.ordering_caller(&request)?;
    let is_shop = matches!(caller, Caller::Shop);
    let body: JoinRequest = json_body(&request)?;
    let user = services.ordering_user(caller, body.user_id)?;
    let product = ProductId::parse(&product).map_err(Problem::invalid)?;
    let queue = services.queue_of(&product).await?;
    let known = match ticket(&request) {
        Some(text) => place_ahead(&queue, text, &user).await?,
        None => None,
    };
    let (joined, mut answer) = match known {
        Some(ticket) => (queue.sign(ticket), HttpResponse::Ok()),
        None => {
            if !is_shop {
                services.check_work(&queue, &user, body.work.as_ref())?;
            }
            let joined = services.recent_joins.join(&queue, &product, &user);
            (joined.await?, HttpResponse::Created())
        }
    };
    answer.insert_header((CACHE_CONTROL, "no-store"));
    Ok(answer.json(JoinAnswer {
        product_id: &product,
        user_id: &user,
        ticket: &joined.text,
        joined: class(&joined.ticket),
        number: joined.ticket.number.map(Into::into),
    }))
}

/// The ticket with this text, if it is of this user, unless its turn is over.
async fn place_ahead(
    queue: &SaleQueue,
    text: &str,
    user: &UserId,
) -> Result<Option<Ticket>, Problem> {
    let Ok(ticket) = queue.verify(text, user) else {
        return Ok(None);
    };
    let turn = queue.snapshot().await?.turn(queue.position(&ticket));
    Ok((turn != Turn::Over).then_some(ticket))
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct StateAnswer {
    state: &'static str,
    now: Timestamp,
    opens_at: Timestamp,
    joined: u64,
    seed_sha256: String,
    seed: Option<String>,
    served_below: u64,
    served_late: u64,
    clock: u64,
    recent: Vec<[u64; 3]>,
    mode: QueueMode,
    paused: bool,
    admit_per_second: u32,
    turn_seconds: u64,
    remaining: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    held: Option<u32>,
    poll_after_ms: [u64; 2],
}

/// `GET /queue/{product}`: the same for everybody, so that a cache can answer it.
pub async fn state(
    product: Path<String>,
    services: Data<Services>,
) -> Result<HttpResponse, Problem> {
    let product = ProductId::parse(&product).map_err(Problem::invalid)?;
    let queue = services.queue_of(&product).await?;
    let snapshot = queue.snapshot().await?;
    let document = snapshot.document(|| document(&queue, &snapshot));
    let mut head = HttpResponse::Ok();
    head.insert_header((CONTENT_TYPE, JSON));
    head.insert_header((CACHE_CONTROL, STATE_CACHE));
    Ok(head.body(document))
}

fn document(queue: &SaleQueue, snapshot: &QueueSnapshot) -> Bytes {
    let QueueView {
        mark,
        remaining,
        held,
        settings,
        ..
    } = snapshot.view;
    let answer = StateAnswer {
        state: state_name(&snapshot.view),
        now: snapshot.view.seen_at,
        opens_at: queue.opens_at(),
        joined: mark.joined,
        seed_sha256: hex::encode(queue.seed_sha256()),
        seed: queue.shown_seed(snapshot).map(hex::encode),
        served_below: mark.served.served_below,
        served_late: mark.served.served_late,
        clock: mark.clock_ms,
        recent: snapshot.history().points.iter().map(point).collect(),
        mode: settings.mode,
        paused: settings.paused,
        admit_per_second: snapshot.view.admit_per_second,
        turn_seconds: snapshot.view.turn.as_secs(),
        remaining,
        held,
        poll_after_ms: POLL_AFTER_MS,
    };
    let document = serde_json::to_vec(&answer).expect("numbers and texts serialize to JSON");
    document.into()
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct PlaceAnswer {
    state: &'static str,
    turn: &'static str,
    joined: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    number: Option<u64>,
    /// Unknown for those who joined early until the seed is shown.
    ahead: Option<u64>,
    estimate_seconds: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    left_seconds: Option<u64>,
    poll_after_ms: [u64; 2],
}

/// `GET /queue/{product}/place`
pub async fn place(
    request: HttpRequest,
    product: Path<String>,
    services: Data<Services>,
) -> Result<HttpResponse, Problem> {
    let product = ProductId::parse(&product).map_err(Problem::invalid)?;
    let queue = services.queue_of(&product).await?;
    let text = ticket(&request);
    let text = text.ok_or_else(|| Problem::new(Kind::TicketRequired, "send Fluxgate-Ticket"))?;
    let ticket = queue.read(text);
    let ticket = ticket.map_err(|error| Problem::new(Kind::InvalidTicket, error))?;
    let snapshot = queue.snapshot().await?;
    let mut head = HttpResponse::Ok();
    head.insert_header((CACHE_CONTROL, "no-store"));
    Ok(head.json(place_of(&ticket, &queue, &snapshot)))
}

fn place_of(ticket: &Ticket, queue: &SaleQueue, snapshot: &QueueSnapshot) -> PlaceAnswer {
    let position = queue.position(ticket);
    let turn = snapshot.turn(position);
    let waits = turn == Turn::Waiting && queue.is_position_shown(ticket, snapshot);
    let (name, left_ms) = match turn {
        Turn::Waiting => ("waiting", None),
        Turn::Open { left_ms } => ("open", Some(left_ms)),
        Turn::Over => ("over", None),
    };
    let estimate = snapshot.estimate(position).filter(|_| waits);
    PlaceAnswer {
        state: state_name(&snapshot.view),
        turn: name,
        joined: class(ticket),
        number: ticket.number.map(Into::into),
        ahead: waits.then(|| snapshot.ahead(position)),
        estimate_seconds: estimate.map(|it| it.as_secs()),
        left_seconds: left_ms.map(|ms| ms / 1_000),
        poll_after_ms: POLL_AFTER_MS,
    }
}

impl Services {
    async fn queue_of(&self, product: &ProductId) -> Result<Arc<SaleQueue>, Problem> {
        let sale = self.sales.find(product).await?;
        Ok(self.queues.of(&sale).await?)
    }

    /// Checks the proof of work of a user who joins, if this instance asks for one.
    fn check_work(
        &self,
        queue: &SaleQueue,
        user: &UserId,
        work: Option<&Payload>,
    ) -> Result<(), Problem> {
        let Some(proof_of_work) = &self.proof_of_work else {
            return Ok(());
        };
        let key = queue.work_key(user);
        let checked = proof_of_work.check(work, &key);
        checked.map_err(|error| Problem::from(error).with_challenge(proof_of_work.challenge(&key)))
    }
}

/// What lets the order of a request past the queue of its sale.
pub fn queue_pass(request: &HttpRequest, caller: &Caller) -> QueuePass {
    match (caller, ticket(request)) {
        (Caller::Shop, _) => QueuePass::Admin,
        (_, Some(text)) => QueuePass::Ticket(text.into()),
        (_, None) => QueuePass::None,
    }
}

fn ticket(request: &HttpRequest) -> Option<&str> {
    request.headers().get(TICKET)?.to_str().ok()
}

fn class(ticket: &Ticket) -> &'static str {
    match ticket.number {
        None => "early",
        Some(_) => "late",
    }
}

fn point(point: &ServedPoint) -> [u64; 3] {
    let thresholds = point.thresholds;
    [
        point.clock_ms,
        thresholds.served_below,
        thresholds.served_late,
    ]
}

fn state_name(view: &QueueView) -> &'static str {
    match view.phase {
        QueuePhase::Scheduled => "scheduled",
        QueuePhase::Closed => "closed",
        QueuePhase::Open if view.remaining > 0 && view.settings.is_paused() => "paused",
        QueuePhase::Open if view.remaining > 0 => "open",
        QueuePhase::Open if view.held.is_some_and(|held| held > 0) => "all_held",
        QueuePhase::Open => "sold_out",
    }
}
