//! Stands between a gate and Redis and makes trouble.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Passes everything on.
    Forward,
    /// Accepts connections and never answers, not on old ones either.
    Silent,
    /// Passes on what is asked, and keeps the answers.
    Deaf,
    /// Breaks every connection.
    Broken,
}

#[derive(Default)]
struct Counters {
    connections: AtomicUsize,
    connections_over: AtomicUsize,
    turns: AtomicUsize,
}

pub(crate) struct Proxy {
    pub(crate) url: String,
    mode: watch::Sender<Mode>,
    counters: Arc<Counters>,
}

impl Proxy {
    /// A proxy in front of the database at `url`.
    pub(crate) async fn before(url: &str, mode: Mode) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("it is bound").port();
        let (redis, database) = url
            .trim_start_matches("redis://")
            .split_once('/')
            .expect("a url with a database");
        let (mode, modes) = watch::channel(mode);
        let counters = Arc::new(Counters::default());
        tokio::spawn(accept(
            listener,
            redis.to_owned(),
            modes,
            Arc::clone(&counters),
        ));
        Self {
            url: format!("redis://127.0.0.1:{port}/{database}"),
            mode,
            counters,
        }
    }

    pub(crate) fn set(&self, mode: Mode) {
        self.mode.send_replace(mode);
    }

    /// How many connections were made so far.
    pub(crate) fn connections(&self) -> usize {
        self.counters.connections.load(Ordering::SeqCst)
    }

    /// How many of them are not over yet.
    pub(crate) fn connections_open(&self) -> usize {
        self.connections() - self.counters.connections_over.load(Ordering::SeqCst)
    }

    /// How often the client had its say: one per round trip.
    pub(crate) fn turns(&self) -> usize {
        self.counters.turns.load(Ordering::SeqCst)
    }
}

async fn accept(
    listener: TcpListener,
    redis: String,
    modes: watch::Receiver<Mode>,
    counters: Arc<Counters>,
) {
    while let Ok((client, _)) = listener.accept().await {
        counters.connections.fetch_add(1, Ordering::SeqCst);
        let server = TcpStream::connect(&redis).await.expect("redis is there");
        let (modes, counters) = (modes.clone(), Arc::clone(&counters));
        tokio::spawn(async move {
            pass_on(client, server, modes, &counters).await;
            counters.connections_over.fetch_add(1, Ordering::SeqCst);
        });
    }
}

/// Passes bytes on as the mode says, until either side or the mode ends it.
async fn pass_on(
    mut client: TcpStream,
    mut server: TcpStream,
    mut modes: watch::Receiver<Mode>,
    counters: &Counters,
) {
    let mut question = vec![0; 64 * 1024];
    let mut answer = vec![0; 64 * 1024];
    let mut clients_turn = true;
    loop {
        let mode = *modes.borrow_and_update();
        let asks = matches!(mode, Mode::Forward | Mode::Deaf);
        if mode == Mode::Broken {
            return;
        }
        tokio::select! {
            changed = modes.changed() => {
                if changed.is_err() {
                    return;
                }
            }
            read = client.read(&mut question), if asks => {
                let Ok(length @ 1..) = read else { return };
                if clients_turn {
                    counters.turns.fetch_add(1, Ordering::SeqCst);
                    clients_turn = false;
                }
                if server.write_all(&question[..length]).await.is_err() {
                    return;
                }
            }
            read = server.read(&mut answer), if mode == Mode::Forward => {
                let Ok(length @ 1..) = read else { return };
                clients_turn = true;
                if client.write_all(&answer[..length]).await.is_err() {
                    return;
                }
            }
        }
    }
}
