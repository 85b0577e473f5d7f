use anyhow::{Context, Result, ensure};
use fluxgate_domain::queue::{QueueSecret, Ticket};

use super::crowd::Crowd;
use super::{Person, QueuedSale};
use crate::order::{Sale, user_id};

/// Nobody may order before the start, whatever ticket they have.
pub async fn before_the_start(sale: &QueuedSale, crowd: &Crowd) -> Result<()> {
    let [ada, bob, ..] = &crowd.people[..] else {
        anyhow::bail!("too few people");
    };
    sale.expect(ada, &ada.text, 409, &["not_your_turn", "sale_not_open"])
        .await?;
    sale.expect_bad_tickets(ada, bob).await
}

/// A ticket that is forged, or of somebody else or another sale, stays invalid; a served one does not buy twice.
pub async fn at_the_end(sale: &QueuedSale, crowd: &Crowd) -> Result<()> {
    let [ada, bob, ..] = &crowd.people[..] else {
        anyhow::bail!("too few people");
    };
    sale.expect_bad_tickets(ada, bob).await
}

impl QueuedSale {
    async fn expect_bad_tickets(&self, ada: &Person, bob: &Person) -> Result<()> {
        let refused = ["invalid_ticket", "sold_out", "sale_not_open"];
        let forger = QueueSecret::new(b"a secret that a forger has invented").context("long")?;
        let other = Sale::unique("other", 1)?.product;
        let first_late = Ticket {
            number: std::num::NonZeroU64::new(1),
            ..ada.ticket
        };
        let product = &self.sale.product;
        for text in [
            bob.text.clone(),
            ada.ticket.sign(&forger, product, self.opens_at),
            first_late.sign(&forger, product, self.opens_at),
            ada.ticket.sign(&self.secret, &other, self.opens_at),
            "x".to_owned(),
        ] {
            self.expect_any(ada, &text, &[403, 409], &refused).await?;
        }
        Ok(())
    }

    async fn expect(
        &self,
        person: &Person,
        ticket: &str,
        status: u16,
        codes: &[&str],
    ) -> Result<()> {
        self.expect_any(person, ticket, &[status], codes).await
    }

    async fn expect_any(
        &self,
        person: &Person,
        ticket: &str,
        statuses: &[u16],
        codes: &[&str],
    ) -> Result<()> {
        let (user, product) = (user_id(person.number), &self.sale.product);
        for n in 0..self.clients.len() {
            let answer = self
                .client(n)
                .order_with(product, &user, "other-key", ticket);
            let (status, problem) = answer.await?;
            let code = problem["code"].as_str().unwrap_or_default();
            let is_refused = statuses.contains(&status) && codes.contains(&code);
            ensure!(is_refused, "{user} with {ticket}: {status} {problem}");
        }
        Ok(())
    }
}
