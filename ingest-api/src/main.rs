//! The program `ingest-api`. The library's documentation describes the way of an order.

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::io::Result<()> {
    ingest_api::main()
}
