//! `inventory-worker`: writes orders to PostgreSQL. See the library's documentation for their way.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    inventory_worker::main()
}
