use super::*;

#[tokio::test]
async fn a_completion_is_answered_when_the_row_says_so_and_repeats_answer_the_same() {
    let stores = Stores::new().await;
    let apps = [stores.app(&HOLDS).await, stores.app(&HOLDS).await];
    let app = &apps[0];
    let product = app.sale_with_holds(2, json!({"holdSeconds": 600})).await;
    let id = app.place(&product, "ada", 1, "a").await;
    let began = std::time::Instant::now();
    for _ in 0..2 {
        let answer = app.complete(&id).await;
        assert_eq!(answer.headers()["retry-after"], "1");
        let (status, order) = read(answer).await;
        assert_eq!(
            (status.as_u16(), &order["status"]),
            (202, &json!("accepted"))
        );
    }
    assert!(began.elapsed().as_secs_f64() < 6.0, "{:?}", began.elapsed());
    // Redis counts it at once, and nobody is told before the row says so.
    assert_eq!(
        app.stock(&product).await,
        [json!(1), json!(0), json!("open")]
    );
    assert_eq!(app.status(&id).await, "accepted");
    let waiting = async { app.completed(&id).await };
    let (answered, _worker) = tokio::join!(waiting, Worker::start(&stores));
    assert!([200, 202].contains(&answered.0), "{answered:?}");
    app.until_status(&id, "completed").await;
    for app in &apps {
        let (status, order) = app.completed(&id).await;
        assert_eq!((status, &order["status"]), (200, &json!("completed")));
        assert!(order.get("expiresAt").is_none(), "{order}");
        let retry = app.order(&product, "ada", 1, "a").await;
        let (status, order) = read(retry).await;
        assert_eq!(
            (status.as_u16(), &order["status"]),
            (202, &json!("completed"))
        );
    }
}

#[tokio::test]
async fn an_order_that_is_not_held_is_not_completed() {
    let stores = Stores::new().await;
    let (app, _worker) = (stores.app(&HOLDS).await, Worker::start(&stores).await);
    let product = app.sale_with_holds(5, json!({"holdSeconds": 600})).await;
    let refused = async |id: &str, code: &str| {
        for _ in 0..2 {
            let (status, problem) = app.completed(id).await;
            assert_eq!((status, &problem["code"]), (409, &json!(code)), "{problem}");
        }
    };
    let cancelled = app.place(&product, "ada", 1, "a").await;
    assert_eq!(app.cancel(&cancelled).await.0, 200);
    refused(&cancelled, "order_cancelled").await;

    let refunded = app.place(&product, "bob", 1, "b").await;
    assert_eq!(app.completed(&refunded).await.0, 200);
    assert_eq!(app.cancel(&refunded).await.0, 200);
    refused(&refunded, "order_cancelled").await;
    assert_eq!(
        app.stock(&product).await,
        [json!(5), json!(0), json!("open")]
    );

    let plain = app.sale(1).await;
    let without_hold = app.place(&plain, "cid", 1, "c").await;
    refused(&without_hold, "no_hold").await;

    for unknown in ["no-id", "01a1fb67-1800-897f-98f2-381895f55db8"] {
        let (status, problem) = app.completed(unknown).await;
        assert_eq!((status, &problem["code"]), (404, &json!("unknown_order")));
    }
    let path = format!("/orders/{without_hold}/complete");
    let without_token = app.request(Method::POST, &path).send().await.unwrap();
    assert_eq!(without_token.status(), 401);
}

#[tokio::test]
async fn the_row_has_the_last_word_on_a_completion() {
    let stores = Stores::new().await;
    let app = stores.app(&HOLDS).await;
    let product = app.sale_with_holds(9, json!({"holdSeconds": 600})).await;
    for (user, status, refused, answer) in [
        ("ada", "expired", true, (409, "order_expired")),
        ("bob", "rejected", true, (409, "order_rejected")),
        ("cid", "cancelled", false, (409, "order_cancelled")),
        ("dan", "completed", false, (200, "")),
        // The worker has read the expiry and not yet the completion.
        ("eve", "expired", false, (202, "")),
    ] {
        let id = app.place(&product, user, 1, user).await;
        let row = format!(
            "INSERT INTO orders (order_id, product_id, user_id, quantity, epoch, sequence, status, placed_at, completion_refused)
             VALUES ('{id}', '{product}', '{user}', 1, 1, 9, '{status}', now(), {refused})"
        );
        stores.sql(&row).await;
        let (status, body) = app.completed(&id).await;
        let code = body["code"].as_str().unwrap_or_default();
        assert_eq!((status, code), answer, "{user}: {body}");
        if answer.0 == 409 {
            assert_eq!(body["orderId"], id);
        }
    }
}

#[tokio::test]
async fn an_order_that_redis_no_longer_has_is_answered_from_its_row() {
    let stores = Stores::new().await;
    let (app, worker) = (stores.app(&HOLDS).await, Worker::start(&stores).await);
    let product = app.sale_with_holds(9, json!({"holdSeconds": 600})).await;
    let paid = app.place(&product, "ada", 1, "a").await;
    let unpaid = app.place(&product, "bob", 1, "b").await;
    assert_eq!(app.completed(&paid).await.0, 200);
    app.until_status(&unpaid, "confirmed").await;
    drop(worker);
    stores
        .sql("UPDATE stock_ledger SET closed_at = now() - interval '1 hour'")
        .await;
    stores.empty_redis().await;
    let (status, order) = app.completed(&paid).await;
    assert_eq!(
        (status, &order["status"]),
        (200, &json!("completed")),
        "{order}"
    );
    // With an order that still has to be paid, the sale is not over: Redis has lost it.
    for app in [&app, &stores.app(&HOLDS).await] {
        let (status, problem) = app.completed(&unpaid).await;
        assert_eq!((status, &problem["code"]), (503, &json!("unavailable")));
        let (status, _) = app.get(&format!("/products/{product}")).await;
        assert_eq!(status, 503);
        let refused = app.order(&product, "ada", 1, "a").await;
        assert_eq!(refused.status(), 503);
    }
    for (fate, code) in [
        ("expired", "order_expired"),
        ("cancelled", "order_cancelled"),
    ] {
        let row = format!("UPDATE orders SET status = '{fate}' WHERE order_id = '{unpaid}'");
        stores.sql(&row).await;
        stores.sql("UPDATE stock_ledger SET sold = completed").await;
        until("the sale is over", async || {
            app.get(&format!("/products/{product}")).await.0 == 200
        })
        .await;
        let (status, problem) = app.completed(&unpaid).await;
        assert_eq!((status, &problem["code"]), (409, &json!(code)));
        let (status, problem) = read(app.order(&product, "bob", 1, "b").await).await;
        assert_eq!((status.as_u16(), &problem["code"]), (409, &json!(code)));
        assert_eq!(problem["orderId"], unpaid);
    }
}

#[tokio::test]
async fn no_retry_is_answered_confirmed_after_another_instance_has_completed_the_order() {
    let stores = Stores::new().await;
    let apps = [stores.app(&HOLDS).await, stores.app(&HOLDS).await];
    let _worker = Worker::start(&stores).await;
    let product = apps[0]
        .sale_with_holds(5, json!({"holdSeconds": 600}))
        .await;
    let id = apps[0].place(&product, "ada", 1, "a").await;
    let retried = async || {
        let retry = apps[1].order(&product, "ada", 1, "a").await;
        read(retry).await.1["status"].clone()
    };
    until("an instance has read the row", async || {
        retried().await == json!("confirmed")
    })
    .await;
    let orders = stores.keys("fg:*:orders:*").await.remove(0);
    let unpaid: String = stores.redis("HGET", &[&orders, &id]).await;
    assert_eq!(apps[0].completed(&id).await.0, 200);
    // As if Redis had lost the completion.
    stores.redis::<()>("HSET", &[&orders, &id, &unpaid]).await;
    assert_eq!(retried().await, json!("completed"));
    assert_eq!(apps[1].status(&id).await, "completed");
}

#[tokio::test]
async fn completions_of_a_sale_without_units_do_not_let_the_orders_be_read_again() {
    let stores = Stores::new().await;
    let (app, _worker) = (stores.app(&HOLDS).await, Worker::start(&stores).await);
    let product = app
        .sale_with_holds(3, json!({"holdSeconds": 600, "perUserLimit": 1}))
        .await;
    let mut orders = Vec::new();
    for user in ["ada", "bob", "eve"] {
        orders.push(app.place(&product, user, 1, user).await);
    }
    let refused = "refused_from_memory_total";
    for order in &orders {
        let before = app.metric(refused).await;
        until("orders are refused from memory", async || {
            let (status, _) = read(app.order(&product, "zoe", 1, "z").await).await;
            assert_eq!(status, 409);
            app.metric(refused).await > before
        })
        .await;
        assert_eq!(app.completed(order).await.0, 200);
        // The lease in memory ends, so that the next refusal needs one from after the completion.
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    }
    let reads = r#"redis_call_seconds_count{call="order_hashes"}"#;
    assert_eq!(app.metric(reads).await, 1.0);
}
