//! What every program here does around its measuring.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};

use crate::signals::signalled;

/// Measures until it is done or a signal asks for an end; false, or an error, is a failure.
pub fn main(measuring: impl Future<Output = Result<bool>>) -> ExitCode {
    let interruptible = async {
        tokio::select! {
            outcome = measuring => outcome,
            signal = signalled() => bail!("ended by {}", signal?),
        }
    };
    let outcome = tokio::runtime::Runtime::new()
        .map_err(anyhow::Error::from)
        .and_then(|runtime| {
            let outcome = runtime.block_on(interruptible);
            // A thread that still fills a topic must not hold up the end.
            runtime.shutdown_background();
            outcome
        });
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Where results and logs go.
pub fn results_folder(repository: &Path) -> Result<PathBuf> {
    let folder = fs::canonicalize(repository)?.join(".local/bench");
    fs::create_dir_all(&folder)?;
    Ok(folder)
}

/// Writes one file of a result.
pub fn write(folder: &Path, name: &str, text: &str) -> Result<()> {
    let path = folder.join(name);
    fs::write(&path, text).with_context(|| format!("writing {}", path.display()))
}
