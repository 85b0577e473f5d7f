//! Sales with holds: orders that have to be paid.

mod buyer;
mod complete;
mod expiry;
mod losses;
mod terms;
mod unpaid;

use reqwest::{Method, Response};
use serde_json::{Value, json};

use crate::fixture::{App, Stores, TOKEN, Worker, read, unique, until};

/// Of instances whose sales may have holds.
const HOLDS: [&str; 2] = ["--sale-features=holds", "--outbox-relay-interval-ms=100"];

impl App {
    async fn complete(&self, order: &str) -> Response {
        let path = format!("/orders/{order}/complete");
        let post = self.request(Method::POST, &path).bearer_auth(TOKEN);
        post.send().await.unwrap()
    }

    async fn completed(&self, order: &str) -> (u16, Value) {
        let (status, body) = read(self.complete(order).await).await;
        (status.as_u16(), body)
    }

    /// The status of an order.
    async fn status(&self, order: &str) -> String {
        let (status, body) = self.get(&format!("/orders/{order}")).await;
        assert_eq!(status, 200, "{body}");
        body["status"].as_str().unwrap().to_owned()
    }

    /// Opens a sale of this many units with holds; returns its product.
    async fn sale_with_holds(&self, quantity: u32, terms: Value) -> String {
        let product = unique("p");
        let mut body = json!({"quantity": quantity});
        for (name, value) in terms.as_object().unwrap() {
            body[name] = value.clone();
        }
        let (status, answer) = self.open(&product, &body).await;
        assert_eq!(status, 201, "{answer}");
        product
    }

    /// Waits until an order has this status.
    async fn until_status(&self, order: &str, status: &str) {
        until(&format!("the order is {status}"), async || {
            self.status(order).await == status
        })
        .await;
    }

    async fn stock(&self, product: &str) -> [Value; 3] {
        let (_, sale) = self.get(&format!("/products/{product}")).await;
        ["remaining", "held", "status"].map(|name| sale[name].clone())
    }
}

impl Stores {
    async fn sql(&self, statement: &str) {
        self.sql.batch_execute(statement).await.unwrap();
    }
}
