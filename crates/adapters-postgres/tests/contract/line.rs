//! The line between a store and PostgreSQL, to be broken by a test.

use adapters_postgres::PgSettings;
use tokio::io::{AsyncReadExt, copy_bidirectional};
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

/// A line that stands in front of the server of some settings.
pub(crate) struct Line {
    orders: broadcast::Sender<Order>,
    newcomers: watch::Sender<Newcomer>,
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
        let (newcomers, newcomer) = watch::channel(Newcomer::Carried);
        tokio::spawn(accept(
            listener,
            server.to_owned(),
            orders.clone(),
            newcomer,
        ));
        settings.url = format!("{user}@127.0.0.1:{port}/{database}");
        Self { orders, newcomers }
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

async fn accept(
    listener: TcpListener,
    server: String,
    orders: broadcast::Sender<Order>,
    newcomer: watch::Receiver<Newcomer>,
) {
    let mut ignored = Vec::new();
    while let Ok((near, _)) = listener.accept().await {
        let newcomer = *newcomer.borrow();
        match newcomer {
            Newcomer::Carried => {
                let far = TcpStream::connect(&server).await.expect("a server");
                tokio::spawn(carry(near, far, orders.subscribe()));
            }
            Newcomer::Refused => {}
            Newcomer::Ignored => ignored.push(near),
        }
    }
}

async fn carry(mut near: TcpStream, mut far: TcpStream, mut orders: broadcast::Receiver<Order>) {
    let order = tokio::select! {
        _ = copy_bidirectional(&mut near, &mut far) => return,
        order = orders.recv() => order,
    };
    if let Ok(Order::Hush) = order {
        return std::future::pending().await;
    }
    drop(near);
    if let Ok(Order::Lose) = order {
        let mut lost = [0; 4096];
        while let Ok(1..) = far.read(&mut lost).await {}
    }
}
