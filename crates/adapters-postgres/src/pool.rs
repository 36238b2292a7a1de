//! The sessions of the pool: how they are opened, and which of them are of no use.

use std::ops::{Deref, DerefMut};

use bb8::ManageConnection;
use diesel::ConnectionError;
use diesel_async::AsyncPgConnection;
use diesel_async::pooled_connection::PoolableConnection;
use tokio::time::Instant;

use crate::connect::Sessions;
use crate::pulse::Pulse;

pub(crate) type Pool = bb8::Pool<Manager>;
pub(crate) type Pooled = bb8::PooledConnection<'static, Manager>;

/// Opens sessions while the server answers.
#[derive(Clone)]
pub(crate) struct Manager {
    pub(crate) sessions: Sessions,
    pub(crate) pulse: Pulse,
}

/// A session with PostgreSQL.
pub(crate) struct Session {
    connection: AsyncPgConnection,
    opened: Instant,
    /// How often the server had been lost when it was opened.
    losses: u64,
    spoilt: bool,
}

impl Session {
    /// Has it closed instead of used again: an answer of the server may still be on its
    /// way, or never come.
    pub(crate) fn spoil(&mut self) {
        self.spoilt = true;
    }
}

impl Deref for Session {
    type Target = AsyncPgConnection;

    fn deref(&self) -> &AsyncPgConnection {
        &self.connection
    }
}

impl DerefMut for Session {
    fn deref_mut(&mut self) -> &mut AsyncPgConnection {
        &mut self.connection
    }
}

/// Why a session is not to be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoSession {
    /// None could be opened.
    #[error(transparent)]
    NotOpened(#[from] ConnectionError),
    /// One that there was has ended; another one takes its place.
    #[error("the session has ended")]
    Ended,
}

impl ManageConnection for Manager {
    type Connection = Session;
    type Error = NoSession;

    async fn connect(&self) -> Result<Session, NoSession> {
        // Before: it may be lost while the session is being opened.
        let losses = self.pulse.losses();
        let opened = Instant::now();
        let lost = || ConnectionError::BadConnection("the server was lost".to_owned());
        let connected = self.pulse.while_beating(self.sessions.connect()).await;
        Ok(Session {
            connection: connected.ok_or_else(lost)??,
            opened,
            losses,
            spoilt: false,
        })
    }

    /// A session whose server has gone is known as closed without asking it anything,
    /// so a checkout costs no round trip.
    async fn is_valid(&self, session: &mut Session) -> Result<(), NoSession> {
        match self.is_useless(session) {
            true => Err(NoSession::Ended),
            false => Ok(()),
        }
    }

    /// Asked when somebody gives it back, who has got all answers if it is of use.
    fn has_broken(&self, session: &mut Session) -> bool {
        let is_useless = self.is_useless(session);
        if !is_useless {
            self.pulse.heard(session.opened);
        }
        is_useless
    }
}

impl Manager {
    fn is_useless(&self, session: &mut Session) -> bool {
        std::thread::panicking()
            || session.spoilt
            || session.losses != self.pulse.losses()
            || session.connection.is_broken()
    }
}
