//! What documentation shows to clients does what it says, also on a line that
//! loses the answer to a booking.

#[path = "../../examples/buy.rs"]
#[expect(dead_code, reason = "it is a program")]
mod buy;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use utsavam_tests::Service;

const PYTHON: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/examples/buy.py");

#[tokio::test]
async fn the_example_in_rust_buys_once_over_a_line_that_loses_an_answer() {
    let service = on_sale().await;
    let line = LosingLine::before(service.server.address()).await;
    let told = buy::buy_and_give_back(&line.url).await;
    line.assert_lost_one();
    assert_bought_once(&service, &told.expect("it comes to an end")).await;
}

#[tokio::test]
async fn the_example_in_python_buys_once_over_a_line_that_loses_an_answer() {
    if !has_python().await {
        assert!(std::env::var_os("CI").is_none(), "Python is missing");
        eprintln!("skipped, for want of Python");
        return;
    }
    let service = on_sale().await;
    let line = LosingLine::before(service.server.address()).await;
    let output = tokio::process::Command::new("python3")
        .args([PYTHON, &line.url])
        .kill_on_drop(true)
        .output()
        .await
        .expect("Python can be run");
    assert!(output.status.success(), "{output:?}");
    line.assert_lost_one();
    let told = String::from_utf8_lossy(&output.stdout);
    let told: Vec<String> = told.lines().map(str::to_owned).collect();
    assert_bought_once(&service, &told).await;
}

async fn has_python() -> bool {
    let version = "import sys; sys.exit(sys.version_info < (3, 10))";
    let python = tokio::process::Command::new("python3")
        .args(["-c", version])
        .status()
        .await;
    python.is_ok_and(|status| status.success())
}

async fn on_sale() -> Service {
    let service = Service::start().await;
    let event = json!({
        "name": "Rooftop Cinema",
        "venue": "Roof",
        "start_at": "2099-06-01T18:00:00Z",
        "capacity": 5,
    });
    service.client.publish_event(&event).await;
    service
}

async fn assert_bought_once(service: &Service, told: &[String]) {
    let [event, bought, cancelled] = told else {
        panic!("three lines were expected: {told:?}");
    };
    assert_eq!(event, "Rooftop Cinema: 5 seats left");
    let (booking, made) = bought.split_once(": ").expect("a booking and its state");
    assert_eq!(made, "2 seats, CONFIRMED");
    assert_eq!(*cancelled, format!("{booking}: CANCELLED"));
    let bookings = "SELECT count(*) FROM bookings";
    assert_eq!(service.database.sql().await.number(bookings).await, 1);
}

/// A line to a server on which the answer to the first booking is lost, and with
/// it the connection.
struct LosingLine {
    url: String,
    has_lost: Arc<AtomicBool>,
}

impl LosingLine {
    async fn before(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let has_lost = Arc::new(AtomicBool::new(false));
        let lost = Arc::clone(&has_lost);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(pass_on(client, server, Arc::clone(&lost)));
            }
        });
        Self {
            url: format!("http://{address}"),
            has_lost,
        }
    }

    fn assert_lost_one(&self) {
        assert!(self.has_lost.load(Ordering::SeqCst), "no answer was lost");
    }
}

async fn pass_on(mut client: TcpStream, server: SocketAddr, has_lost: Arc<AtomicBool>) {
    let Ok(mut server) = TcpStream::connect(server).await else {
        return;
    };
    let (mut asked, mut answered) = ([0; 16 * 1024], [0; 16 * 1024]);
    let mut is_booking = false;
    loop {
        let passed = tokio::select! {
            count = client.read(&mut asked) => {
                let Ok(count @ 1..) = count else { return };
                is_booking |= asked[..count].starts_with(b"POST /bookings ");
                server.write_all(&asked[..count]).await
            }
            count = server.read(&mut answered) => {
                let Ok(count @ 1..) = count else { return };
                if is_booking && !has_lost.swap(true, Ordering::SeqCst) {
                    return;
                }
                client.write_all(&answered[..count]).await
            }
        };
        if passed.is_err() {
            return;
        }
    }
}
