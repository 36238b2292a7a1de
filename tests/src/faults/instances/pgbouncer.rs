//! A PgBouncer before a PostgreSQL.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::Child;

use tempfile::TempDir;

use super::{as_service, folder, variable};
use crate::ports::free_port;
use crate::sql::Sql;
use crate::url;

/// When a connection of PostgreSQL is given to another session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PoolMode {
    /// When the session ends.
    Session,
    /// When the transaction ends.
    Transaction,
}

/// A PgBouncer that keeps sessions apart or does not, gone when dropped.
#[derive(Debug)]
pub struct OwnPgBouncer {
    folder: TempDir,
    child: Child,
    url: String,
}

impl OwnPgBouncer {
    /// Before the PostgreSQL at that URL. `ignored` are parameters at the beginning of a session
    /// that it takes without a word, and forgets.
    pub async fn before(postgres_url: &str, mode: PoolMode, ignored: &[&str]) -> Self {
        let folder = folder("pgbouncer-");
        let port = free_port();
        let (host, server_port) = url::address(postgres_url, 5432)
            .rsplit_once(':')
            .map(|(host, port)| (host.to_owned(), port.to_owned()))
            .expect("an address has a port");
        let mode = match mode {
            PoolMode::Session => "session",
            PoolMode::Transaction => "transaction",
        };
        let users = folder.path().join("users");
        std::fs::write(&users, "\"utsavam\" \"\"\n").expect("our own folder");
        let mut settings = format!(
            "[databases]\n* = host={host} port={server_port}\n\
             [pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n\
             auth_type = trust\nauth_file = {}\npool_mode = {mode}\nserver_login_retry = 1\n",
            users.display(),
        );
        if !ignored.is_empty() {
            let ignored = ignored.join(",");
            writeln!(settings, "ignore_startup_parameters = {ignored}").expect("a string");
        }
        let file = folder.path().join("pgbouncer.ini");
        std::fs::write(&file, settings).expect("our own folder");
        let log = std::fs::File::create(folder.path().join("pgbouncer.log"));
        let mut command = as_service(&PathBuf::from(variable("SERVICES_PGBOUNCER")));
        command.arg(&file).stderr(log.expect("our own folder"));
        let pgbouncer = Self {
            child: command.spawn().expect("pgbouncer can be run"),
            url: url::with_address(postgres_url, &format!("127.0.0.1:{port}")),
            folder,
        };
        pgbouncer.wait().await;
        pgbouncer
    }

    async fn wait(&self) {
        crate::eventually("PgBouncer answers", async || {
            tokio_postgres::connect(&self.url, tokio_postgres::NoTls)
                .await
                .is_ok()
        })
        .await;
    }

    /// The URL of the database by way of it.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A connection of the test's own by way of it.
    pub async fn sql(&self) -> Sql {
        Sql::connect(&self.url).await
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("pgbouncer.log")).unwrap_or_default()
    }
}

impl Drop for OwnPgBouncer {
    fn drop(&mut self) {
        // Fails only for a child that is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- log of PgBouncer\n{}", self.log());
        }
    }
}
