//! `make bench`: the load process and the check of its ledger on the embedded
//! store, and that growth can be measured.

use std::path::PathBuf;
use std::process::Output;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use utsavam_tests::{TestDatabase, TestServer};

/// How long a server waits for a request on a new connection.
const IMPATIENCE: Duration = Duration::from_millis(50);

/// Seats that nobody can sell in a second.
const MANY: i64 = 1_000_000;

/// A server, what its clients ask for, and what they were told.
struct Sale {
    server: TestServer,
    database: TestDatabase,
    folder: TempDir,
    user_id: i64,
    event_id: i64,
}

impl Sale {
    async fn start() -> Self {
        let database = TestDatabase::embedded();
        let server = TestServer::builder(database.url())
            .without("REDIS_URL")
            .start()
            .await;
        let client = server.client();
        Self {
            user_id: client.register("alice@example.com").await,
            event_id: client.publish(MANY).await,
            server,
            database,
            folder: TempDir::with_prefix("utsavam_test_").expect("a temporary folder"),
        }
    }

    fn ledger(&self) -> PathBuf {
        self.folder.path().join("ledger")
    }

    /// Loads the server for about a second and returns the summary.
    async fn load(&self, flags: &[&str]) -> Value {
        let mut arguments = vec![
            "load".to_owned(),
            format!("--address={}", self.server.address()),
            format!("--user-first={}", self.user_id),
            format!("--event-first={}", self.event_id),
            format!("--path=/events/{}", self.event_id),
            format!("--ledger={}", self.ledger().display()),
            "--warmup=0.1".to_owned(),
            "--seconds=0.5".to_owned(),
        ];
        arguments.extend(flags.iter().map(|flag| (*flag).to_owned()));
        let output = bench(&arguments).await;
        assert!(output.status.success(), "{output:?}");
        serde_json::from_slice(&output.stdout).expect("the summary is JSON")
    }

    /// Compares the ledger with the database.
    async fn check(&self) -> Output {
        bench(&[
            "check".to_owned(),
            format!("--database={}", self.database.url()),
            format!("--event-first={}", self.event_id),
            format!("--ledger={}", self.ledger().display()),
        ])
        .await
    }

    /// Does this to the newest booking, and expects that to be found out.
    async fn spoil(&self, statement: &str, expected: &str) {
        let sql = self.database.sql().await;
        let newest = sql.number("SELECT max(id) FROM bookings").await;
        sql.run(&statement.replace("NEWEST", &newest.to_string()))
            .await;
        let output = self.check().await;
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "{output:?}");
        let expected = expected.replace("NEWEST", &newest.to_string());
        assert!(said.contains(&expected), "{expected:?} is not in {said}");
    }
}

async fn bench(arguments: &[String]) -> Output {
    tokio::process::Command::new(env!("CARGO_BIN_EXE_bench"))
        .args(arguments)
        .env_clear()
        // One of the two that a run of everything needs; nothing else may ask for the other.
        .env("DATABASE_URL", "postgres://nowhere.example/unused")
        .kill_on_drop(true)
        .output()
        .await
        .expect("the program can be run")
}

#[tokio::test]
async fn every_booking_of_a_measured_load_is_in_the_database() {
    for flags in [
        &["--work=book", "--clients=8", "--keyed"][..],
        &["--work=book", "--clients=1", "--rate=200"],
        &["--work=mixed", "--clients=8"],
    ] {
        let sale = Sale::start().await;
        let summary = sale.load(flags).await;
        assert!(summary["rate"].as_f64() > Some(0.0), "{summary}");
        let booked = summary["statuses"]["201"].as_u64().unwrap_or_default();
        assert!(booked > 0, "{summary}");

        let output = sale.check().await;
        assert!(output.status.success(), "{output:?}");
        let said = String::from_utf8_lossy(&output.stdout);
        assert_eq!(said, format!("{booked} bookings are as promised\n"));
    }
}

#[tokio::test]
async fn a_booking_that_is_lost_changed_or_invented_is_found() {
    for (statement, expected) in [
        (
            "DELETE FROM bookings WHERE id = NEWEST",
            "booking NEWEST is missing",
        ),
        (
            "UPDATE bookings SET status = 'CANCELLED' WHERE id = NEWEST",
            "promised was",
        ),
        (
            "INSERT INTO bookings (id, user_id, event_id, seats) \
             SELECT id + 1, user_id, event_id, seats FROM bookings WHERE id = NEWEST",
            "nobody was promised booking",
        ),
        (
            "UPDATE events SET seats_available = seats_available + 1",
            "seats sold",
        ),
        (
            "UPDATE booking_totals SET confirmed_bookings = confirmed_bookings + 1",
            "the total is",
        ),
    ] {
        let sale = Sale::start().await;
        sale.load(&["--work=book", "--clients=2", "--requests=20"])
            .await;
        sale.spoil(statement, expected).await;
    }
}

/// A server may say so when it closes a connection on which nobody has asked yet, as those are that
/// stand ready in an open loop.
#[tokio::test]
async fn a_connection_that_was_not_used_in_time_is_opened_anew() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let told = AtomicUsize::new(0);
    let impatient = async {
        loop {
            let (mut client, _) = listener.accept().await.expect("a connection");
            let mut request = [0; 1024];
            let asked = tokio::time::timeout(IMPATIENCE, client.read(&mut request)).await;
            let status = match asked {
                Ok(_) => "200 OK",
                Err(_) => {
                    told.fetch_add(1, Ordering::Relaxed);
                    "408 Request Timeout"
                }
            };
            let answer =
                format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            // The last one has gone by then.
            let _ = client.write_all(answer.as_bytes()).await;
        }
    };
    let arguments = [
        "load".to_owned(),
        "--work=read".to_owned(),
        "--path=/".to_owned(),
        "--rate=5".to_owned(),
        "--warmup=0".to_owned(),
        "--seconds=1".to_owned(),
        format!("--address={address}"),
    ];
    let output = tokio::select! {
        () = impatient => unreachable!("it serves without an end"),
        output = bench(&arguments) => output,
    };
    assert!(output.status.success(), "{output:?}");
    let summary: Value = serde_json::from_slice(&output.stdout).expect("the summary is JSON");
    assert!(summary["statuses"]["200"].as_u64() >= Some(4), "{summary}");
    assert!(told.into_inner() > 0);
}

/// A run that measures next to nothing, but all that growth is about.
#[tokio::test]
async fn growth_is_measured_to_its_end() {
    let folder = TempDir::with_prefix("utsavam_test_").expect("a temporary folder");
    let samples = folder.path().join("samples.json");
    let service = |name| std::env::var(name).expect("`make test` sets it");
    let output = bench(&[
        "--store=embedded".to_owned(),
        "--only=GROWTH".to_owned(),
        "--rounds=2".to_owned(),
        "--seconds=0.5".to_owned(),
        "--warmup=0.1".to_owned(),
        "--growth-bookings=20000".to_owned(),
        "--growth-events=2000".to_owned(),
        format!("--json={}", samples.display()),
        format!("--database-url={}", service("DATABASE_URL")),
        format!("--redis-url={}", service("REDIS_URL")),
    ])
    .await;
    assert!(output.status.success(), "{output:?}");
    let samples = std::fs::read(&samples).expect("samples");
    let samples = String::from_utf8(samples).expect("text");
    for call in ["D", "B", "C", "ANALYTICS"] {
        for size in ["small", "grown"] {
            let name = format!("growth/embedded/{call}/{size}");
            assert!(samples.contains(&name), "{name} is not in {samples}");
        }
    }
}
