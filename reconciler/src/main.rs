//! `reconciler`: compares what the stores hold about each sale, and repairs what one of them has lost.

use std::process::ExitCode;

use fluxgate_domain::ids::ProductId;
use fluxgate_service::settings::parse;
use fluxgate_service::telemetry;
use jiff::Timestamp;
use reconciler::accept_log::{AcceptError, AcceptedLog, accept_logs};
use reconciler::audit::{Outcome, audit, table};
use reconciler::config::{AcceptLog, Cli, Command, Settings};
use reconciler::rebuild::{RebuildError, rebuild};
use reconciler::republish::republish;
use reconciler::{Stores, Undecided, writer};

/// A store is wrong, or the command was refused.
const WRONG: u8 = 1;
/// The result is undecided, or the command is not finished. Invalid settings exit with the same code.
const UNDECIDED: u8 = 2;

#[tokio::main]
async fn main() -> ExitCode {
    let (Cli { command, settings }, effective) = parse();
    telemetry::init(&settings.log);
    effective.log();
    match run(&command, &settings).await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("undecided: {error}");
            UNDECIDED.into()
        }
    }
}

async fn run(command: &Command, settings: &Settings) -> Result<ExitCode, Undecided> {
    let mut stores = Stores::connect(settings).await?;
    let patience = settings.patience();
    match command {
        Command::Audit(asked) => {
            let only = &asked.products.products;
            let retired = Timestamp::now() - settings.record_ttl();
            let audited = audit(&mut stores, only, asked.all, retired, patience).await?;
            let (findings, skipped) = (audited.findings, audited.skipped);
            print!("{}", table(&findings));
            if skipped > 0 {
                println!("skipped: {skipped} retired sales (--all includes them)");
            }
            let outcomes: Vec<Outcome> = findings.iter().map(|found| found.outcome()).collect();
            Ok(if outcomes.contains(&Outcome::Wrong) {
                WRONG.into()
            } else if outcomes.contains(&Outcome::Undecided) {
                UNDECIDED.into()
            } else {
                ExitCode::SUCCESS
            })
        }
        Command::Republish(asked) => {
            let done = republish(&mut stores, &asked.products, patience).await?;
            println!(
                "{} sales checked, {} events published",
                done.sales, done.events
            );
            Ok(ExitCode::SUCCESS)
        }
        Command::AcceptLog(asked) => accept(&mut stores, asked, settings).await,
        Command::Rebuild { products } => rebuild_each(&mut stores, products, settings).await,
    }
}

async fn accept(
    stores: &mut Stores,
    asked: &AcceptLog,
    settings: &Settings,
) -> Result<ExitCode, Undecided> {
    let writer = writer(settings);
    let mut count = 0;
    let show = |accepted: &AcceptedLog| {
        let AcceptedLog {
            halt,
            begin,
            written_ahead,
        } = accepted;
        count += 1;
        println!(
            "partition {}: halted {} at offset {} ({}); log number {}, read again from offset {begin}, {written_ahead} changes written first",
            halt.partition,
            halt.since,
            halt.offset,
            halt.because,
            halt.log_number + 1
        );
    };
    match accept_logs(stores, &writer, &asked.consumer, &asked.partitions, show).await {
        Ok(()) => {
            println!("{count} logs accepted; run reconciler republish");
            Ok(ExitCode::SUCCESS)
        }
        Err(AcceptError::Undecided(Undecided::Gate(error))) => {
            eprintln!(
                "undecided: {error}; only Redis knows what the log has lost, so no further halt was ended"
            );
            Ok(UNDECIDED.into())
        }
        Err(AcceptError::Undecided(error)) => Err(error),
        Err(error @ AcceptError::Ledger(_)) => {
            eprintln!("undecided: {error}");
            Ok(UNDECIDED.into())
        }
        Err(refusal @ AcceptError::NotHalted(_)) => {
            eprintln!("refused: {refusal}");
            Ok(WRONG.into())
        }
    }
}

/// One after the other; a sale that is refused or not finished does not stop the others.
async fn rebuild_each(
    stores: &mut Stores,
    products: &[ProductId],
    settings: &Settings,
) -> Result<ExitCode, Undecided> {
    let mut code = 0;
    for product in products {
        match rebuild(stores, product, settings.patience()).await {
            Ok(rebuilt) => println!(
                "{product}: epoch {}, {} events drained, {} damaged records, {} orders restored, {} units remaining",
                rebuilt.epoch,
                rebuilt.drained,
                rebuilt.unreadable,
                rebuilt.orders,
                rebuilt.remaining
            ),
            Err(RebuildError::Undecided(error)) => {
                eprintln!(
                    "not finished: {product}: {error}; the sale may be stopped; run the command again"
                );
                code = UNDECIDED;
                // The last command may still be running on the old connections and would delay the next one.
                *stores = Stores::connect(settings).await?;
            }
            Err(
                unfinished @ (RebuildError::NotStopped
                | RebuildError::Overtaken
                | RebuildError::LockLost(_)),
            ) => {
                eprintln!("not finished: {product}: {unfinished}");
                code = UNDECIDED;
                *stores = Stores::connect(settings).await?;
            }
            Err(refusal) => {
                eprintln!("refused: {product}: {refusal}");
                code = code.max(WRONG);
            }
        }
    }
    Ok(code.into())
}
