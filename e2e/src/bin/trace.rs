//! `make trace`, once the stores are up: draws what a receiver of traces got of one order.

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Parser;
use e2e::otlp::{draw, trace_one_order};

/// Draws the trace of one real order, from the request to the row
#[derive(Debug, Parser)]
#[command(name = "trace")]
struct Arguments {
    /// The SVG to be written
    picture: PathBuf,
}

fn main() -> Result<()> {
    let picture = Arguments::parse().picture;
    let title = "One order: as an OTLP receiver got it from the two services";
    std::fs::write(&picture, draw(title, &trace_one_order()?))
        .with_context(|| format!("writing {}", picture.display()))
}
