//! `ingest-api`: takes orders over HTTP. See the library's documentation for the way of an order.

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::io::Result<()> {
    ingest_api::main()
}
