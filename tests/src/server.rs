//! The server as a process of its own, as operators run it.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, ExitStatus};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::oneshot;

use crate::client::Client;
use crate::exposition::Exposition;
use crate::program;

/// The admin key of every server that the tests start.
pub const ADMIN_KEY: &str = "key of the tests";

/// A Redis that nobody runs: port 1 refuses connections.
const NO_REDIS: &str = "redis://127.0.0.1:1/0";

/// How long a server may take until it listens.
const START_DEADLINE: Duration = Duration::from_secs(60);

/// A server that runs until this value is dropped.
#[derive(Debug)]
pub struct TestServer {
    child: Child,
    address: SocketAddr,
    log: Arc<Mutex<String>>,
    log_reader: Option<JoinHandle<()>>,
    printed: Arc<Mutex<String>>,
}

/// How a server shall be started.
#[derive(Debug)]
pub struct ServerBuilder {
    command: Command,
}

impl TestServer {
    /// A server on the database behind that URL, on a free port and without
    /// Redis, unless told otherwise.
    pub fn builder(database_url: &str) -> ServerBuilder {
        let mut command = program::command(&["serve"]);
        command
            .env("DATABASE_URL", database_url)
            .env("REDIS_URL", NO_REDIS)
            .env("HOST", "127.0.0.1")
            .env("PORT", "0")
            .env("ADMIN_KEY", ADMIN_KEY);
        ServerBuilder { command }
            .setting("http.workers", "1")
            .setting("database.pool_size", "4")
            .setting("gate.reconcile_interval", "1s")
            // What is wrong must not be put right before a test sees it.
            .setting("reconciliation.interval", "0s")
            // A machine that is busy with other tests must not look like a
            // PostgreSQL or a Redis that is lost.
            .setting("database.answer_timeout", "10s")
            .setting("redis.connect_timeout", "10s")
            .setting("redis.response_timeout", "10s")
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The number of its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Somebody who talks to it.
    pub fn client(&self) -> Client {
        Client::new(&format!("http://{}", self.address), ADMIN_KEY)
    }

    /// What it wrote to stderr so far.
    pub fn log(&self) -> String {
        self.log
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl TestServer {
    /// What it printed on stdout up to the line that tells where it listens,
    /// and perhaps more.
    pub fn printed(&self) -> String {
        self.printed
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Where it shows its metrics, which the settings ask for. It says so right
    /// behind the address of the interface.
    pub async fn metrics_address(&self) -> SocketAddr {
        let mut found = None;
        crate::eventually("the address of the metrics is printed", async || {
            let printed = self.printed();
            let address = printed.lines().find_map(|line| {
                let address = line.strip_prefix("metrics on http://")?;
                address.strip_suffix("/metrics")?.parse().ok()
            });
            found = address;
            found.is_some()
        })
        .await;
        found.expect("it was found")
    }

    /// What its metrics say now.
    pub async fn metrics(&self) -> Exposition {
        let address = self.metrics_address().await;
        let answer = Client::new(&format!("http://{address}"), "")
            .get("/metrics")
            .await;
        let media_type = answer.expect(200).header("content-type");
        assert_eq!(media_type, Some("text/plain; version=0.0.4; charset=utf-8"));
        Exposition::parse(std::str::from_utf8(&answer.body).expect("text"))
    }

    /// Panics if a thread of the server did.
    pub fn assert_no_panic(&self) {
        let log = self.log();
        assert!(!log.contains("panicked at"), "a server panicked:\n{log}");
    }

    /// Sends a signal such as `TERM`.
    pub fn signal(&self, name: &str) {
        let signal = Command::new("kill")
            .args([format!("-{name}"), self.child.id().to_string()])
            .status()
            .expect("there is a kill command");
        assert!(signal.success(), "no signal was sent");
    }

    /// Ends the process without giving it a chance to do anything, like
    /// `kill -9`.
    pub fn kill(&mut self) {
        // Fails only for one that has ended already.
        let _ = self.child.kill();
        self.child.wait().expect("a child can be waited for");
    }

    /// Asks the server to end, like `kill`, and waits until it did.
    pub async fn terminate(&mut self) -> ExitStatus {
        self.signal("TERM");
        self.ended().await
    }

    /// Waits until it has ended.
    pub async fn ended(&mut self) -> ExitStatus {
        let mut ended = None;
        crate::eventually("the server ends", async || {
            ended = self.child.try_wait().expect("a child can be waited for");
            ended.is_some()
        })
        .await;
        ended.expect("it ended")
    }
}

impl ServerBuilder {
    /// Runs the server in that folder.
    #[must_use]
    pub fn working_in(mut self, folder: &Path) -> Self {
        self.command.current_dir(folder);
        self
    }

    /// Takes an environment variable away.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.command.env_remove(name);
        self
    }

    /// Uses the Redis behind that URL.
    #[must_use]
    pub fn redis(self, url: &str) -> Self {
        self.env("REDIS_URL", url)
    }

    /// Sets an environment variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    /// Sets a setting such as `http.workers` through the environment.
    #[must_use]
    pub fn setting(self, setting: &str, value: &str) -> Self {
        let name = program::variable(setting);
        self.env(&name, value)
    }

    /// Says that HAProxy stands before the server, so that what is true of a
    /// server that only its machine can reach stays so.
    #[must_use]
    pub(crate) fn behind_a_balancer(self) -> Self {
        self.setting("auth.mode", "open")
            .setting("auth.open_beyond_loopback", "true")
            .setting("http.trusted_proxies", "127.0.0.1")
    }

    /// Starts the server and waits until it listens.
    pub async fn start(mut self) -> TestServer {
        self.start_one().await
    }

    /// Starts one more server of this kind.
    pub(crate) async fn start_one(&mut self) -> TestServer {
        let mut child = self.command.spawn().expect("the program can be run");
        let log = Arc::new(Mutex::new(String::new()));
        let log_reader = read_log(&mut child, Arc::clone(&log));
        let printed = Arc::new(Mutex::new(String::new()));
        let address = read_address(&mut child, Arc::clone(&printed));
        let mut server = TestServer {
            child,
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            log,
            log_reader: Some(log_reader),
            printed,
        };
        match tokio::time::timeout(START_DEADLINE, address).await {
            Ok(Ok(address)) => server.address = address,
            // Dropping `server` shows its log.
            Ok(Err(_)) => panic!("the server ended before it listened"),
            Err(_) => panic!("the server did not listen within {START_DEADLINE:?}"),
        }
        server
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        // Fails only for a child that is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Some(reader) = self.log_reader.take() {
            let _ = reader.join();
        }
        if std::thread::panicking() {
            eprintln!("--- log of the server at {}\n{}", self.address, self.log());
        }
    }
}

/// Reads stderr to its end, so that the server never blocks on a full pipe.
fn read_log(child: &mut Child, log: Arc<Mutex<String>>) -> JoinHandle<()> {
    let mut stderr = child.stderr.take().expect("stderr is piped");
    std::thread::spawn(move || {
        let mut piece = [0; 4096];
        while let Ok(length @ 1..) = stderr.read(&mut piece) {
            log.lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push_str(&String::from_utf8_lossy(&piece[..length]));
        }
    })
}

/// Reads stdout to its end and tells the address when the server names it.
fn read_address(child: &mut Child, printed: Arc<Mutex<String>>) -> oneshot::Receiver<SocketAddr> {
    let stdout = child.stdout.take().expect("stdout is piped");
    let (sender, receiver) = oneshot::channel();
    std::thread::spawn(move || {
        let mut sender = Some(sender);
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            let mut printed = printed.lock().unwrap_or_else(PoisonError::into_inner);
            printed.push_str(&line);
            printed.push('\n');
            drop(printed);
            let address = line.strip_prefix("listening on http://");
            if let Some(address) = address.and_then(|text| text.trim().parse().ok())
                && let Some(sender) = sender.take()
            {
                let _ = sender.send(address);
            }
        }
    });
    receiver
}
