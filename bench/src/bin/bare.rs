//! The ceiling of the HTTP scenarios: actix handlers that answer as `ingest-api` does and do nothing else. One parses an order,
//! another answers the bytes that it was given.

use std::net::SocketAddr;
use std::sync::{PoisonError, RwLock};

use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue, LOCATION};
use actix_web::web::{Bytes, Data, get, post, put};
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

/// What `GET /queue/{product}` answers, whatever the product.
type Document = RwLock<Bytes>;

async fn set_document(document: Data<Document>, body: Bytes) -> HttpResponse {
    *document.write().unwrap_or_else(PoisonError::into_inner) = body;
    HttpResponse::Ok().finish()
}

async fn document(document: Data<Document>) -> HttpResponse {
    const JSON: HeaderValue = HeaderValue::from_static("application/json");
    const CACHE: HeaderValue = HeaderValue::from_static("public, max-age=1");
    let document = document
        .read()
        .unwrap_or_else(PoisonError::into_inner)
        .clone();
    let mut answer = HttpResponse::Ok();
    answer.insert_header((CONTENT_TYPE, JSON));
    answer.insert_header((CACHE_CONTROL, CACHE));
    answer.body(document)
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let arguments = Arguments::parse();
    let shown = Data::new(Document::default());
    let app = move || {
        let order = async |request, body| {
            let answer = order(request, body).await;
            answer.unwrap_or_else(|| HttpResponse::BadRequest().finish())
        };
        App::new()
            .app_data(shown.clone())
            .route("/queue/{product}", put().to(set_document))
            .route("/queue/{product}", get().to(document))
            .route("/orders", post().to(order))
            .route("/readyz", get().to(HttpResponse::Ok))
    };
    HttpServer::new(app).bind(arguments.http_addr)?.run().await
}
