//! Wall clocks that can be set: a library in front of the system's, which takes
//! what a file says into account.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

use super::instances::{self, Environment};

/// Compiled for each run: nothing of it is in the program.
const SOURCE: &str = include_str!("clock_shift.c");

/// The wall clock of one or more processes.
#[derive(Debug)]
pub struct WallClock {
    folder: TempDir,
}

impl WallClock {
    /// One that is right. `None` where there is no compiler for C, or no way to
    /// put a library in front of another.
    pub fn new() -> Option<Self> {
        if !cfg!(target_os = "linux") {
            return None;
        }
        let folder = instances::folder("clock-");
        let open = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(folder.path(), open).ok()?;
        let clock = Self { folder };
        let source = clock.folder.path().join("clock_shift.c");
        std::fs::write(&source, SOURCE).ok()?;
        let compiled = Command::new("cc")
            .args(["-O2", "-shared", "-fPIC", "-o"])
            .arg(clock.library())
            .arg(&source)
            .arg("-ldl")
            .status();
        clock.set(0);
        compiled.ok()?.success().then_some(clock)
    }

    /// From now on it is so many seconds ahead.
    pub fn set(&self, seconds: i64) {
        // In place: it is mapped by those who read it.
        let file = std::fs::File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(self.shift())
            .expect("our own folder");
        std::os::unix::fs::FileExt::write_all_at(&file, &seconds.to_ne_bytes(), 0)
            .expect("a few bytes can be written");
    }

    /// What the environment of a process needs.
    pub fn environment(&self) -> Environment {
        vec![
            ("LD_PRELOAD", self.library().display().to_string()),
            ("CLOCK_SHIFT", self.shift().display().to_string()),
        ]
    }

    fn library(&self) -> PathBuf {
        self.folder.path().join("clock_shift.so")
    }

    fn shift(&self) -> PathBuf {
        self.folder.path().join("seconds")
    }
}
