//! Running the `utsavam` program: where it is, what its environment holds, and
//! commands that end by themselves.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// No command of the program takes longer, unless it hangs or serves although
/// it should have refused to.
const DEADLINE: Duration = Duration::from_secs(30);

/// Where the program under test is: `UTSAVAM_BIN`, else beside the test
/// executables.
pub(crate) fn binary() -> PathBuf {
    if let Some(path) = std::env::var_os("UTSAVAM_BIN") {
        return PathBuf::from(path);
    }
    beside("utsavam")
}

/// A program of this workspace, beside the test executables.
pub(crate) fn beside(name: &str) -> PathBuf {
    let mut folder = std::env::current_exe().expect("a process knows its executable");
    folder.pop();
    if folder.ends_with("deps") {
        folder.pop();
    }
    let path = folder.join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    assert!(
        path.exists(),
        "{} is missing: run `cargo build` first, or set UTSAVAM_BIN",
        path.display()
    );
    path
}

/// The program with an environment of its own, so that no setting of whoever
/// runs the tests gets in.
pub(crate) fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(binary());
    command
        .args(arguments)
        .env_clear()
        .current_dir(std::env::temp_dir())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    for name in ["PATH", "HOME", "LLVM_PROFILE_FILE"] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command
}

/// The environment variable of a setting: `UTSAVAM__HTTP__WORKERS` for
/// `http.workers`.
pub(crate) fn variable(setting: &str) -> String {
    format!("UTSAVAM__{}", setting.replace('.', "__").to_uppercase())
}

/// A command of the program that ends by itself.
#[derive(Debug)]
pub struct Program {
    command: Command,
}

impl Program {
    /// `utsavam` with these arguments and hardly an environment.
    pub fn new(arguments: &[&str]) -> Self {
        Self {
            command: command(arguments),
        }
    }

    /// Sets an environment variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    /// Runs the program in that folder.
    #[must_use]
    pub fn working_in(mut self, folder: &Path) -> Self {
        self.command.current_dir(folder);
        self
    }

    /// Sets a setting such as `http.workers` through the environment.
    #[must_use]
    pub fn setting(self, setting: &str, value: &str) -> Self {
        let name = variable(setting);
        self.env(&name, value)
    }

    /// What it reads from standard input, instead of nothing.
    #[must_use]
    pub fn stdin(mut self, stdin: impl Into<Stdio>) -> Self {
        self.command.stdin(stdin);
        self
    }

    /// Starts it and leaves it running: the test reads, writes and kills. It is
    /// killed at the latest when the process is dropped.
    pub fn start(self) -> tokio::process::Child {
        tokio::process::Command::from(self.command)
            .kill_on_drop(true)
            .spawn()
            .expect("the program can be run")
    }

    /// As [`start`](Self::start), at a terminal.
    #[cfg(target_os = "linux")]
    pub fn start_on(mut self, terminal: &crate::Terminal) -> tokio::process::Child {
        self.command
            .stdin(terminal.side())
            .stdout(terminal.side())
            .stderr(terminal.side());
        self.start()
    }

    /// Runs it to its end, which must come within half a minute.
    pub async fn run(self) -> Finished {
        let what = shown(&self.command);
        let started = Instant::now();
        let mut command = tokio::process::Command::from(self.command);
        let output = tokio::time::timeout(DEADLINE, command.kill_on_drop(true).output())
            .await
            .unwrap_or_else(|_| panic!("utsavam {what} did not end within {DEADLINE:?}"))
            .expect("the program can be run");
        Finished {
            what,
            took: started.elapsed(),
            success: output.status.success(),
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

/// Arguments and environment, to tell what failed.
fn shown(command: &Command) -> String {
    let mut words: Vec<String> = command
        .get_args()
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    for (name, value) in command.get_envs() {
        let value = value.unwrap_or_default().to_string_lossy();
        words.push(format!("{}={value}", name.to_string_lossy()));
    }
    words.join(" ")
}

/// What a command left behind.
#[derive(Debug)]
pub struct Finished {
    what: String,
    success: bool,
    code: Option<i32>,
    /// How long it ran.
    pub took: Duration,
    /// What it printed.
    pub stdout: String,
    /// What it complained about, and its log.
    pub stderr: String,
}

impl Finished {
    /// Panics unless the command reported success.
    pub fn expect_success(self) -> Self {
        assert!(self.success, "utsavam {} failed: {self}", self.what);
        self
    }

    /// Panics unless the command ended with that exit code.
    pub fn expect_code(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "utsavam {}: {self}", self.what);
        self
    }

    /// Panics unless the command reported failure with a sentence for people
    /// rather than a panic or a dump of structures. Returns that sentence: the
    /// last line on stderr.
    pub fn expect_failure(&self) -> String {
        assert!(!self.success, "utsavam {} succeeded: {self}", self.what);
        for inward in ["panicked at", "stack backtrace", "Caused by", "Error {"] {
            assert!(
                !self.stderr.contains(inward),
                "{inward:?} is not for people: {self}"
            );
        }
        let sentence = self.stderr.lines().rfind(|line| !line.trim().is_empty());
        sentence
            .unwrap_or_else(|| panic!("utsavam {} failed without a word: {self}", self.what))
            .to_owned()
    }
}

impl std::fmt::Display for Finished {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "after {:?}\n--- stdout\n{}\n--- stderr\n{}",
            self.took, self.stdout, self.stderr
        )
    }
}
