//! The paths of the built programs.

use std::path::PathBuf;

use anyhow::{Context, Result};

/// Names the folder with the programs, for builds that spread over several target folders.
const OVERRIDE: &str = "FLUXGATE_BIN_DIR";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    IngestApi,
    InventoryWorker,
    /// The API with crash points, of builds for fault runs.
    IngestApiCrashing,
    /// The worker with crash points, of builds for fault runs.
    InventoryWorkerCrashing,
    Reconciler,
}

impl Program {
    pub fn name(self) -> &'static str {
        match self {
            Self::IngestApi => "ingest-api",
            Self::InventoryWorker => "inventory-worker",
            Self::IngestApiCrashing => "ingest-api-crashing",
            Self::InventoryWorkerCrashing => "inventory-worker-crashing",
            Self::Reconciler => "reconciler",
        }
    }

    /// The executable: in `FLUXGATE_BIN_DIR`, or where cargo put this very program (the demo lies
    /// beside the services, a test one folder below).
    pub fn path(self) -> Result<PathBuf> {
        let folders: Vec<PathBuf> = match std::env::var_os(OVERRIDE) {
            Some(folder) => vec![folder.into()],
            None => {
                let me = std::env::current_exe().context("finding the built programs")?;
                me.ancestors().skip(1).take(2).map(Into::into).collect()
            }
        };
        folders
            .iter()
            .map(|folder| folder.join(self.name()))
            .find(|file| file.is_file())
            .with_context(|| {
                format!(
                    "{} is not built (looked in {folders:?}): cargo build --release --locked",
                    self.name()
                )
            })
    }
}
