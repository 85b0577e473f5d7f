use anyhow::{Context, Result, ensure};
use e2e::fleet::Fleet;
use e2e::load::{once, racing};
use e2e::process::{Process, changed};
use e2e::program::Program::{IngestApi, InventoryWorker, Reconciler};
use e2e::sandbox::Sandbox;
use e2e::tls_listeners::TlsListeners;
use e2e::wait::wait_until;
use reqwest::StatusCode;
use serde_json::Value;

use crate::fixture::{WRITE_LIMIT, crowd, expect_right, in_a_sandbox, open_sales};

const BUYERS: u32 = 300;
const CONNECTIONS: u32 = 32;

#[test]
fn a_sale_sells_out_over_encrypted_connections_with_passwords() {
    in_a_sandbox(async |sandbox| {
        let settings = TlsListeners::from_env()?.instead_of(&sandbox.settings())?;
        // Both SASL mechanisms that take a password.
        let plain = changed(&settings, &[("KAFKA_SASL_MECHANISM", "PLAIN")]);
        let scram = changed(&settings, &[("KAFKA_SASL_MECHANISM", "SCRAM-SHA-512")]);
        let api = sandbox.start(IngestApi, plain).await?;
        let _worker = sandbox.start(InventoryWorker, scram.clone()).await?;

        let sales = open_sales(&api, 1, 100).await?;
        let player = crowd(CONNECTIONS, &[&api]);
        let history = player.play(&sales, racing(0, BUYERS, |_| true)).await?;
        expect_right(sandbox, &history).await?;

        let mut audit = sandbox.launch(&Reconciler.path()?, &["audit"], scram)?;
        let status = audit.ended(WRITE_LIMIT).await?;
        ensure!(status.success(), "{}", audit.output()?);
        Ok(())
    });
}

#[test]
fn sentinels_and_a_cluster_are_reached_over_encrypted_connections() {
    in_a_sandbox(async |sandbox| {
        let tls = TlsListeners::from_env()?;
        let _worker = sandbox.worker().await?;
        let sentinels = Fleet::with_sentinels(&sandbox.stack, Some(tls.clone())).await?;
        orders_are_written(sandbox, &sentinels, &tls).await?;
        drop(sentinels);
        let cluster = Fleet::cluster(&sandbox.stack, Some(tls.clone())).await?;
        orders_are_written(sandbox, &cluster, &tls).await
    });
}

async fn orders_are_written(sandbox: &Sandbox, fleet: &Fleet, tls: &TlsListeners) -> Result<()> {
    let redis = [("REDIS_URL", &*fleet.url), ("REDIS_CA_FILE", &tls.ca_file)];
    let api = sandbox.api_with(&redis).await?;
    // Several, so that a Cluster has some on each of its nodes.
    let sales = open_sales(&api, 5, 1_000).await?;
    let player = crowd(CONNECTIONS, &[&api]);
    let history = player.play(&sales, once(0..5, 0..5 * BUYERS)).await?;
    let accepted = history.order_ids().count();
    ensure!(
        accepted == 5 * BUYERS as usize,
        "{accepted} orders accepted"
    );
    for sale in &sales {
        wait_until("all orders are written", WRITE_LIMIT, async || {
            let rows = sandbox.stores.contents(sale).await?.rows.len();
            ensure!(rows == BUYERS as usize, "{rows} rows");
            Ok(())
        })
        .await?;
    }
    Ok(())
}

#[test]
fn a_store_whose_certificate_is_not_signed_by_a_known_authority_is_not_used() {
    // What is left are the system's authorities, and none of them has signed the stack's.
    let files = ["REDIS_CA_FILE", "DATABASE_CA_FILE", "KAFKA_CA_FILE"];
    no_store_is_used(files, |_, _| None);
}

#[test]
fn a_wrong_password_opens_no_store() {
    let with_passwords = ["REDIS_URL", "DATABASE_URL", "KAFKA_PASSWORD"];
    let guessed = |tls: &TlsListeners, value: &str| value.replace(&tls.password, "guessed");
    no_store_is_used(with_passwords, |tls, value| Some(guessed(tls, value)));
}

#[test]
fn the_databases_certificate_is_verified_however_sslmode_is_spelled() {
    in_a_sandbox(async |sandbox| {
        let settings = TlsListeners::from_env()?.instead_of(&sandbox.settings())?;
        let url = &settings["DATABASE_URL"];
        let pairs = key_value_pairs(url)?;
        for connection in [
            url.replace("sslmode=verify-full", "sslmode=%72equire"),
            format!("{pairs} sslmode='require'"),
            format!("{pairs} sslmode = require"),
        ] {
            let trusting = changed(&settings, &[("DATABASE_URL", &connection)]);
            let mut distrusting = trusting.clone();
            distrusting.remove("DATABASE_CA_FILE");
            drop(sandbox.start(InventoryWorker, trusting).await?);
            let worker = sandbox.spawn(InventoryWorker, distrusting)?;
            let unready = stays_unready(&worker, "database").await;
            unready.with_context(|| connection.clone())?;
        }
        Ok(())
    });
}

/// The other form of a connection string, without `sslmode`.
fn key_value_pairs(url: &str) -> Result<String> {
    let url = reqwest::Url::parse(url)?;
    let options = url.query_pairs().find(|(name, _)| name == "options");
    let (_, options) = options.context("no schema")?;
    Ok(format!(
        "host={} port={} user={} password='{}' dbname={} options='{options}'",
        url.host_str().context("no host")?,
        url.port().context("no port")?,
        url.username(),
        url.password().context("no password")?,
        url.path().trim_start_matches('/'),
    ))
}

/// A service with one of these settings changed or removed runs, has tried, and says which store it cannot use.
fn no_store_is_used(names: [&str; 3], spoil: impl Fn(&TlsListeners, &str) -> Option<String>) {
    in_a_sandbox(async |sandbox| {
        let tls = TlsListeners::from_env()?;
        let services = [
            (IngestApi, "redis"),
            (InventoryWorker, "database"),
            (InventoryWorker, "kafka"),
        ];
        for ((program, check), spoiled) in services.into_iter().zip(names) {
            let mut settings = tls.instead_of(&sandbox.settings())?;
            let right = settings.remove(spoiled).context("it is not set")?;
            let wrong = spoil(&tls, &right).map(|value| (spoiled.to_owned(), value));
            settings.extend(wrong);
            let service = sandbox.spawn(program, settings)?;
            stays_unready(&service, check).await?;
        }
        Ok(())
    });
}

async fn stays_unready(service: &Process, check: &str) -> Result<()> {
    let url = format!("{}/readyz", service.url());
    wait_until("it says what it cannot use", WRITE_LIMIT, async || {
        let answer = reqwest::get(&url).await?;
        let (status, text) = (answer.status(), answer.text().await?);
        ensure!(status == StatusCode::SERVICE_UNAVAILABLE, "{status} {text}");
        let body: Value = serde_json::from_str(&text)?;
        let reason = body["checks"][check].as_str().unwrap_or("ok");
        ensure!(reason != "ok" && reason != "starting", "{text}");
        Ok(())
    })
    .await
}
