//! The line between a server and one of its dependencies, with somebody on it
//! who can do harm: cut it, silence it, slow it down, close one half, and find
//! the COMMITs among PostgreSQL's messages.

mod messages;
mod pump;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::url;

/// How the line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Bytes pass.
    Open,
    /// Connections end at once, new ones too.
    Cut,
    /// Connections stay, but nothing passes any more.
    Silent,
    /// Every piece of each direction is so much later.
    Delayed(Duration),
    /// So many bytes a second in each direction.
    Throttled(u32),
    /// The server hears that the dependency has nothing more to say; what the
    /// server says still arrives.
    HalfClosed,
}

/// What is done about a COMMIT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AtCommit {
    /// It is not passed on, and the connection breaks.
    CutBefore,
    /// Half of it is passed on, and the connection breaks.
    CutWithin,
    /// It is passed on, and the connection breaks at once.
    CutAfter,
    /// It is passed on and done, and the connection breaks instead of the answer.
    CutAnswer,
    /// It is passed on and done, and nothing comes back any more.
    SilenceAnswer,
    /// It is kept back until the connection is dropped.
    HoldBefore,
    /// It is done, and its answer is kept back likewise.
    HoldAnswer,
}

/// Stands between a server and one of its dependencies.
#[derive(Debug)]
pub(crate) struct Line {
    address: SocketAddr,
    target: Arc<Mutex<String>>,
    control: Arc<Control>,
}

/// What the connections heed.
#[derive(Debug)]
struct Control {
    mode: watch::Sender<State>,
    armed: Mutex<Armed>,
    /// How many COMMITs were struck.
    struck: watch::Sender<usize>,
    /// Whether connections end on which something is held.
    is_dropped: watch::Sender<bool>,
    is_postgres: bool,
}

#[derive(Debug, Default)]
struct Armed {
    what: Option<AtCommit>,
    /// COMMITs that pass before.
    skip: usize,
    /// COMMITs that are struck then.
    count: usize,
}

/// How the line is, and how often all its connections were broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct State {
    mode: Mode,
    breaks: usize,
}

impl Line {
    /// In front of PostgreSQL or Redis at that URL.
    pub(crate) async fn before(target_url: &str) -> Self {
        let is_postgres = !target_url.starts_with("redis");
        let target = url::address(target_url, if is_postgres { 5432 } else { 6379 });
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a free port can be bound");
        let address = listener.local_addr().expect("a bound listener");
        let target = Arc::new(Mutex::new(target));
        let control = Arc::new(Control {
            mode: watch::channel(State {
                mode: Mode::Open,
                breaks: 0,
            })
            .0,
            armed: Mutex::default(),
            struck: watch::channel(0).0,
            is_dropped: watch::channel(false).0,
            is_postgres,
        });
        tokio::spawn(accept(listener, Arc::clone(&target), Arc::clone(&control)));
        Self {
            address,
            target,
            control,
        }
    }

    /// That URL, by way of this line.
    pub(crate) fn url(&self, url: &str) -> String {
        url::with_address(url, &self.address.to_string())
    }

    /// New connections lead there instead.
    pub(crate) fn lead_to(&self, target_url: &str) {
        let target = url::address(target_url, 5432);
        *self.target.lock().unwrap_or_else(PoisonError::into_inner) = target;
    }

    /// From now on the line is like that.
    pub(crate) fn set(&self, mode: Mode) {
        self.control.mode.send_modify(|state| state.mode = mode);
    }

    /// Breaks the connections there are; new ones are as before.
    pub(crate) fn break_connections(&self) {
        self.control.mode.send_modify(|state| state.breaks += 1);
    }

    /// Strikes `count` COMMITs after the next `skip`.
    pub(crate) fn at_commit(&self, what: AtCommit, skip: usize, count: usize) {
        self.control.is_dropped.send_replace(false);
        *self.control.armed() = Armed {
            what: Some(what),
            skip,
            count,
        };
    }

    /// Lets COMMITs pass again that are not struck yet.
    pub(crate) fn disarm(&self) {
        *self.control.armed() = Armed::default();
    }

    /// How many COMMITs were struck so far.
    pub(crate) fn struck(&self) -> usize {
        *self.control.struck.borrow()
    }

    /// Waits until so many COMMITs were struck; whether they were in that time.
    pub(crate) async fn wait_struck(&self, count: usize, limit: Duration) -> bool {
        let mut struck = self.control.struck.subscribe();
        let enough = struck.wait_for(|struck| *struck >= count);
        matches!(tokio::time::timeout(limit, enough).await, Ok(Ok(_)))
    }

    /// Breaks the connections on which something is held.
    pub(crate) fn drop_held(&self) {
        self.control.is_dropped.send_replace(true);
    }
}

impl Control {
    fn armed(&self) -> std::sync::MutexGuard<'_, Armed> {
        self.armed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is to be done about the COMMIT that comes now.
    fn strike(&self) -> Option<AtCommit> {
        let mut armed = self.armed();
        let what = armed.what?;
        if armed.skip > 0 {
            armed.skip -= 1;
            return None;
        }
        armed.count = armed.count.checked_sub(1)?;
        Some(what)
    }

    fn note_struck(&self) {
        self.struck.send_modify(|struck| *struck += 1);
    }
}

async fn accept(listener: TcpListener, target: Arc<Mutex<String>>, control: Arc<Control>) {
    while let Ok((near, _)) = listener.accept().await {
        let target = target
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        tokio::spawn(carry(near, target, Arc::clone(&control)));
    }
}

/// A connection never comes back to life: mending the line helps new ones.
async fn carry(near: TcpStream, target: String, control: Arc<Control>) {
    let mut mode = control.mode.subscribe();
    let now = *mode.borrow_and_update();
    match now.mode {
        Mode::Cut => return,
        Mode::Silent => {
            // Held open until the line changes.
            let _ = mode.changed().await;
            return;
        }
        _ => {}
    }
    let Ok(far) = TcpStream::connect(&target).await else {
        return;
    };
    for stream in [&near, &far] {
        let _ = stream.set_nodelay(true);
    }
    pump::run(near, far, mode, &control).await;
}
