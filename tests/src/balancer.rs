//! HAProxy in front of three servers, with the configuration that is shipped.
//! `deploy/services.sh with cluster` says where the program is.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use tempfile::NamedTempFile;

use crate::client::Client;
use crate::ports::free_port;
use crate::server::ADMIN_KEY;

/// How many servers the configuration knows.
pub const SERVERS: usize = 3;

/// How often another port is tried when somebody took the first one.
const STARTS_MAX: usize = 5;

/// A running HAProxy, gone when dropped.
#[derive(Debug)]
pub struct Balancer {
    child: Child,
    log: NamedTempFile,
    port: u16,
    statistics: Client,
}

impl Balancer {
    /// Stands before those servers, and is there when it answers.
    pub async fn before(servers: [SocketAddr; SERVERS]) -> Self {
        for _ in 1..STARTS_MAX {
            let mut balancer = Self::spawn(&servers);
            if balancer.is_there().await {
                return balancer;
            }
        }
        let mut balancer = Self::spawn(&servers);
        let is_there = balancer.is_there().await;
        assert!(is_there, "HAProxy does not start:\n{}", balancer.log());
        balancer
    }

    fn spawn(servers: &[SocketAddr; SERVERS]) -> Self {
        let configuration = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/haproxy/haproxy.cfg");
        let log = NamedTempFile::new().expect("a temporary file");
        let output = || log.reopen().expect("a file of our own");
        let (port, statistics) = (free_port(), free_port());
        let mut command = Command::new(program());
        for (index, server) in servers.iter().enumerate() {
            command.env(format!("API_{}", index + 1), server.to_string());
        }
        let child = command
            .args(["-db", "-f", configuration])
            .env("BALANCER", format!("127.0.0.1:{port}"))
            .env("BALANCER_STATISTICS", format!("127.0.0.1:{statistics}"))
            .stdin(Stdio::null())
            .stdout(output())
            .stderr(output())
            .spawn()
            .expect("HAProxy can be run");
        Self {
            child,
            log,
            port,
            statistics: Client::new(&format!("http://127.0.0.1:{statistics}"), ""),
        }
    }

    /// Whether it answers; not if it has ended.
    async fn is_there(&mut self) -> bool {
        let (child, statistics) = (&mut self.child, &self.statistics);
        let mut has_ended = false;
        crate::eventually("HAProxy answers or ends", async || {
            has_ended = child.try_wait().is_ok_and(|status| status.is_some());
            has_ended || statistics.get("/metrics").try_send().await.is_ok()
        })
        .await;
        !has_ended
    }

    /// Where clients connect.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    /// Somebody who talks to the servers by way of it.
    pub fn client(&self) -> Client {
        Client::new(&format!("http://{}", self.address()), ADMIN_KEY)
    }

    /// Somebody who makes a connection for each request.
    pub(crate) fn client_hanging_up(&self) -> Client {
        Client::hanging_up(&format!("http://{}", self.address()), ADMIN_KEY)
    }

    /// Whether it sends requests to the servers at the moment, in their order.
    pub async fn uses(&self) -> Vec<bool> {
        let answer = self.statistics.get("/;csv").await;
        let text = String::from_utf8_lossy(&answer.expect(200).body).into_owned();
        let servers = text.lines().filter(|line| line.starts_with("api,api-"));
        // The 18th column is the state: "UP 1/2" on its way down is in use too.
        servers
            .map(|line| {
                line.split(',')
                    .nth(17)
                    .unwrap_or_default()
                    .starts_with("UP")
            })
            .collect()
    }

    /// Waits until it sends requests to exactly these servers.
    pub async fn until_it_uses(&self, servers: [bool; SERVERS]) {
        let what = format!("HAProxy uses {servers:?}");
        crate::eventually(&what, async || self.uses().await == servers).await;
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.log.path()).unwrap_or_default()
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        // Fails only for a child that is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- log of HAProxy\n{}", self.log());
        }
    }
}

fn program() -> PathBuf {
    let program = std::env::var_os("SERVICES_HAPROXY").filter(|program| !program.is_empty());
    let program = program.unwrap_or_else(|| {
        panic!(
            "SERVICES_HAPROXY is not set: run this by `make cluster-test` or \
             `deploy/services.sh with cluster -- …`"
        )
    });
    PathBuf::from(program)
}
