//! The processes of a benchmark: servers, which are killed when their value is
//! dropped, and commands that end by themselves.

use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use tokio::process::{Child, Command};

/// How long a server may take until it listens.
const START: Duration = Duration::from_secs(120);

/// How often it is looked for.
const LOOK: Duration = Duration::from_millis(20);

/// A server that runs until this value is dropped.
pub(crate) struct Process {
    child: Child,
    pub(crate) address: SocketAddr,
    log: PathBuf,
}

impl Process {
    /// Starts a server and waits until it says where it listens. Its output
    /// goes to files, so that nobody has to read along while it is measured.
    ///
    /// # Errors
    /// It did not start; with the end of its log.
    pub(crate) async fn start(mut command: Command, log: &Path) -> Result<Self, String> {
        let output = log.with_extension("out");
        let file = |path: &Path| {
            File::create(path).map_err(|error| format!("{}: {error}", path.display()))
        };
        let mut child = command
            .stdin(Stdio::null())
            .stdout(file(&output)?)
            .stderr(file(log)?)
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| format!("{command:?} cannot be run: {error}"))?;
        let started = Instant::now();
        loop {
            if let Some(address) = listening(&output) {
                return Ok(Self {
                    child,
                    address,
                    log: log.to_owned(),
                });
            }
            let ended = child.try_wait().map_err(|error| error.to_string())?;
            if ended.is_some() || started.elapsed() > START {
                return Err(format!("the server did not start:\n{}", tail(log)));
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Its number, while it runs.
    pub(crate) fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Ends it and waits until it has, so that another one may have its store.
    ///
    /// # Errors
    /// No signal could be sent.
    pub(crate) async fn stop(mut self) -> Result<(), String> {
        self.child.kill().await.map_err(|error| error.to_string())
    }

    /// The end of its log.
    pub(crate) fn log(&self) -> String {
        tail(&self.log)
    }

    /// Keeps the process from running until [`resume`](Self::resume), so that
    /// what it does in the background is not measured with another one.
    ///
    /// # Errors
    /// No signal could be sent.
    pub(crate) async fn pause(&self) -> Result<(), String> {
        self.signal("-STOP").await
    }

    /// Lets it run again.
    ///
    /// # Errors
    /// No signal could be sent.
    pub(crate) async fn resume(&self) -> Result<(), String> {
        self.signal("-CONT").await
    }

    async fn signal(&self, signal: &str) -> Result<(), String> {
        let id = self.id().ok_or("the server has ended")?;
        output(Command::new("kill").args([signal, &id.to_string()])).await?;
        Ok(())
    }

    /// A line of `/proc/PID/status` in MB, such as `VmHWM`.
    pub(crate) fn memory_mb(&self, line: &str) -> Option<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id()?)).ok()?;
        let value = status
            .lines()
            .find_map(|found| found.strip_prefix(line)?.strip_prefix(':'))?;
        let kilobytes: f64 = value.trim().strip_suffix("kB")?.trim().parse().ok()?;
        Some(kilobytes / 1024.0)
    }
}

/// The address in the line that tells it.
fn listening(output: &Path) -> Option<SocketAddr> {
    let printed = std::fs::read_to_string(output).ok()?;
    // A line without its end may be half an address.
    printed.split_inclusive('\n').find_map(|line| {
        let address = line.strip_prefix("listening on http://")?;
        address.strip_suffix('\n')?.trim().parse().ok()
    })
}

fn tail(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
}

/// Runs a command to its end and returns what it printed.
///
/// # Errors
/// It failed; with what it complained about.
pub(crate) async fn output(command: &mut Command) -> Result<String, String> {
    let output = command
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .map_err(|error| format!("{:?} cannot be run: {error}", command.as_std()))?;
    if !output.status.success() {
        return Err(format!(
            "{:?} failed: {}",
            command.as_std(),
            String::from_utf8_lossy(&output.stderr).trim()
        ));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
