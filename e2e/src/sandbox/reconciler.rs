use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::process::Command;
use tokio::time::timeout;

use super::Sandbox;
use crate::process::Settings;
use crate::program::Program;

/// Longest the reconciler may take; it has deadlines of its own.
const LIMIT: Duration = Duration::from_secs(90);

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    pub code: i32,
    /// What it printed, errors last.
    pub text: String,
}

impl Sandbox {
    /// Runs the reconciler to its end, with these arguments.
    pub async fn reconcile(&self, arguments: &[&str]) -> Result<Report> {
        self.reconcile_with(self.settings(), arguments).await
    }

    /// The same with other settings.
    pub async fn reconcile_with(&self, settings: Settings, arguments: &[&str]) -> Result<Report> {
        let run = Command::new(Program::Reconciler.path()?)
            .args(arguments)
            .env_clear()
            .envs(settings)
            .env("RUST_LOG", "warn")
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output();
        let output = timeout(LIMIT, run)
            .await
            .context("the reconciler hangs")??;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok(Report {
            code: output.status.code().context("the reconciler was killed")?,
            text: text(&output.stdout) + &text(&output.stderr),
        })
    }
}
