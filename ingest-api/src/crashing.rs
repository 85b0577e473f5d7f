//! `ingest-api` for fault runs: CRASH_POINT arms its crash points (`fluxgate_service::crash_points`).

fn main() -> std::io::Result<()> {
    ingest_api::main()
}
