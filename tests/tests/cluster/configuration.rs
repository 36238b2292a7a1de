//! What HAProxy does with requests, seen from the servers behind it, which are
//! none of ours here.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use reqwest::Method;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use utsavam_tests::{Balancer, NOBODY_KNOWS, SERVERS};

/// A server that writes down what it is asked.
#[derive(Debug)]
struct Backend {
    address: SocketAddr,
    common: Arc<Common>,
    accepting: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Common {
    /// Heads of requests, but for those for `/ready`.
    heads: Mutex<Vec<String>>,
    /// Whether it reads requests and goes away without an answer.
    is_dying: AtomicBool,
    /// Whether it wants no more requests.
    is_leaving: AtomicBool,
}

impl Backend {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a bound listener");
        let common = Arc::new(Common::default());
        let shared = Arc::clone(&common);
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&shared)));
            }
        });
        Self {
            address,
            common,
            accepting,
        }
    }

    /// Refuses connections from now on.
    async fn stop(&mut self) {
        self.accepting.abort();
        let _ = (&mut self.accepting).await;
    }

    fn heads(&self) -> Vec<String> {
        let heads = self.common.heads.lock();
        heads.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Three of them, and HAProxy before them.
async fn balanced() -> (Balancer, [Backend; SERVERS]) {
    let backends = [
        Backend::start().await,
        Backend::start().await,
        Backend::start().await,
    ];
    let balancer = Balancer::before(backends.each_ref().map(|backend| backend.address)).await;
    balancer.until_it_uses([true; SERVERS]).await;
    (balancer, backends)
}

async fn serve(mut stream: TcpStream, common: Arc<Common>) {
    let (reading, mut writing) = stream.split();
    let mut reading = BufReader::new(reading);
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            match reading.read_line(&mut head).await {
                Ok(1..) => {}
                _ => return,
            }
        }
        let status = if head.starts_with("GET /ready ") {
            match common.is_leaving.load(Ordering::SeqCst) {
                true => "503 Service Unavailable",
                false => "200 OK",
            }
        } else {
            let mut heads = common.heads.lock().unwrap_or_else(PoisonError::into_inner);
            heads.push(head);
            if common.is_dying.load(Ordering::SeqCst) {
                return;
            }
            "204 No Content"
        };
        let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n");
        if writing.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

fn asked(backends: &[Backend]) -> usize {
    backends.iter().map(|backend| backend.heads().len()).sum()
}

#[tokio::test]
async fn a_change_that_got_no_answer_is_never_sent_again() {
    let (balancer, backends) = balanced().await;
    for backend in &backends {
        backend.common.is_dying.store(true, Ordering::SeqCst);
    }
    let mut sent = 0;
    for method in [Method::POST, Method::DELETE, Method::PUT, Method::PATCH] {
        let client = balancer.client();
        let answer = client.call(method.clone(), "/bookings/1").await;
        sent += 1;
        assert_eq!(asked(&backends), sent, "{answer}");
        assert_eq!(answer.expect(502).json()["code"], "unavailable");
        let detail = answer.json()["detail"].to_string();
        assert!(detail.contains(NOBODY_KNOWS), "{answer}");
        assert_eq!(answer.header("retry-after"), Some("1"));
        // On a connection that has been used, HAProxy ends it instead.
        let answer = client.call(method.clone(), "/bookings/1").try_send().await;
        sent += 1;
        assert_eq!(asked(&backends), sent, "{method} was sent {answer:?}");
        assert!(answer.is_err(), "{answer:?}");
    }
}

#[tokio::test]
async fn a_read_that_got_no_answer_is_sent_to_another_server() {
    let (balancer, backends) = balanced().await;
    backends[0].common.is_dying.store(true, Ordering::SeqCst);
    for _ in 0..6 {
        balancer.client().get("/events").await.expect(204);
    }
    let heads = backends[0].heads();
    assert!(!heads.is_empty(), "it was asked, and others after it");
}

#[tokio::test]
async fn a_server_that_cannot_be_reached_costs_no_request() {
    let (balancer, mut backends) = balanced().await;
    backends[1].stop().await;
    // HAProxy still believes in it.
    assert_eq!(balancer.uses().await, [true; SERVERS]);
    for _ in 0..6 {
        let answer = balancer.client().call(Method::POST, "/bookings").await;
        answer.expect(204);
    }
    assert_eq!(asked(&backends), 6, "each was sent once");
}

#[tokio::test]
async fn a_server_that_leaves_gets_nobody_though_it_still_answers() {
    let (balancer, backends) = balanced().await;
    backends[1].common.is_leaving.store(true, Ordering::SeqCst);
    balancer.until_it_uses([true, false, true]).await;
    for _ in 0..9 {
        balancer.client().get("/events").await.expect(204);
    }
    assert_eq!(backends[1].heads(), Vec::<String>::new());
    assert_eq!(asked(&backends), 9);

    backends[1].common.is_leaving.store(false, Ordering::SeqCst);
    balancer.until_it_uses([true; SERVERS]).await;
    for _ in 0..9 {
        balancer.client().get("/events").await.expect(204);
    }
    assert!(!backends[1].heads().is_empty(), "it is back");
}

#[tokio::test]
async fn what_a_client_says_about_where_it_comes_from_is_replaced() {
    let (balancer, backends) = balanced().await;
    let call = balancer.client().get("/events");
    let call = call.header("X-Forwarded-For", "203.0.113.7");
    let call = call.header("X-Forwarded-For", "203.0.113.8");
    call.header("Forwarded", "for=203.0.113.9")
        .await
        .expect(204);
    let heads: Vec<String> = backends.iter().flat_map(Backend::heads).collect();
    let head = heads.concat().to_ascii_lowercase();
    assert_eq!(head.matches("x-forwarded-for:").count(), 1, "{head}");
    assert!(head.contains("x-forwarded-for: 127.0.0.1\r\n"), "{head}");
    assert!(!head.contains("203.0.113"), "{head}");
}

#[tokio::test]
async fn without_any_server_the_answer_says_that_nothing_was_done() {
    let (balancer, backends) = balanced().await;
    for backend in &backends {
        backend.common.is_leaving.store(true, Ordering::SeqCst);
    }
    balancer.until_it_uses([false; SERVERS]).await;
    let answer = balancer.client().call(Method::POST, "/bookings").await;
    assert_eq!(answer.expect(503).json()["code"], "unavailable");
    assert_eq!(
        answer.header("content-type"),
        Some("application/problem+json")
    );
    assert_eq!(answer.header("retry-after"), Some("1"));
    let detail = answer.json()["detail"].to_string();
    assert!(detail.contains("nothing was done"), "{answer}");
    assert_eq!(asked(&backends), 0);
}
