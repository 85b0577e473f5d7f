//! Orders of a sale with a queue: taken only in the turn of their ticket.

use std::sync::Arc;

use fluxgate_domain::OrderStatus;
use fluxgate_domain::ids::OrderId;
use fluxgate_domain::queue::Turn;
use fluxgate_gate::QueuePhase;

use super::replay::repeated;
use super::{Order, PlaceOrder, Placed, QueuePass};
use crate::orders::{Refusal, StatusError};
use crate::sales::Sale;

impl PlaceOrder {
    /// Answers an order that comes outside its turn: a known one with what became of it, another one with a refusal. `None` if it
    /// is its turn.
    pub(super) async fn outside_turn(
        &self,
        sale: &Arc<Sale>,
        order_id: OrderId,
        order: &Order,
    ) -> Result<Option<Placed>, Refusal> {
        let refusal = match self.check_turn(sale, order).await {
            Ok(()) => return Ok(None),
            Err(refusal) => refusal,
        };
        let known = match self.statuses.find_with_record(order_id).await {
            Ok(known) => known,
            Err(StatusError::Unknown) => return Err(refusal),
            Err(StatusError::Ledger(_)) => return Err(Refusal::Undecided),
            Err(StatusError::Gate(error)) => return Err(error.into()),
        };
        let placed = match known {
            (view, Some(record)) => {
                let waiting = view.status == OrderStatus::Reserved;
                self.replay(sale, order_id, order, &record, waiting).await
            }
            (view, None) => repeated(order, &view),
        };
        placed.map(Some)
    }

    async fn check_turn(&self, sale: &Arc<Sale>, order: &Order) -> Result<(), Refusal> {
        if matches!(order.pass, QueuePass::Admin) {
            return Ok(());
        }
        let queue = self.queues.of(sale).await.map_err(Box::new)?;
        let mut snapshot = queue.snapshot().await.map_err(Box::new)?;
        if !snapshot.needs_turns() {
            return Ok(());
        }
        let QueuePass::Ticket(text) = &order.pass else {
            return Err(Refusal::TicketMissing);
        };
        let ticket = queue.verify(text, &order.user);
        let ticket = ticket.map_err(|_| Refusal::TicketInvalid)?;
        let position = queue.position(&ticket);
        let is_shown = queue.is_position_shown(&ticket, &snapshot);
        let waits = snapshot.turn(position) == Turn::Waiting;
        // Another instance may have seen the turn begin. Before the start, a slower answer would tell something about places.
        if waits && snapshot.view.mark.is_started && snapshot.may_have_passed(position) {
            snapshot = queue.fresh_snapshot().await.map_err(Box::new)?;
        }
        match snapshot.turn(position) {
            Turn::Open { .. } => Ok(()),
            _ if snapshot.view.phase == QueuePhase::Closed => Err(Refusal::Closed),
            Turn::Over => Err(Refusal::TurnOver),
            Turn::Waiting => Err(Refusal::NotYourTurn {
                ahead: is_shown.then(|| snapshot.ahead(position)),
                estimate: snapshot.estimate(position).filter(|_| is_shown),
            }),
        }
    }
}
