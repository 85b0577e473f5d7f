use actix_web::web::Bytes;
use fluxgate_gate::SaleView;

use crate::sales::SaleAnswer;

/// What the streams of one sale have to send. They see only its latest state, so a stream whose client reads slowly skips
/// views and queues none.
#[derive(Debug, Clone, PartialEq)]
pub struct LatestEvent {
    /// Grows with every view that differs from the one before.
    pub number: u64,
    /// Names the view; the `ETag` of `GET /products/{id}`.
    pub id: String,
    /// The view as an event (HTML standard, 9.2.6).
    pub frame: Bytes,
    /// Whether the last read found the view. If it did not, the view may be outdated and nobody is told it.
    pub is_current: bool,
    pub is_closed: bool,
    /// Grows with every heartbeat.
    pub heartbeats: u64,
    /// The share of the streams that have to end because the service stops.
    pub ended_share: f32,
}

impl LatestEvent {
    /// The first view of a sale.
    pub fn new(view: SaleView) -> Self {
        let answer = SaleAnswer::from(view);
        let id = id(&answer);
        Self {
            number: 1,
            frame: frame(&id, &answer),
            is_closed: answer.is_closed(),
            id,
            is_current: true,
            heartbeats: 0,
            ended_share: 0.0,
        }
    }

    /// Takes over what a read found; `None`: no view. Returns whether the view has changed.
    pub fn update(&mut self, view: Option<SaleView>) -> bool {
        let Some(view) = view else {
            self.is_current = false;
            return false;
        };
        let answer = SaleAnswer::from(view);
        self.is_current = true;
        let id = id(&answer);
        if id == self.id {
            return false;
        }
        self.number += 1;
        self.frame = frame(&id, &answer);
        self.is_closed = answer.is_closed();
        self.id = id;
        true
    }
}

fn id(answer: &SaleAnswer) -> String {
    format!("\"{}\"", answer.version())
}

fn frame(id: &str, answer: &SaleAnswer) -> Bytes {
    let data = serde_json::to_string(answer).expect("strings and numbers serialize to JSON");
    format!("event: sale\nid: {id}\ndata: {data}\n\n").into()
}
