use std::collections::BTreeSet;

use tokio::time::Instant;

use super::Plan;
use crate::answer::Outcome;
use crate::history::History;
use crate::thousands::thousands;

/// What happens, line by line, with the seconds since the beginning.
pub struct Story {
    begin: Instant,
}

impl Story {
    /// Says what is going to happen.
    pub fn begin(plan: &Plan) -> Self {
        println!(
            "Fluxgate sells {} units to {} buyers. Each buyer has one order and sends it two or three\n\
             times with the same idempotency key; all race over {} connections.\n",
            thousands(u64::from(plan.units)),
            thousands(u64::from(plan.buyers)),
            plan.connections,
        );
        Self {
            begin: Instant::now(),
        }
    }

    /// Tells what just happened.
    pub fn tell(&mut self, event: &str) {
        println!("{:6.2} s  {event}", self.begin.elapsed().as_secs_f64());
    }

    /// Tells how far the crowd is.
    pub fn progress(&mut self, requests: usize, history: &History) {
        let ids = history
            .answers()
            .iter()
            .filter_map(|it| it.outcome.order_id());
        let accepted = ids.collect::<BTreeSet<_>>().len();
        let answered = history.answers().len();
        self.tell(&format!(
            "{answered:>7} of {requests} requests answered, {accepted} orders accepted, {} times sold out",
            history.count(Outcome::is_sold_out),
        ));
    }
}
