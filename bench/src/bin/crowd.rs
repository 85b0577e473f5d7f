//! One client process of `connections`: see `bench/src/load/crowd/`.

use anyhow::Result;
use bench::crowd::{Arguments, run};
use clap::Parser;

fn main() -> Result<()> {
    run(Arguments::parse())
}
