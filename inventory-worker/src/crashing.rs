//! `inventory-worker` with its crash points armed by CRASH_POINT, for fault runs; see
//! `fluxgate_service::crash_points`.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    inventory_worker::main()
}
