use std::time::Duration;

use anyhow::{Context, Result, ensure};
use e2e::client::Client;
use e2e::faults::proxy::{Mode, Proxy};
use e2e::order::{Action, Sale};
use futures_util::future::{join_all, select_all};
use reqwest::Url;
use uuid::Uuid;

use crate::fixture::{in_a_sandbox, open_sales};

/// The database is 10 ms away.
const DELAY: Duration = Duration::from_millis(5);
/// Clients that ask for orders that never existed, one after another.
const STRANGERS: usize = 300;
const BUYERS: u32 = 33;

#[test]
fn requests_for_unknown_orders_do_not_silence_those_for_known_ones() {
    in_a_sandbox(async |sandbox| {
        let mut url = Url::parse(&sandbox.settings()["DATABASE_URL"])?;
        let target = url.socket_addrs(|| None)?;
        let target = target.first().context("an address")?.to_string();
        let proxy = Proxy::between("127.0.0.1:0", &target).await?;
        let port = Some(proxy.address().port());
        url.set_port(port).ok().context("the URL takes no port")?;
        proxy.set(Mode::Latency(DELAY));

        let _worker = sandbox.worker().await?;
        let api = sandbox
            .api_with(&[("READ_DATABASE_URL", url.as_str())])
            .await?;
        let (client, sales) = (api.client()?, open_sales(&api, 1, BUYERS).await?);
        let sale = &sales[0];
        let orders = join_all((0..BUYERS).map(|buyer| client.order(sale, buyer))).await;
        let strangers = (0..STRANGERS).map(|_| Box::pin(ask_for_unknown(&client, sale)));
        let strangers = select_all(strangers);
        let buyers = async {
            for order in orders {
                let order = order.order().context("an order was not placed")?;
                let read = client.send(sale, &Action::ReadStatus(order.id)).await;
                ensure!(read.order().is_some(), "{read:?}");
            }
            anyhow::Ok(())
        };
        tokio::select! {
            outcome = buyers => outcome,
            (error, ..) = strangers => error,
        }
    });
}

/// Asks on and on; returns if an answer is not the expected one. A refusal under load is expected.
async fn ask_for_unknown(client: &Client, sale: &Sale) -> Result<()> {
    loop {
        let random = Uuid::new_v4().as_u128() & !(0xf << 76) | 8 << 76;
        let id = Uuid::from_u128(random).try_into()?;
        let read = client.send(sale, &Action::ReadStatus(id)).await;
        ensure!(
            read.order().is_none(),
            "an order that nobody placed: {read:?}"
        );
    }
}
