//! The ceiling of the HTTP scenarios: an actix handler that only parses an order and answers as `ingest-api` does.

use std::net::SocketAddr;

use actix_web::http::header::LOCATION;
use actix_web::web::{Bytes, get, post};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer};
use clap::Parser;
use fluxgate_domain::ids::{IdempotencyKey, OrderId, ProductId, Quantity, Tag, UserId};
use serde::{Deserialize, Serialize};

/// A bare HTTP handler, the ceiling of the benchmarks
#[derive(Parser)]
struct Arguments {
    /// Address and port to listen on
    #[arg(long, env, default_value = "127.0.0.1:18090")]
    http_addr: SocketAddr,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Order {
    #[serde(skip_deserializing)]
    order_id: Option<OrderId>,
    product_id: ProductId,
    user_id: UserId,
    quantity: Quantity,
    #[serde(skip_deserializing)]
    status: &'static str,
}

async fn order(request: HttpRequest, body: Bytes) -> Option<HttpResponse> {
    let mut order: Order = serde_json::from_slice(&body).ok()?;
    let key = request.headers().get("idempotency-key")?.to_str().ok()?;
    let key = IdempotencyKey::parse(key).ok()?;
    let tag = Tag::of(&order.product_id);
    let order_id = OrderId::derive(&order.product_id, tag, 1, &order.user_id, &key);
    order.order_id = Some(order_id);
    order.status = "accepted";
    Some(
        HttpResponse::Accepted()
            .insert_header((LOCATION, format!("/orders/{order_id}")))
            .json(order),
    )
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let arguments = Arguments::parse();
    let app = || {
        let order = async |request, body| {
            let answer = order(request, body).await;
            answer.unwrap_or_else(|| HttpResponse::BadRequest().finish())
        };
        App::new()
            .route("/orders", post().to(order))
            .route("/readyz", get().to(HttpResponse::Ok))
    };
    HttpServer::new(app).bind(arguments.http_addr)?.run().await
}
