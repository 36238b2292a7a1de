//! Carrying bytes from one end of a line to the other, as long as nothing is
//! done about it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::watch;

use super::messages::{Backend, Frontend};
use super::{AtCommit, Control, Mode, State};

/// Why a direction ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// One side has closed, or failed.
    Closed,
    /// We break both sides.
    Break,
    /// Nothing more comes, and the connection stays.
    Silence,
}

/// What both directions of a connection know.
struct Shared<'c> {
    control: &'c Control,
    /// What is to be done about the answer of a COMMIT that is under way.
    answer: std::sync::Mutex<Option<AtCommit>>,
    is_silent: AtomicBool,
}

/// Carries until one side closes, or the line changes for the worse.
pub(super) async fn run(
    near: TcpStream,
    far: TcpStream,
    mut mode: watch::Receiver<State>,
    control: &Control,
) {
    let shared = Shared {
        control,
        answer: std::sync::Mutex::default(),
        is_silent: AtomicBool::new(false),
    };
    let (near_read, near_write) = near.into_split();
    let (far_read, far_write) = far.into_split();
    let pumps = async {
        tokio::select! {
            end = there(near_read, far_write, &shared) => end,
            end = back(far_read, near_write, &shared) => end,
        }
    };
    tokio::pin!(pumps);
    let end = tokio::select! {
        end = &mut pumps => end,
        // What was read and is not written yet is lost, as it is in a cable.
        end = until_worse(&mut mode) => end,
    };
    if end == End::Silence {
        // Held open, by what is not asked to carry any more, until the line
        // changes.
        let _ = mode.changed().await;
    }
}

/// Waits until connections like this one end.
async fn until_worse(mode: &mut watch::Receiver<State>) -> End {
    let first = *mode.borrow_and_update();
    loop {
        if mode.changed().await.is_err() {
            // The line is gone, and the test with it.
            return End::Break;
        }
        let state = *mode.borrow_and_update();
        match state.mode {
            _ if state.breaks != first.breaks => return End::Break,
            Mode::Cut => return End::Break,
            Mode::Silent => return End::Silence,
            _ => {}
        }
    }
}

async fn until_half_closed(mode: &mut watch::Receiver<State>) {
    if mode
        .wait_for(|state| state.mode == Mode::HalfClosed)
        .await
        .is_err()
    {
        // The line is gone, and the test with it.
        std::future::pending().await
    }
}

/// From the server to its dependency.
async fn there(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, shared: &Shared<'_>) -> End {
    let mut frontend = Frontend::default();
    let mut piece = vec![0; 16 * 1024];
    loop {
        let length = match from.read(&mut piece).await {
            Ok(0) | Err(_) => return End::Closed,
            Ok(length) => length,
        };
        shared.slow_down(length).await;
        if !shared.control.is_postgres {
            if to.write_all(&piece[..length]).await.is_err() {
                return End::Closed;
            }
            continue;
        }
        frontend.push(&piece[..length]);
        let mut batch = Vec::new();
        while let Some(message) = frontend.next() {
            let strike = if message.is_commit {
                shared.control.strike()
            } else {
                None
            };
            let Some(strike) = strike else {
                batch.extend_from_slice(&message.bytes);
                continue;
            };
            // What was before it is passed on in any case.
            if to.write_all(&batch).await.is_err() {
                return End::Closed;
            }
            batch.clear();
            match strike {
                AtCommit::CutBefore => {
                    shared.control.note_struck();
                    return End::Break;
                }
                AtCommit::CutWithin => {
                    let half = message.bytes.len() / 2;
                    let _ = to.write_all(&message.bytes[..half]).await;
                    shared.control.note_struck();
                    return End::Break;
                }
                AtCommit::CutAfter => {
                    batch.extend_from_slice(&message.bytes);
                    while let Some(message) = frontend.next() {
                        batch.extend_from_slice(&message.bytes);
                    }
                    let _ = to.write_all(&batch).await;
                    shared.control.note_struck();
                    return End::Break;
                }
                AtCommit::HoldBefore => {
                    shared.control.note_struck();
                    shared.until_dropped().await;
                    return End::Break;
                }
                AtCommit::CutAnswer | AtCommit::SilenceAnswer | AtCommit::HoldAnswer => {
                    *shared.answer() = Some(strike);
                }
            }
            batch.extend_from_slice(&message.bytes);
        }
        if to.write_all(&batch).await.is_err() {
            return End::Closed;
        }
    }
}

/// From the dependency to the server.
async fn back(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, shared: &Shared<'_>) -> End {
    let mut backend = Backend::default();
    let mut mode = shared.control.mode.subscribe();
    let mut piece = vec![0; 16 * 1024];
    loop {
        let read = tokio::select! {
            read = from.read(&mut piece) => read,
            () = until_half_closed(&mut mode) => {
                let _ = to.shutdown().await;
                return std::future::pending().await;
            }
        };
        let length = match read {
            Ok(0) | Err(_) => return End::Closed,
            Ok(length) => length,
        };
        shared.slow_down(length).await;
        if shared.is_silent.load(Ordering::SeqCst) {
            continue;
        }
        if !shared.control.is_postgres {
            if to.write_all(&piece[..length]).await.is_err() {
                return End::Closed;
            }
            continue;
        }
        backend.push(&piece[..length]);
        let mut batch = Vec::new();
        while let Some(message) = backend.next() {
            let strike = if message.is_commit {
                shared.answer().take()
            } else {
                None
            };
            match strike {
                None => batch.extend_from_slice(&message.bytes),
                Some(AtCommit::HoldAnswer) => {
                    let _ = to.write_all(&batch).await;
                    shared.control.note_struck();
                    shared.until_dropped().await;
                    return End::Break;
                }
                Some(AtCommit::SilenceAnswer) => {
                    let _ = to.write_all(&batch).await;
                    batch.clear();
                    shared.control.note_struck();
                    shared.is_silent.store(true, Ordering::SeqCst);
                    break;
                }
                Some(_) => {
                    let _ = to.write_all(&batch).await;
                    shared.control.note_struck();
                    return End::Break;
                }
            }
        }
        if to.write_all(&batch).await.is_err() {
            return End::Closed;
        }
    }
}

impl Shared<'_> {
    fn answer(&self) -> std::sync::MutexGuard<'_, Option<AtCommit>> {
        self.answer
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Waits until the connections end on which something is held.
    async fn until_dropped(&self) {
        let mut is_dropped = self.control.is_dropped.subscribe();
        // Fails only when the line is gone, and the test with it.
        let _ = is_dropped.wait_for(|is_dropped| *is_dropped).await;
    }

    async fn slow_down(&self, bytes: usize) {
        let mode = self.control.mode.borrow().mode;
        match mode {
            Mode::Delayed(delay) => tokio::time::sleep(delay).await,
            Mode::Throttled(per_second) => {
                let seconds = bytes as f64 / f64::from(per_second.max(1));
                tokio::time::sleep(Duration::from_secs_f64(seconds)).await;
            }
            _ => {}
        }
    }
}
