use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use e2e::answer::Status;
use e2e::client::ADMIN_TOKEN;
use e2e::order::Sale;
use e2e::process::{Process, Settings, settings};
use e2e::sandbox::Sandbox;
use e2e::wait::wait_until;
use fluxgate_domain::ids::OrderId;
use tokio::process::Command;
use tokio::time::sleep;

use crate::fixture::{WRITE_LIMIT, expect_right_audit, in_a_sandbox};

const SHOP: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/shop/shop.py");
const UNITS: u32 = 60;
const BUYERS: u32 = 100;
/// Payments take up to three seconds. While the shop is away, some holds end.
const HOLD_SECONDS: u32 = 4;
const GRACE_SECONDS: u32 = 1;
/// Payments captured before anything is killed.
const CAPTURED_BEFORE: usize = 5;
/// How long the worker is frozen: completions are answered 202 meanwhile.
const FROZEN: Duration = Duration::from_secs(4);
/// Payments under way when the shop is killed. All of them are too late afterwards, unless they are declined.
const PAYING: usize = 8;
/// How long the shop is away: longer than a hold, its grace, and what another instance needs to take over the expiry.
const AWAY: Duration = Duration::from_secs(10);
const SHOP_LIMIT: Duration = Duration::from_secs(90);
const BETWEEN_LOOKS: Duration = Duration::from_millis(100);

/// What the table of a file has: two columns.
type Table = BTreeMap<String, String>;

/// The shop, an instance and the worker fail one after the other. No payment is ever captured before its order is completed
/// for good, and in the end every attempt is decided and every unit is completed or for sale.
#[test]
fn the_example_shop_captures_exactly_the_payments_of_completed_orders() {
    in_a_sandbox(async |sandbox| {
        let holds = [("SALE_FEATURES", "holds")];
        let instances = tokio::try_join!(sandbox.api_with(&holds), sandbox.api_with(&holds))?;
        let (mut victim, survivor) = instances;
        let mut worker = sandbox.worker().await?;
        let sale = Sale::unique("shop", UNITS)?.with_holds(HOLD_SECONDS, GRACE_SECONDS);
        survivor.client()?.open(&sale).await?;
        let shop = Shop::new(sandbox, &sale, &[&victim, &survivor]);
        let mut process = shop.start()?;
        let disturb = async {
            wait_until("payments are captured", SHOP_LIMIT, async || {
                let captured = shop.orders_paid("captured").await?.len();
                ensure!(captured >= CAPTURED_BEFORE, "{captured} are");
                Ok(())
            })
            .await?;
            worker.pause()?;
            sleep(FROZEN).await;
            worker.resume()?;
            wait_until("payments are under way", SHOP_LIMIT, async || {
                let paying = shop.attempts(|state| state == "to_pay").await?;
                ensure!(paying >= PAYING, "{paying} are");
                Ok(())
            })
            .await?;
            process.kill()?;
            victim.kill()?;
            sleep(AWAY).await;
            victim.restart().await?;
            process.start_again()?;
            process.ended(SHOP_LIMIT).await
        };
        let ended = tokio::select! {
            ended = disturb => ended?,
            early = shop.captured_early(sandbox) => return early,
        };
        ensure!(ended.success(), "the shop failed: {}", process.output()?);
        println!("{}", process.output()?);
        expect_right(sandbox, &shop).await
    });
}

struct Shop<'a> {
    sale: &'a Sale,
    sandbox: &'a Sandbox,
    settings: Settings,
}

impl<'a> Shop<'a> {
    fn new(sandbox: &'a Sandbox, sale: &'a Sale, instances: &[&Process]) -> Self {
        let urls: Vec<_> = instances.iter().map(|api| api.url()).collect();
        let settings = settings(&[("API_URL", &urls.join(",")), ("ADMIN_TOKEN", ADMIN_TOKEN)]);
        Self {
            sale,
            sandbox,
            settings,
        }
    }

    /// Starts it in the folder of its sandbox, where its files are.
    fn start(&self) -> Result<Process> {
        // The interpreter has no argument for a folder, but `env` has.
        let (folder, buyers) = (self.sandbox.folder().display(), BUYERS.to_string());
        let folder = format!("--chdir={folder}");
        let product = self.sale.product.as_str();
        let arguments = [&folder, "python3", "-B", SHOP, product, &buyers];
        let settings = self.settings.clone();
        self.sandbox
            .launch(Path::new("/usr/bin/env"), &arguments, settings)
    }

    /// The orders whose payments have this state, as the payment provider knows them.
    async fn orders_paid(&self, state: &str) -> Result<BTreeSet<OrderId>> {
        let payments = self.table("payments", "order_id, state").await?;
        let orders = payments.iter().filter(|it| it.1 == state);
        orders.map(|(id, _)| Ok(id.parse()?)).collect()
    }

    async fn attempts(&self, is_wanted: impl Fn(&str) -> bool) -> Result<usize> {
        let attempts = self.table("shop", "key, state").await?;
        Ok(attempts.values().filter(|state| is_wanted(state)).count())
    }

    /// Two columns of the table that a file has.
    async fn table(&self, file: &str, columns: &str) -> Result<Table> {
        const READ: &str = "import json, sqlite3, sys
path, columns, table = sys.argv[1:]
rows = sqlite3.connect('file:' + path + '?mode=ro', uri=True, timeout=30).execute(f'SELECT {columns} FROM {table}')
print(json.dumps({str(a): str(b) for a, b in rows}))";
        let table = if file == "shop" { "attempts" } else { file };
        let path = self.sandbox.folder().join(format!("{file}.db"));
        let read = Command::new("python3")
            .args(["-c", READ])
            .arg(&path)
            .args([columns, table])
            .output();
        let output = read.await.context("running python3")?;
        let error = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "reading {file}.db: {error}");
        Ok(serde_json::from_slice(&output.stdout)?)
    }

    /// Returns when a payment is captured whose order is not completed.
    async fn captured_early(&self, sandbox: &Sandbox) -> Result<()> {
        loop {
            // First the payments: what is captured later must not count.
            if let Ok(captured) = self.orders_paid("captured").await {
                let completed = self.orders(sandbox, Status::Completed).await?;
                let early: Vec<_> = captured.difference(&completed).collect();
                ensure!(early.is_empty(), "captured and not completed: {early:?}");
            }
            sleep(BETWEEN_LOOKS).await;
        }
    }

    async fn orders(&self, sandbox: &Sandbox, status: Status) -> Result<BTreeSet<OrderId>> {
        let product = self.sale.product.as_str();
        let rows = sandbox.stores.postgres.rows(product).await?.into_iter();
        let wanted = rows.filter(|row| row.status == status);
        Ok(wanted.map(|row| row.id).collect())
    }
}

async fn expect_right(sandbox: &Sandbox, shop: &Shop<'_>) -> Result<()> {
    wait_until("every hold has ended", WRITE_LIMIT, async || {
        let held = shop.orders(sandbox, Status::Confirmed).await?;
        ensure!(held.is_empty(), "{held:?} are confirmed");
        Ok(())
    })
    .await?;
    let sales = std::slice::from_ref(shop.sale);
    sandbox.stores.drained(sales, WRITE_LIMIT).await?;
    let ends = ["refused", "unpaid", "captured", "given_back"];
    let open = shop.attempts(|state| !ends.contains(&state)).await?;
    ensure!(open == 0, "{open} attempts are not decided");

    let captured = shop.orders_paid("captured").await?;
    let given_back = shop.orders_paid("given_back").await?;
    let authorised = shop.orders_paid("authorised").await?;
    let completed = shop.orders(sandbox, Status::Completed).await?;
    let expired = shop.orders(sandbox, Status::Expired).await?;
    ensure!(
        authorised.is_empty(),
        "neither captured nor given back: {authorised:?}"
    );
    ensure!(
        captured == completed,
        "captured {captured:?}, completed {completed:?}"
    );
    // The shop was away for longer than a hold, with payments under way.
    ensure!(!given_back.is_empty(), "no payment came too late");
    ensure!(
        given_back.is_subset(&expired),
        "given back {given_back:?}, expired {expired:?}"
    );
    let known = shop.table("shop", "coalesce(order_id, key), state").await?;
    let strangers = completed.union(&expired);
    let strangers: Vec<_> = strangers
        .filter(|id| !known.contains_key(&id.to_string()))
        .collect();
    ensure!(strangers.is_empty(), "the shop does not know {strangers:?}");

    let contents = sandbox.stores.contents(shop.sale).await?;
    let rows = completed.len() + expired.len();
    ensure!(
        contents.rows.len() == rows,
        "{} rows are neither completed nor expired",
        contents.rows.len() - rows
    );
    let (redis, sold) = (contents.redis.context("no sale")?, contents.sold_units());
    let holds = redis.holds.context("a sale without holds")?;
    let units = (redis.remaining, holds.completed, holds.held_by_records);
    let right = (i64::from(UNITS) - sold, sold, 0);
    ensure!(units == right, "units {units:?}, should be {right:?}");
    let ledger = contents.ledger.context("no ledger row")?;
    ensure!(
        (ledger.sold, ledger.completed) == (sold, sold),
        "{ledger:?} and {sold} sold"
    );
    expect_right_audit(sandbox).await
}
