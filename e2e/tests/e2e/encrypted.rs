use std::collections::HashMap;

use anyhow::{Result, ensure};
use e2e::crowd::Crowd;
use e2e::doors::Doors;
use e2e::fleet::Fleet;
use e2e::order::{Sale, once, racing};
use e2e::process::{Process, Settings};
use e2e::program::Program::{self, IngestApi, InventoryWorker};
use e2e::sandbox::Sandbox;
use e2e::until::until;
use reqwest::StatusCode;

use crate::fixture::{WRITE_LIMIT, in_a_sandbox};

const BUYERS: usize = 300;
const CONNECTIONS: usize = 32;

#[test]
fn a_sale_sells_out_over_encrypted_connections_with_passwords() {
    in_a_sandbox(async |sandbox| {
        let settings = Doors::from_env()?.instead_of(sandbox.settings())?;
        // Both of the brokers' ways to be shown a password.
        let plain = with(&settings, "KAFKA_SASL_MECHANISM", "PLAIN");
        let scram = with(&settings, "KAFKA_SASL_MECHANISM", "SCRAM-SHA-512");
        let api = ready(sandbox, IngestApi, plain).await?;
        let _worker = ready(sandbox, InventoryWorker, scram.clone()).await?;

        let sale = Sale::unique("encrypted", 100)?;
        api.client()?.open(&sale).await?;
        let attempts = racing(&sale, BUYERS, |_| true);
        let rush = Crowd::over(CONNECTIONS, &[&api]).send(attempts)?;
        let history = rush.finish().await?;
        sandbox
            .stores
            .expect_right(&[sale], &history, WRITE_LIMIT)
            .await?;

        let report = sandbox.reconcile_with(scram, &["audit"]).await?;
        ensure!(report.code == 0, "{}", report.text);
        Ok(())
    });
}

#[test]
fn sentinels_and_a_cluster_are_reached_over_encrypted_connections() {
    in_a_sandbox(async |sandbox| {
        let doors = Doors::from_env()?;
        let _worker = sandbox.worker().await?;
        let sentinels = Fleet::with_sentinels(&sandbox.stack, Some(doors.clone())).await?;
        orders_are_written(sandbox, &sentinels, &doors).await?;
        drop(sentinels);
        let cluster = Fleet::cluster(&sandbox.stack, Some(doors.clone())).await?;
        orders_are_written(sandbox, &cluster, &doors).await
    });
}

async fn orders_are_written(sandbox: &Sandbox, fleet: &Fleet, doors: &Doors) -> Result<()> {
    let settings = with(&sandbox.settings(), "REDIS_URL", &fleet.url);
    let settings = with(&settings, "REDIS_CA_FILE", &doors.ca_file);
    let api = ready(sandbox, IngestApi, settings).await?;
    // Several, so that a Cluster has some on each of its nodes.
    for _ in 0..5 {
        let sale = Sale::unique("fleet", 1_000)?;
        api.client()?.open(&sale).await?;
        let orders = once((0..BUYERS).map(|buyer| sale.order_of(buyer)));
        let orders: Vec<_> = orders.collect();
        let rush = Crowd::over(CONNECTIONS, &[&api]).send(orders.into_iter())?;
        let history = rush.finish().await?;
        let accepted = history.count(|outcome| outcome.order_id().is_some());
        ensure!(accepted == BUYERS, "{accepted} of {BUYERS} were accepted");
        until("all orders are written", WRITE_LIMIT, async || {
            let rows = sandbox
                .stores
                .database
                .rows(sale.product.as_str())
                .await?
                .len();
            ensure!(rows == BUYERS, "{rows} rows");
            Ok(())
        })
        .await?;
    }
    Ok(())
}

#[test]
fn a_store_that_nobody_vouches_for_is_never_spoken_to() {
    in_a_sandbox(async |sandbox| {
        let settings = Doors::from_env()?.instead_of(sandbox.settings())?;
        // What is left is whom the system trusts, and it does not trust the stack.
        for (program, file, check) in [
            (IngestApi, "REDIS_CA_FILE", "redis"),
            (InventoryWorker, "DATABASE_CA_FILE", "database"),
            (InventoryWorker, "KAFKA_CA_FILE", "database"),
        ] {
            let mut settings = settings.clone();
            settings.retain(|(name, _)| name != file);
            stays_unready(sandbox, program, settings, check).await?;
        }
        Ok(())
    });
}

#[test]
fn a_wrong_password_opens_no_store() {
    in_a_sandbox(async |sandbox| {
        let doors = Doors::from_env()?;
        let settings = doors.instead_of(sandbox.settings())?;
        let wrong: HashMap<String, String> = settings
            .iter()
            .map(|(name, value)| (name.clone(), value.replace(&doors.password, "guessed")))
            .collect();
        for (program, name, check) in [
            (IngestApi, "REDIS_URL", "redis"),
            (InventoryWorker, "DATABASE_URL", "database"),
            (InventoryWorker, "KAFKA_PASSWORD", "database"),
        ] {
            let settings = with(&settings, name, &wrong[name]);
            stays_unready(sandbox, program, settings, check).await?;
        }
        Ok(())
    });
}

/// The settings with one of them changed or added.
fn with(settings: &Settings, name: &str, value: &str) -> Settings {
    let mut changed = settings.clone();
    changed.retain(|(it, _)| it != name);
    changed.push((name.into(), value.into()));
    changed
}

async fn ready(sandbox: &Sandbox, program: Program, settings: Settings) -> Result<Process> {
    let mut process = sandbox.spawn(program, settings)?;
    process.ready().await?;
    Ok(process)
}

/// It runs, has tried, and says which store it cannot use.
async fn stays_unready(
    sandbox: &Sandbox,
    program: Program,
    settings: Settings,
    check: &str,
) -> Result<()> {
    let service = sandbox.spawn(program, settings)?;
    let url = format!("{}/readyz", service.url());
    until("it says what it cannot use", WRITE_LIMIT, async || {
        let answer = reqwest::get(&url).await?;
        let (status, text) = (answer.status(), answer.text().await?);
        ensure!(status == StatusCode::SERVICE_UNAVAILABLE, "{status} {text}");
        let body: serde_json::Value = serde_json::from_str(&text)?;
        let reason = body["checks"][check].as_str().unwrap_or("ok").to_owned();
        ensure!(reason != "ok" && reason != "starting", "{text}");
        Ok(())
    })
    .await
}
