use anyhow::{Context, Result, ensure};
use fluxgate_domain::queue::{QueueSecret, Ticket};

use super::crowd::Crowd;
use super::{Person, QueuedSale};
use crate::order::{Sale, user_id};

/// Nobody may order before the start: with their own ticket it is not their turn, and any other one is invalid.
pub async fn before_the_start(sale: &QueuedSale, crowd: &Crowd) -> Result<()> {
    let [ada, bob, ..] = &crowd.people[..] else {
        anyhow::bail!("too few people");
    };
    sale.expect(ada, &ada.text, 409, "not_your_turn").await?;
    for ticket in sale.bad_tickets(ada, bob)? {
        sale.expect(ada, &ticket, 403, "invalid_ticket").await?;
    }
    Ok(())
}

impl QueuedSale {
    /// Tickets with which Ada may not order: of somebody else, forged, of another sale, and none.
    fn bad_tickets(&self, ada: &Person, bob: &Person) -> Result<[String; 5]> {
        let forger = QueueSecret::new(b"a secret that a forger has invented").context("long")?;
        let other = Sale::unique("other", 1)?.product;
        let first_late = Ticket {
            number: std::num::NonZeroU64::new(1),
            ..ada.ticket
        };
        let product = &self.sale.product;
        Ok([
            bob.text.clone(),
            ada.ticket.sign(&forger, product, self.opens_at),
            first_late.sign(&forger, product, self.opens_at),
            ada.ticket.sign(&self.secret, &other, self.opens_at),
            "x".to_owned(),
        ])
    }

    /// Every instance refuses a person's order with this ticket.
    async fn expect(&self, person: &Person, ticket: &str, status: u16, code: &str) -> Result<()> {
        let (user, product) = (user_id(person.number), &self.sale.product);
        for client in &self.clients {
            let answer = client.order_with(product, &user, "other-key", ticket);
            let (answered, problem) = answer.await?;
            let is_refused = answered == status && problem["code"] == code;
            ensure!(is_refused, "{user} with {ticket}: {answered} {problem}");
        }
        Ok(())
    }
}
