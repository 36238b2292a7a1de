//! A PostgreSQL that may be killed.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::{Environment, as_service, base, folder, lock, output, signal, variable};
use crate::ports::free_port;
use crate::program::Program;
use crate::sql::Sql;

/// The users that everybody's database has from the beginning.
pub(crate) const USERS: i64 = 20_000;

/// The database that everybody uses.
const DATABASE: &str = "utsavam";

/// No start takes longer, recovery included.
const START_DEADLINE: Duration = Duration::from_secs(60);

/// What is survived here is the end of processes, not of the machine: what the
/// system was given to write is written. So nobody waits for the disk, but a
/// commit is in the system's hands before it is answered.
const SETTINGS: &str = "listen_addresses = '127.0.0.1'
unix_socket_directories = ''
fsync = off
synchronous_commit = on
full_page_writes = on
max_connections = 100
shared_buffers = 64MB
wal_level = replica
max_wal_senders = 4
";

/// A PostgreSQL with a migrated database and users, gone when dropped.
#[derive(Debug)]
pub struct OwnPostgres {
    folder: TempDir,
    port: u16,
    child: Option<Child>,
    /// Of its process.
    environment: Environment,
}

impl OwnPostgres {
    /// Starts one on a copy of what all of them begin with.
    pub async fn start(environment: Environment) -> Self {
        let template = template().await;
        let folder = folder("postgres-");
        copy(&template, &folder.path().join("data"));
        Self::on(folder, environment).await
    }

    /// A standby of this one, which then waits for it with each commit.
    pub async fn standby(&self) -> Self {
        let standby = self.replica(self.environment.clone()).await;
        let sql = self.sql().await;
        sql.run("ALTER SYSTEM SET synchronous_standby_names = 'standby'")
            .await;
        sql.run("SELECT pg_reload_conf()").await;
        crate::eventually("the standby is waited for", async || {
            let state = sql.rows("SELECT sync_state FROM pg_stat_replication").await;
            state.iter().any(|row| row[0] == "sync")
        })
        .await;
        standby
    }

    /// A standby of this one, for which nobody waits.
    pub async fn replica(&self, environment: Environment) -> Self {
        let folder = folder("standby-");
        let primary = format!(
            "host=127.0.0.1 port={} user=utsavam application_name=standby",
            self.port
        );
        let mut backup = as_service(&program("pg_basebackup"));
        backup
            .args(["-R", "-X", "stream", "-c", "fast", "--no-sync", "-d"])
            .arg(&primary)
            .arg("-D")
            .arg(folder.path().join("data"));
        output(&mut backup);
        Self::on(folder, environment).await
    }

    /// Makes a standby the one that is written to, which waits for nobody.
    pub async fn promote(&self) {
        let sql = self.sql().await;
        sql.run("SELECT pg_promote(true, 60)").await;
        sql.run("ALTER SYSTEM SET synchronous_standby_names = ''")
            .await;
        sql.run("SELECT pg_reload_conf()").await;
    }

    async fn on(folder: TempDir, environment: Environment) -> Self {
        let mut postgres = Self::new(folder, environment);
        postgres.start_again().await;
        postgres
    }

    fn new(folder: TempDir, environment: Environment) -> Self {
        Self {
            folder,
            port: free_port(),
            child: None,
            environment,
        }
    }

    /// Starts it after it was killed or stopped, and waits until it answers.
    pub async fn start_again(&mut self) {
        self.spawn();
        self.wait().await;
    }

    fn spawn(&mut self) {
        assert!(self.child.is_none(), "it runs");
        // After a kill any process with the old number would be taken for the
        // old server; that one was waited for.
        let _ = std::fs::remove_file(self.data().join("postmaster.pid"));
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(self.log_path())
            .expect("a log can be written");
        let mut command = as_service(&program("postgres"));
        command
            .arg("-D")
            .arg(self.data())
            .args(["-p", &self.port.to_string()])
            .envs(self.environment.clone())
            .stderr(log.try_clone().expect("a file"))
            .stdout(log);
        self.child = Some(command.spawn().expect("postgres can be run"));
    }

    /// Waits until it answers.
    pub(crate) async fn wait(&mut self) {
        self.wait_for(DATABASE).await;
    }

    async fn wait_for(&mut self, database: &str) {
        let started = Instant::now();
        let url = self.url_of(database);
        while tokio_postgres::connect(&url, tokio_postgres::NoTls)
            .await
            .is_err()
        {
            let child = self.child.as_mut().expect("it was started");
            let has_ended = child.try_wait().is_ok_and(|status| status.is_some());
            assert!(
                started.elapsed() < START_DEADLINE && !has_ended,
                "PostgreSQL does not start:\n{}",
                self.log()
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Ends all its processes at once, like `kill -9`.
    pub fn kill(&mut self) {
        let Some(mut child) = self.child.take() else {
            return;
        };
        let pid = child.id();
        // Stopped first, so that nobody is born while the list is made.
        signal("STOP", &[pid]);
        let mut all = children(pid);
        all.push(pid);
        signal("KILL", &all);
        let _ = child.wait();
        // Its shared memory is in use until the last one is gone.
        while all.iter().any(|&pid| is_alive(pid)) {
            std::thread::yield_now();
        }
    }

    /// Kills the process of one of the sessions, after which PostgreSQL ends
    /// all others and recovers by itself. Whether there was one.
    pub(crate) async fn kill_a_session(&self) -> bool {
        let sql = self.sql().await;
        let sessions = sql
            .rows(
                "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' \
                 AND pid <> pg_backend_pid() ORDER BY state = 'active' DESC LIMIT 1",
            )
            .await;
        let Some(pid) = sessions.first().and_then(|row| row[0].parse().ok()) else {
            return false;
        };
        signal("KILL", &[pid]);
        true
    }

    /// Stops it as an operator does who restarts it: sessions are ended
    /// (`fast`), or not even told (`immediate`).
    pub(crate) fn stop(&mut self, immediate: bool) {
        if let Some(mut child) = self.child.take() {
            signal(if immediate { "QUIT" } else { "INT" }, &[child.id()]);
            let _ = child.wait();
        }
    }

    /// The URL under which a server finds its database.
    pub fn url(&self) -> String {
        self.url_of(DATABASE)
    }

    /// The URL that names another one behind this one.
    pub fn url_with(&self, other: &Self) -> String {
        let (port, other) = (self.port, other.port);
        format!("postgres://utsavam@127.0.0.1:{port},127.0.0.1:{other}/{DATABASE}")
    }

    fn url_of(&self, database: &str) -> String {
        format!("postgres://utsavam@127.0.0.1:{}/{database}", self.port)
    }

    /// A connection of the test's own.
    pub async fn sql(&self) -> Sql {
        Sql::connect(&self.url()).await
    }

    /// The last of what it logged.
    pub(crate) fn log(&self) -> String {
        let log = std::fs::read_to_string(self.log_path()).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(30)..].join("\n")
    }

    fn log_path(&self) -> PathBuf {
        self.folder.path().join("postgres.log")
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }
}

impl Drop for OwnPostgres {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- log of PostgreSQL\n{}", self.log());
        }
        self.kill();
    }
}

fn program(name: &str) -> PathBuf {
    PathBuf::from(variable("SERVICES_POSTGRES")).join(name)
}

fn copy(from: &Path, to: &Path) {
    output(
        as_service(Path::new("cp"))
            .args(["-r", "--preserve=mode"])
            .arg(from)
            .arg(to),
    );
}

/// The data that all begin with, made by whoever comes first.
async fn template() -> PathBuf {
    let ready = base().join("template");
    let _lock = tokio::task::spawn_blocking(lock).await.expect("a lock");
    if ready.exists() {
        return ready;
    }
    let folder = folder("making-");
    let data = folder.path().join("data");
    let mut initdb = as_service(&program("initdb"));
    initdb
        .args(["--no-sync", "--encoding=UTF8", "--locale=C", "--auth=trust"])
        .args(["--username=utsavam", "-D"])
        .arg(&data)
        .stdout(Stdio::null());
    output(&mut initdb);
    std::fs::write(data.join("postgresql.conf"), SETTINGS).expect("our own folder");
    let mut postgres = OwnPostgres::new(folder, Environment::default());
    postgres.spawn();
    postgres.wait_for("postgres").await;
    Sql::connect(&postgres.url_of("postgres"))
        .await
        .run(&format!("CREATE DATABASE {DATABASE}"))
        .await;
    Program::new(&["migrate"])
        .env("DATABASE_URL", &postgres.url())
        .run()
        .await
        .expect_success();
    add_users(&postgres.sql().await, 1..USERS + 1).await;
    postgres.stop(false);
    std::fs::rename(&data, &ready).expect("our own folders");
    ready
}

/// Registers users without a word to any server. Their ids are the numbers, which the
/// sequence would not give after PostgreSQL was killed: it skips some then.
pub(crate) async fn add_users(sql: &Sql, ids: std::ops::Range<i64>) {
    sql.run(&format!(
        "INSERT INTO users (id, email) OVERRIDING SYSTEM VALUE \
         SELECT n, 'user' || n || '@example.com' FROM generate_series({}, {}) AS n",
        ids.start,
        ids.end - 1
    ))
    .await;
}

/// The processes that have this one as their parent.
fn children(parent: u32) -> Vec<u32> {
    let listed = Command::new("ps").args(["-A", "-o", "pid=,ppid="]).output();
    let listed = listed.expect("ps can be run").stdout;
    String::from_utf8_lossy(&listed)
        .lines()
        .filter_map(|line| {
            let (pid, ppid) = line.trim().split_once(char::is_whitespace)?;
            let is_child = ppid.trim().parse() == Ok(parent);
            is_child.then(|| pid.parse().ok())?
        })
        .collect()
}

/// Whether it runs; one that nobody has buried does not.
fn is_alive(pid: u32) -> bool {
    let state = Command::new("ps")
        .args(["-o", "stat=", "-p", &pid.to_string()])
        .output();
    let state = state.expect("ps can be run").stdout;
    let state = String::from_utf8_lossy(&state);
    !state.trim().is_empty() && !state.trim().starts_with('Z')
}
