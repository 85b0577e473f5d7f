//! `ingest-api` with its crash points armed by CRASH_POINT, for fault runs; see
//! `fluxgate_service::crash_points`.

fn main() -> std::io::Result<()> {
    ingest_api::main()
}
