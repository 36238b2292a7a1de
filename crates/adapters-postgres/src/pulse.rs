//! Whether PostgreSQL answers, asked on a connection of its own, and what ends when it
//! does not: whoever waits for an answer is told, nobody begins to wait, and no
//! connection from before is used again.
//!
//! A server that was stopped, or a line that leads nowhere, looks like one that takes
//! its time. Only a question that is always answered at once tells one from the other.
//! That connection may fall silent alone: then others, as old as it, still get answers.

mod signs;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use diesel_async::{AsyncPgConnection, SimpleAsyncConnection};
use domain::ports::StoreError;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};
use tracing::Instrument;

use crate::connect::Sessions;

use self::signs::Signs;

/// Between two questions to a server that answers.
const BEAT: Duration = Duration::from_secs(1);

/// So many connections in a row may break as soon as they are there, before the server
/// is taken for lost.
const BROKEN_MAX: u32 = 2;

/// Between two attempts to reach one that does not.
const RETRY: Duration = Duration::from_millis(200);

/// What is known of the server. Cheap to clone; all clones are the same.
#[derive(Debug, Clone)]
pub(crate) struct Pulse(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    state: watch::Sender<State>,
    /// Rung by whoever has reason to think that the server has gone.
    doubts: Notify,
    signs: Mutex<Signs>,
}

#[derive(Debug, Clone, Default)]
struct State {
    /// Why nobody answers, unless somebody does.
    silence: Option<Arc<str>>,
    /// How often the server was lost so far.
    losses: u64,
}

/// Ends the questions when it is dropped.
#[derive(Debug)]
pub(crate) struct Asking(JoinHandle<()>);

impl Drop for Asking {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Pulse {
    /// That of a server that has just answered.
    pub(crate) fn new() -> Self {
        Self(Arc::new(Shared {
            state: watch::Sender::new(State::default()),
            doubts: Notify::new(),
            signs: Mutex::new(Signs::new(Instant::now())),
        }))
    }

    /// Asks on and on, beginning with this connection. No answer may take longer than
    /// `patience`. Once the server is lost a connection may take as long as connections may:
    /// one that is slow to let somebody in is better than none.
    pub(crate) fn ask(
        &self,
        sessions: Sessions,
        connection: AsyncPgConnection,
        patience: Duration,
    ) -> Asking {
        let pulse = self.clone();
        let asking = async move {
            pulse.listen(connection, patience).await;
            let mut broken = 0;
            loop {
                let connecting = sessions.connect();
                let connected = match pulse.check() {
                    Ok(()) => timeout(patience, connecting).await.ok(),
                    Err(_) => Some(connecting.await),
                };
                match connected {
                    Some(Ok(connection)) => {
                        broken = 0;
                        pulse.found();
                        pulse.listen(connection, patience).await;
                        continue;
                    }
                    Some(Err(error)) => match Refusal::of(&error.to_string()) {
                        Refusal::Full => pulse.found(),
                        Refusal::Broken if broken < BROKEN_MAX => {
                            broken += 1;
                            continue;
                        }
                        Refusal::Broken | Refusal::Away => pulse.lost(&error.to_string()),
                    },
                    None => pulse.lost("it accepts connections and says nothing"),
                }
                tokio::time::sleep(RETRY).await;
            }
        };
        // Whose server that is, the log tells by the span.
        Asking(tokio::spawn(asking.in_current_span()))
    }

    /// Returns when the connection is of no use any more. That it broke, or fell silent
    /// alone, does not mean that the server has gone.
    async fn listen(&self, mut connection: AsyncPgConnection, patience: Duration) {
        loop {
            let _ = timeout(BEAT, self.0.doubts.notified()).await;
            let asked = Instant::now();
            match timeout(patience, connection.batch_execute("SELECT 1")).await {
                Ok(Ok(())) => self.signs().answered(asked),
                Ok(Err(_)) => return,
                Err(_) if self.signs().others_go_on(Instant::now(), patience) => {
                    tracing::info!("a connection to PostgreSQL fell silent while others go on");
                    return;
                }
                Err(_) => return self.lost("it does not answer any more"),
            }
        }
    }

    /// A session that was opened then has got all its answers.
    pub(crate) fn heard(&self, opened: Instant) {
        self.signs().heard(opened, Instant::now());
    }

    fn signs(&self) -> std::sync::MutexGuard<'_, Signs> {
        self.0.signs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn found(&self) {
        let was_lost = self.0.state.send_if_modified(|state| {
            let was_lost = state.silence.is_some();
            state.silence = None;
            was_lost
        });
        if was_lost {
            tracing::info!("PostgreSQL is back");
        }
    }

    fn lost(&self, reason: &str) {
        let is_new = self.0.state.send_if_modified(|state| {
            let is_new = state.silence.is_none();
            if is_new {
                state.silence = Some(reason.into());
                state.losses += 1;
            }
            is_new
        });
        // Once, not for every attempt.
        if is_new {
            tracing::warn!(reason, "PostgreSQL cannot be reached");
        }
    }

    /// Has somebody look at once.
    pub(crate) fn doubt(&self) {
        self.0.doubts.notify_one();
    }

    /// How often the server was lost so far. What was opened before the last time is
    /// not to be relied on.
    pub(crate) fn losses(&self) -> u64 {
        self.0.state.borrow().losses
    }

    /// Fails while nobody answers.
    pub(crate) fn check(&self) -> Result<(), StoreError> {
        match &self.0.state.borrow().silence {
            None => Ok(()),
            Some(reason) => Err(StoreError::Unavailable(reason.as_ref().into())),
        }
    }

    /// Returns when somebody answers.
    pub(crate) async fn beating(&self) {
        let mut state = self.0.state.subscribe();
        // There is no error while we have the sender.
        let _ = state.wait_for(|state| state.silence.is_none()).await;
    }

    /// Waits for an answer of the server; `None` if it is lost meanwhile, or was when
    /// this began. Then the future is dropped in the middle, and what it was using is
    /// not to be used again.
    pub(crate) async fn while_beating<T>(&self, answer: impl Future<Output = T>) -> Option<T> {
        let mut state = self.0.state.subscribe();
        // A loss may be over before this is polled again.
        let losses = state.borrow().losses;
        let is_lost = |state: &State| state.silence.is_some() || state.losses != losses;
        tokio::select! {
            biased;
            answer = answer => Some(answer),
            _ = state.wait_for(is_lost) => None,
        }
    }
}

/// What it means that a connection was not to be had.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The server serves those whom it has let in.
    Full,
    /// The connection came about and broke: perhaps somebody ended the session.
    Broken,
    /// Nobody is there to serve.
    Away,
}

/// What is said by PostgreSQL, the system, and poolers for it.
const AWAY: [&str; 4] = [
    "the database system is",
    "error connecting",
    "cannot connect to server",
    "server login has been failing",
];

impl Refusal {
    pub(crate) fn of(text: &str) -> Self {
        if AWAY.iter().any(|away| text.contains(away)) {
            Self::Away
        } else if text.contains("db error") && !text.contains("terminating connection") {
            Self::Full
        } else {
            Self::Broken
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_has_no_place_left_is_there() {
        for (text, expected) in [
            (
                "db error: FATAL: sorry, too many clients already",
                Refusal::Full,
            ),
            (
                "db error: FATAL: the database system is starting up",
                Refusal::Away,
            ),
            (
                "db error: FATAL: the database system is shutting down",
                Refusal::Away,
            ),
            (
                "error connecting to server: Connection refused (os error 111)",
                Refusal::Away,
            ),
            (
                "db error: FATAL: pgbouncer cannot connect to server",
                Refusal::Away,
            ),
            (
                "db error: FATAL: server login has been failing, try again later \
                 (server_login_retry)",
                Refusal::Away,
            ),
            (
                "db error: FATAL: no more connections allowed (max_client_conn)",
                Refusal::Full,
            ),
            (
                "terminating connection due to administrator command",
                Refusal::Broken,
            ),
            ("connection closed", Refusal::Broken),
        ] {
            assert_eq!(Refusal::of(text), expected, "{text}");
        }
    }

    #[tokio::test]
    async fn whoever_waits_is_told_when_the_server_is_lost() {
        let pulse = Pulse::new();
        assert_eq!(pulse.while_beating(async { 1 }).await, Some(1));
        let waiting = pulse.while_beating(std::future::pending::<()>());
        let (waiting, ()) = futures::join!(waiting, async { pulse.lost("gone") });
        assert_eq!(waiting, None);
        assert_eq!(pulse.losses(), 1);
        // It is lost once, however often that is found.
        pulse.lost("gone");
        assert_eq!(pulse.losses(), 1);
        assert!(matches!(pulse.check(), Err(StoreError::Unavailable(_))));
        assert_eq!(
            pulse.while_beating(std::future::pending::<()>()).await,
            None
        );
        let ((), ()) = futures::join!(pulse.beating(), async { pulse.found() });
        assert!(pulse.check().is_ok());
        // A loss that is over at once is one.
        let waiting = pulse.while_beating(std::future::pending::<()>());
        let (waiting, ()) = futures::join!(waiting, async {
            pulse.lost("gone");
            pulse.found();
        });
        assert_eq!(waiting, None);
    }
}
