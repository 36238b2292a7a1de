//! PostgreSQL, Redis and PgBouncer of a scenario's own, to be killed and started again
//! without troubling anybody else. `deploy/services.sh` says where the programs
//! are and as whom they run.

mod pgbouncer;
mod postgres;
mod redis;

use std::fs::File;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

pub use pgbouncer::{OwnPgBouncer, PoolMode};
pub use postgres::OwnPostgres;
pub(crate) use postgres::{USERS, add_users};
pub(crate) use redis::OwnRedis;

/// What is added to the environment of a process.
pub type Environment = Vec<(&'static str, String)>;

pub(crate) fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| {
        panic!("{name} is not set: run this by `make` or `deploy/services.sh with test -- …`")
    })
}

/// A program that is run by the user of the servers and dies with us.
fn as_service(program: &Path) -> Command {
    let mut command = if cfg!(target_os = "linux") {
        let mut command = Command::new("setpriv");
        command.arg("--pdeathsig=KILL");
        let user = variable("SERVICES_USER");
        if !user.is_empty() {
            let group = output(Command::new("id").args(["-g", &user]));
            command.arg(format!("--reuid={user}"));
            command.arg(format!("--regid={}", group.trim()));
            command.arg("--init-groups");
        }
        command.arg("--").arg(program);
        command
    } else {
        Command::new(program)
    };
    command.env("LC_ALL", "C").stdin(Stdio::null());
    command
}

/// Runs a command to its end, which must be a good one.
pub(crate) fn output(command: &mut Command) -> String {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A folder in which the user of the servers may write; removed in the end.
pub(crate) fn folder(name: &str) -> tempfile::TempDir {
    let base = base();
    let folder = tempfile::Builder::new()
        .prefix(name)
        .tempdir_in(&base)
        .unwrap_or_else(|error| panic!("{}: {error}", base.display()));
    give_away(folder.path());
    folder
}

/// Where all of this run is.
fn base() -> PathBuf {
    let base = PathBuf::from(variable("SERVICES_FOLDER")).join("faults");
    std::fs::create_dir_all(&base).unwrap_or_else(|error| panic!("{}: {error}", base.display()));
    let open = std::fs::Permissions::from_mode(0o711);
    std::fs::set_permissions(&base, open).expect("our own folder");
    base
}

pub(crate) fn give_away(folder: &Path) {
    let user = variable("SERVICES_USER");
    if !user.is_empty() {
        output(Command::new("chown").arg(format!("{user}:")).arg(folder));
    }
}

/// Held while something is made that all processes of the tests share.
fn lock() -> File {
    let path = base().join("lock");
    let file = File::create(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    file.lock().expect("a file can be locked");
    file
}

fn signal(signal: &str, pids: &[u32]) {
    // Fails for those that are gone already.
    let _ = Command::new("kill")
        .arg(format!("-{signal}"))
        .args(pids.iter().map(u32::to_string))
        .stderr(Stdio::null())
        .status();
}
