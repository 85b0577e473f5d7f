//! Processes that a process has started.

use anyhow::{Context, Result};
use nix::unistd::Pid;

/// The processes that `parent` has started itself.
pub fn children(parent: Pid) -> Result<Vec<Pid>> {
    let mut children = Vec::new();
    for entry in std::fs::read_dir("/proc").context("looking at processes")? {
        let path = entry?.path();
        let Some(pid) = path
            .file_name()
            .and_then(|name| name.to_str()?.parse().ok())
        else {
            continue;
        };
        // It may have ended meanwhile. Behind the name, which may hold anything: state, parent.
        let stat = std::fs::read_to_string(path.join("stat")).unwrap_or_default();
        let rest = stat.rsplit(')').next().unwrap_or_default();
        if rest.split_whitespace().nth(1) == Some(&parent.to_string()) {
            children.push(Pid::from_raw(pid));
        }
    }
    Ok(children)
}
