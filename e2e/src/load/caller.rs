//! Asks the instances of the API and records what they answer.

use std::sync::Arc;

use super::Attempt;
use super::recorder::Recorder;
use crate::answer::Response;
use crate::client::Client;
use crate::exchange::{Exchange, Request};
use crate::order::Sale;

/// A caller of all instances. Cheap to clone; clones share connections.
#[derive(Debug, Clone)]
pub struct Caller {
    pub sales: Arc<[Sale]>,
    pub recorder: Recorder,
    pub clients: Arc<[Client]>,
}

impl Caller {
    pub fn instances(&self) -> u32 {
        self.clients.len() as u32
    }

    /// Asks once.
    pub async fn ask(&self, instance: u32, request: Request) -> Response {
        let attempt = Attempt { request, instance };
        self.send(attempt, 1, self.recorder.now_us()).await
    }

    /// Asks what was due at this time. The first of the tries goes to the attempt's instance, each other to the next.
    pub async fn send(&self, attempt: Attempt, number: u8, due_us: u64) -> Response {
        let Attempt { request, instance } = attempt;
        let instance = instance.wrapping_add(u32::from(number) - 1) % self.instances();
        let sent_us = self.recorder.now_us();
        let sale = &self.sales[usize::from(request.sale)];
        let response = self.clients[instance as usize]
            .send(sale, &request.action)
            .await;
        self.recorder.add(Exchange {
            request,
            instance: instance as u16,
            number,
            due_us,
            sent_us,
            done_us: self.recorder.now_us(),
            response: response.clone(),
        });
        response
    }
}
