//! The line between a store and PostgreSQL, to be broken by a test.

use adapters_postgres::PgSettings;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{broadcast, watch};

/// What becomes of the connections that there are.
#[derive(Debug, Clone, Copy)]
enum Order {
    /// Both ends see it go.
    Cut,
    /// The store sees it go, and the server's answers are lost: to the server it
    /// looks as if the store had nothing more to say.
    Lose,
    /// Neither end sees it go, and nothing passes any more.
    Hush,
}

/// What becomes of a new connection.
#[derive(Debug, Clone, Copy)]
enum Newcomer {
    Carried,
    /// It ends at once.
    Refused,
    /// It comes about, and nobody answers.
    Ignored,
}

/// What is answered by silence when the store says it once more than so often, and how
/// often that happened.
#[derive(Debug, Clone, Copy, Default)]
struct Trap {
    text: Option<(&'static str, usize)>,
    sprung: usize,
}

impl Trap {
    fn springs_at(&mut self, piece: &[u8]) -> bool {
        let Some((text, skip)) = &mut self.text else {
            return false;
        };
        if !piece
            .windows(text.len())
            .any(|part| part == text.as_bytes())
        {
            return false;
        }
        if let Some(fewer) = skip.checked_sub(1) {
            *skip = fewer;
            return false;
        }
        self.text = None;
        self.sprung += 1;
        true
    }
}

/// A line that stands in front of the server of some settings.
#[derive(Clone)]
pub(crate) struct Line {
    orders: broadcast::Sender<Order>,
    newcomers: watch::Sender<Newcomer>,
    trap: watch::Sender<Trap>,
}

impl Line {
    /// Leads these settings over a line.
    pub(crate) fn before(settings: &mut PgSettings) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener.set_nonblocking(true).expect("a socket");
        let port = listener.local_addr().expect("it is bound").port();
        let listener = TcpListener::from_std(listener).expect("within a runtime");
        let (user, rest) = settings.url.split_once('@').expect("a URL with a user");
        let (server, database) = rest.split_once('/').expect("a URL with a database");
        let (orders, _) = broadcast::channel(16);
        let line = Self {
            orders,
            newcomers: watch::Sender::new(Newcomer::Carried),
            trap: watch::Sender::default(),
        };
        tokio::spawn(accept(listener, server.to_owned(), line.clone()));
        settings.url = format!("{user}@127.0.0.1:{port}/{database}");
        line
    }

    /// Ends all connections.
    pub(crate) fn cut(&self) {
        let _ = self.orders.send(Order::Cut);
    }

    /// Ends all connections for the store, and for the server leaves them as they are.
    pub(crate) fn lose(&self) {
        let _ = self.orders.send(Order::Lose);
    }

    /// Has all connections fall silent for good.
    pub(crate) fn hush(&self) {
        let _ = self.orders.send(Order::Hush);
    }

    /// Has the next connection on which the store says that, after it was said so often,
    /// fall silent for good. The server hears it.
    pub(crate) fn hush_after(&self, text: &'static str, skip: usize) {
        self.trap.send_modify(|trap| trap.text = Some((text, skip)));
    }

    /// How many connections fell silent so.
    pub(crate) fn hushed(&self) -> usize {
        self.trap.borrow().sprung
    }

    /// Whether new connections come about.
    pub(crate) fn open(&self, open: bool) {
        self.newcomers.send_replace(match open {
            true => Newcomer::Carried,
            false => Newcomer::Refused,
        });
    }

    /// Has new connections come about and lead nowhere.
    pub(crate) fn ignore_newcomers(&self) {
        self.newcomers.send_replace(Newcomer::Ignored);
    }
}

async fn accept(listener: TcpListener, server: String, line: Line) {
    let mut ignored = Vec::new();
    while let Ok((near, _)) = listener.accept().await {
        let newcomer = *line.newcomers.borrow();
        match newcomer {
            Newcomer::Carried => {
                let far = TcpStream::connect(&server).await.expect("a server");
                let orders = line.orders.subscribe();
                tokio::spawn(carry(near, far, orders, line.trap.clone()));
            }
            Newcomer::Refused => {}
            Newcomer::Ignored => ignored.push(near),
        }
    }
}

async fn carry(
    near: TcpStream,
    far: TcpStream,
    mut orders: broadcast::Receiver<Order>,
    trap: watch::Sender<Trap>,
) {
    let (mut near_read, mut near_write) = near.into_split();
    let (mut far_read, mut far_write) = far.into_split();
    let order = tokio::select! {
        order = there(&mut near_read, &mut far_write, &trap) => order,
        _ = copy(&mut far_read, &mut near_write) => return,
        order = orders.recv() => order.ok(),
    };
    if let Some(Order::Hush) = order {
        return std::future::pending().await;
    }
    drop((near_read, near_write));
    if let Some(Order::Lose) = order {
        let mut lost = [0; 4096];
        while let Ok(1..) = far_read.read(&mut lost).await {}
    }
}

/// From the store to the server, until the store has no more to say or a trap springs.
async fn there(
    from: &mut OwnedReadHalf,
    to: &mut OwnedWriteHalf,
    trap: &watch::Sender<Trap>,
) -> Option<Order> {
    let mut piece = vec![0; 16 * 1024];
    loop {
        let length = from
            .read(&mut piece)
            .await
            .ok()
            .filter(|length| *length > 0)?;
        let piece = &piece[..length];
        to.write_all(piece).await.ok()?;
        let springs = trap.send_if_modified(|trap| trap.springs_at(piece));
        if springs {
            return Some(Order::Hush);
        }
    }
}
