//! A Redis with a replica, and a Sentinel that watches over both.

use std::path::Path;

use deadpool_redis::redis::FromRedisValue;

use crate::encryption::Encryption;
use crate::eventually;
use crate::faults::instances::{OwnRedis, give_away};

/// What the Sentinel calls the primary.
const NAME: &str = "tickets";

/// Two servers and a Sentinel, gone when dropped.
#[derive(Debug)]
pub struct RedisBehindSentinel {
    servers: [OwnRedis; 2],
    sentinel: OwnRedis,
}

impl RedisBehindSentinel {
    /// Starts an empty pair. The first server is the primary.
    pub async fn start() -> Self {
        Self::create(None, None).await
    }

    /// The same, where all speak TLS alone.
    pub async fn start_encrypted(servers: &Encryption, sentinel: &Encryption) -> Self {
        Self::create(Some(servers), Some(sentinel)).await
    }

    async fn create(servers: Option<&Encryption>, watcher: Option<&Encryption>) -> Self {
        let primary = OwnRedis::start_with(servers, |_| Vec::new()).await;
        let port = primary.port().to_string();
        let replica = OwnRedis::start_with(servers, |_| {
            vec![
                "--replicaof".to_owned(),
                "127.0.0.1".to_owned(),
                port.clone(),
            ]
        })
        .await;
        let sentinel = OwnRedis::start_with(watcher, |folder| watching(folder, &port)).await;
        let pair = Self {
            servers: [primary, replica],
            sentinel,
        };
        pair.follows(1).await;
        eventually("the sentinel knows both", async || {
            let words = ["SENTINEL", "CKQUORUM", NAME];
            let replicas: Vec<Vec<String>> =
                pair.sentinel.ask(&["SENTINEL", "REPLICAS", NAME]).await;
            pair.sentinel.try_ask::<String>(&words).await.is_ok() && replicas.len() == 1
        })
        .await;
        pair
    }

    /// The URL under which a server finds it. Nobody answers at the first address.
    pub fn url(&self) -> String {
        let port = self.sentinel.port();
        format!("redis+sentinel://127.0.0.1:1,127.0.0.1:{port}/{NAME}/0")
    }

    /// Where the Sentinel is.
    pub fn sentinel_address(&self) -> String {
        format!("127.0.0.1:{}", self.sentinel.port())
    }

    /// Where a server is.
    pub fn address_of(&self, server: usize) -> String {
        format!("127.0.0.1:{}", self.servers[server].port())
    }

    /// Has the Sentinel take whoever is at that port for the primary.
    pub async fn watch(&self, port: u16) {
        self.watch_at("127.0.0.1", port).await;
    }

    /// Has the Sentinel know the first server by a name and not by its address.
    pub async fn announce(&self, name: &str) {
        for setting in ["resolve-hostnames", "announce-hostnames"] {
            let words = ["SENTINEL", "CONFIG", "SET", setting, "yes"];
            let _: String = self.sentinel.ask(&words).await;
        }
        self.watch_at(name, self.servers[0].port()).await;
    }

    async fn watch_at(&self, host: &str, port: u16) {
        let _: String = self.sentinel.ask(&["SENTINEL", "REMOVE", NAME]).await;
        let port = port.to_string();
        let words = ["SENTINEL", "MONITOR", NAME, host, &port, "1"];
        let _: String = self.sentinel.ask(&words).await;
    }

    /// Sends a command to one server and reads its answer.
    pub async fn ask<T: FromRedisValue>(&self, server: usize, words: &[&str]) -> T {
        self.servers[server].ask(words).await
    }

    /// Waits until the replica has all that the primary has been told.
    pub async fn has_told(&self) {
        self.servers[0].has_told(&self.servers[1]).await;
    }

    /// Ends a server at once, like `kill -9`.
    pub fn kill(&mut self, server: usize) {
        self.servers[server].kill();
    }

    /// Waits until a server is the primary, for the Sentinel too.
    pub async fn is_primary(&self, server: usize) {
        let port = self.servers[server].port().to_string();
        eventually("a failover", async || {
            let words = ["SENTINEL", "GET-MASTER-ADDR-BY-NAME", NAME];
            let address: Vec<String> = self.sentinel.ask(&words).await;
            self.replication(server).await.contains("role:master") && address.last() == Some(&port)
        })
        .await;
    }

    /// Makes the replica the primary while both are alive: the first server is demoted
    /// without ending a connection.
    pub async fn swap(&self) {
        let port = self.servers[1].port().to_string();
        let _: String = self.ask(1, &["REPLICAOF", "NO", "ONE"]).await;
        let _: String = self.ask(0, &["REPLICAOF", "127.0.0.1", &port]).await;
        self.tell_sentinel(1).await;
        self.is_primary(1).await;
        self.follows(0).await;
    }

    /// Has the Sentinel take a server for the primary, be it one or not. It finds out that it
    /// is not, but not for some seconds.
    pub async fn tell_sentinel(&self, server: usize) {
        self.watch(self.servers[server].port()).await;
    }

    async fn follows(&self, server: usize) {
        eventually("the replica follows", async || {
            let info = self.replication(server).await;
            info.contains("role:slave") && info.contains("master_link_status:up")
        })
        .await;
    }

    /// What a server says of its part. A Sentinel ends all connections of one whose part it
    /// changes, also that of whoever is asking: then nothing.
    async fn replication(&self, server: usize) -> String {
        let info = self.servers[server].try_ask(&["INFO", "replication"]).await;
        info.unwrap_or_default()
    }
}

/// The arguments of a Sentinel, which writes its file anew.
fn watching(folder: &Path, port: &str) -> Vec<String> {
    let file = folder.join("sentinel.conf");
    let settings = format!(
        "sentinel monitor {NAME} 127.0.0.1 {port} 1\n\
         sentinel down-after-milliseconds {NAME} 500\n\
         sentinel failover-timeout {NAME} 3000\n"
    );
    std::fs::write(&file, settings).expect("our own folder");
    give_away(&file);
    vec![file.display().to_string(), "--sentinel".to_owned()]
}
