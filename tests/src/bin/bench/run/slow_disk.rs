//! The second pass, on a modelled disk: how long a flush takes differs by two
//! orders of magnitude between machines, and with it what batching is worth.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::plan::Plan;
use super::process;
use super::results::Results;

/// Preloaded into PostgreSQL alone.
const SOURCE: &str = include_str!("slow_disk.c");

/// Starts a PostgreSQL of its own; below the folder in which `make` runs us.
const SERVICES: &str = "deploy/services.sh";

/// What is measured on it.
const ONLY: &str = "--only=R,S,D16,D256,D1000,OPEN";

/// Rounds: the figures only have to show the direction.
const ROUNDS_MAX: usize = 3;

/// How often the pass is looked at.
const LOOK: Duration = Duration::from_millis(200);

/// Runs the pass, which is this program again, on another PostgreSQL.
///
/// # Errors
/// There is no C compiler, or the pass failed.
pub(crate) async fn run(plan: &Plan) -> Result<Results, String> {
    let library = compile(&plan.folder).await?;
    let json = plan.folder.join("slow_disk.json");
    let this = std::env::current_exe().map_err(|error| error.to_string())?;
    let mut command = Command::new(SERVICES);
    command
        .args(["with", "bench", "--"])
        .arg(this)
        .args([ONLY, "--store=scaled"])
        .arg(format!("--rounds={}", plan.rounds.min(ROUNDS_MAX)))
        .arg(format!("--seconds={}", plan.seconds))
        .arg(format!("--warmup={}", plan.warmup))
        .arg(format!("--server={}", plan.server.display()))
        .arg(format!("--json={}", json.display()))
        .env("BENCH_PRELOAD", library)
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    for (name, value) in &plan.server_env {
        command.arg(format!("--server-env={name}={value}"));
    }
    let child = command
        .spawn()
        .map_err(|error| format!("{SERVICES} cannot be run: {error}"))?;
    let mut pass = Pass(child);
    loop {
        match pass.0.try_wait().map_err(|error| error.to_string())? {
            Some(status) if status.success() => break,
            Some(status) => return Err(format!("the pass on a slow disk failed: {status}")),
            None => tokio::time::sleep(LOOK).await,
        }
    }
    let text = std::fs::read_to_string(&json).map_err(|error| error.to_string())?;
    serde_json::from_str(&text).map_err(|error| format!("{}: {error}", json.display()))
}

async fn compile(folder: &Path) -> Result<std::path::PathBuf, String> {
    let (source, library) = (folder.join("slow_disk.c"), folder.join("slow_disk.so"));
    std::fs::write(&source, SOURCE).map_err(|error| format!("{}: {error}", source.display()))?;
    let mut cc = tokio::process::Command::new("cc");
    cc.args(["-O2", "-shared", "-fPIC", "-o"])
        .arg(&library)
        .arg(&source)
        .arg("-ldl");
    process::output(&mut cc).await?;
    Ok(library)
}

/// A pass under way. It has a PostgreSQL of its own, so it is asked to end and
/// given the time to stop that.
struct Pass(Child);

impl Drop for Pass {
    fn drop(&mut self) {
        if let Ok(None) = self.0.try_wait() {
            // Fails only if it has just ended.
            let _ = Command::new("kill")
                .args(["-TERM", &self.0.id().to_string()])
                .status();
            let _ = self.0.wait();
        }
    }
}
