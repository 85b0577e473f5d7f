//! Writes `grafana/dashboards/*.json` anew, from `dashboards/*.yaml`.

use std::fs;

use anyhow::Result;
use monitoring::{descriptions, folder};

fn main() -> Result<()> {
    for (name, description) in descriptions()? {
        let path = folder().join(format!("grafana/dashboards/{name}.json"));
        fs::write(path, description.json(&name)?)?;
    }
    Ok(())
}
