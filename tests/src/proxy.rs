//! A TCP connection to a dependency that a test can break and mend.

use std::net::SocketAddr;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::url;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Line {
    /// Bytes pass.
    Open,
    /// Connections end at once.
    Cut,
    /// Connections stay, but nothing passes any more.
    Silent,
}

/// Stands between a server and one of its dependencies.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    target_url: String,
    line: watch::Sender<Line>,
}

impl Proxy {
    /// In front of PostgreSQL or Redis at that URL.
    pub async fn before(target_url: &str) -> Self {
        let port_default = if target_url.starts_with("redis") {
            6379
        } else {
            5432
        };
        let target = url::address(target_url, port_default);
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a free port can be bound");
        let address = listener.local_addr().expect("a bound listener");
        let (line, state) = watch::channel(Line::Open);
        tokio::spawn(accept(listener, target, state));
        Self {
            address,
            target_url: target_url.to_owned(),
            line,
        }
    }

    /// The URL of the dependency, through this proxy.
    pub fn url(&self) -> String {
        url::with_address(&self.target_url, &self.address.to_string())
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends all connections and every new one.
    pub fn cut(&self) {
        self.line.send_replace(Line::Cut);
    }

    /// Keeps connections but lets nothing through.
    pub fn silence(&self) {
        self.line.send_replace(Line::Silent);
    }

    /// Lets new connections through again.
    pub fn mend(&self) {
        self.line.send_replace(Line::Open);
    }
}

async fn accept(listener: TcpListener, target: String, state: watch::Receiver<Line>) {
    while let Ok((near, _)) = listener.accept().await {
        tokio::spawn(carry(near, target.clone(), state.clone()));
    }
}

/// A connection never comes back to life: mending the line helps new ones.
async fn carry(mut near: TcpStream, target: String, mut state: watch::Receiver<Line>) {
    if *state.borrow_and_update() == Line::Open {
        let Ok(mut far) = TcpStream::connect(&target).await else {
            return;
        };
        tokio::select! {
            _ = copy_bidirectional(&mut near, &mut far) => return,
            _ = state.changed() => {}
        }
        // `far` ends here: the dependency sees the connection go.
    }
    let silent = *state.borrow_and_update() == Line::Silent;
    if silent {
        // Held open until the line changes or the test ends.
        let _ = state.changed().await;
    }
}
