//! A Redis that may be killed.

use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

use deadpool_redis::redis::{self, Client, FromRedisValue, TlsCertificates};
use tempfile::TempDir;

use super::{Environment, as_service, folder, variable};
use crate::encryption::{Encryption, ROOTS};
use crate::ports::free_port;

/// A Redis without persistence unless it is asked to save, gone when dropped.
#[derive(Debug)]
pub(crate) struct OwnRedis {
    folder: TempDir,
    port: u16,
    child: Option<Child>,
    /// Of its process.
    environment: Environment,
    /// Before those that each has: a file may be the first.
    arguments: Vec<String>,
    /// Where nobody is answered in plain text.
    encryption: Option<Encryption>,
}

impl OwnRedis {
    /// Starts an empty one.
    pub(crate) async fn start(environment: Environment) -> Self {
        let mut redis = Self::new();
        redis.environment = environment;
        redis.start_again().await;
        redis
    }

    /// Starts one with these arguments, which may depend on its folder. It speaks TLS
    /// alone, or not at all.
    pub(crate) async fn start_with(
        encryption: Option<&Encryption>,
        arguments: impl FnOnce(&Path) -> Vec<String>,
    ) -> Self {
        let mut redis = Self::new();
        redis.arguments = arguments(redis.folder.path());
        if let Some(encryption) = encryption {
            let settings = encryption.settings(redis.folder.path());
            redis.arguments.extend(settings);
            redis.encryption = Some(encryption.clone());
        }
        redis.start_again().await;
        redis
    }

    fn new() -> Self {
        Self {
            folder: folder("redis-"),
            port: free_port(),
            child: None,
            environment: Environment::new(),
            arguments: Vec::new(),
            encryption: None,
        }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Sends a signal to it, such as `STOP`.
    pub(crate) fn signal(&self, name: &str) {
        let child = self.child.as_ref().expect("it runs");
        super::signal(name, &[child.id()]);
    }

    /// Starts it after it was killed, with what was saved last, if anything was.
    pub(crate) async fn start_again(&mut self) {
        assert!(self.child.is_none(), "it runs");
        let mut command = as_service(Path::new(&variable("SERVICES_REDIS")));
        command
            .args(&self.arguments)
            .args(["--bind", "127.0.0.1"])
            .args(self.ports())
            .args(["--save", "", "--appendonly", "no", "--dir"])
            .arg(self.folder.path())
            .envs(self.environment.clone())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        self.child = Some(command.spawn().expect("redis can be run"));
        crate::eventually("Redis starts", async || {
            self.try_ask::<String>(&["PING"]).await.is_ok()
        })
        .await;
    }

    fn ports(&self) -> Vec<String> {
        let port = self.port.to_string();
        let words = match self.encryption {
            None => vec!["--port", &port],
            Some(_) => vec!["--port", "0", "--tls-port", &port],
        };
        words.into_iter().map(str::to_owned).collect()
    }

    /// Ends it at once, like `kill -9`.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Writes down what it holds now; only what is kept so comes back.
    pub(crate) async fn save(&self) {
        let _: String = self.ask(&["SAVE"]).await;
        std::fs::copy(self.file(), self.kept()).expect("a file that was saved");
    }

    /// Puts back what was saved, for the next start.
    pub(crate) fn restore(&self) {
        assert!(self.child.is_none(), "it runs");
        std::fs::copy(self.kept(), self.file()).expect("a file that was kept");
    }

    /// Forgets what was saved.
    pub(crate) fn forget(&self) {
        let _ = std::fs::remove_file(self.file());
    }

    /// The URL under which a server finds it.
    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/0", self.port)
    }

    /// What `redis-cli` needs to speak with it, besides its address.
    pub(crate) fn options_of_cli(&self) -> Vec<String> {
        let Some(_) = self.encryption else {
            return Vec::new();
        };
        let roots = self.folder.path().join(ROOTS).display().to_string();
        ["--tls", "--cacert", &roots].map(str::to_owned).to_vec()
    }

    /// Sends a command and reads its answer.
    pub(crate) async fn ask<T: FromRedisValue>(&self, words: &[&str]) -> T {
        self.try_ask(words)
            .await
            .unwrap_or_else(|error| panic!("{words:?}: {error}"))
    }

    /// Waits until that replica has all that was written here so far. (`WAIT` would wait for
    /// what its own connection wrote, which is nothing.)
    pub(crate) async fn has_told(&self, replica: &Self) {
        let written = self.offset("master_repl_offset").await;
        crate::eventually("the replica has all of it", async || {
            replica.offset("slave_repl_offset").await >= written
        })
        .await;
    }

    /// How far replication has come, by that field.
    async fn offset(&self, field: &str) -> Option<i64> {
        let info: String = self.ask(&["INFO", "replication"]).await;
        let line = info.lines().find_map(|line| line.strip_prefix(field));
        line?.strip_prefix(':')?.parse().ok()
    }

    pub(crate) async fn try_ask<T: FromRedisValue>(&self, words: &[&str]) -> redis::RedisResult<T> {
        let client = match &self.encryption {
            None => Client::open(self.url())?,
            Some(encryption) => {
                let certificates = TlsCertificates {
                    client_tls: None,
                    root_cert: Some(encryption.roots.clone().into_bytes()),
                };
                let url = format!("rediss://{}:{}/0", encryption.host, self.port);
                Client::build_with_tls(url, certificates)?
            }
        };
        let connecting = client.get_multiplexed_async_connection();
        // Nobody waits for one that is paused.
        let connected = tokio::time::timeout(Duration::from_secs(5), connecting).await;
        let mut connection = connected.unwrap_or_else(|_| panic!("Redis is silent"))?;
        let mut command = redis::cmd(words[0]);
        command.arg(&words[1..]);
        command.query_async(&mut connection).await
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("dump.rdb")
    }

    fn kept(&self) -> PathBuf {
        self.folder.path().join("kept.rdb")
    }
}

impl Drop for OwnRedis {
    fn drop(&mut self) {
        self.kill();
    }
}
