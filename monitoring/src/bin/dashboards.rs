//! Writes `grafana/dashboards/*.json` from `dashboards/*.yaml`.

use std::fs;

use anyhow::Result;
use monitoring::{dashboards, folder};

fn main() -> Result<()> {
    for (name, dashboard) in dashboards()? {
        let path = folder().join(format!("grafana/dashboards/{name}.json"));
        fs::write(path, dashboard.json(&name)?)?;
    }
    Ok(())
}
