//! Sessions in memory.

use std::collections::{BTreeMap, HashMap};

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use domain::model::{PasswordHash, SecretDigest, Session, SessionId, SessionSecrets, UserId};
use domain::ports::{BeginSessionError, RefreshError, SessionStore, StoreError};

use super::memory::MemoryStore;

/// As many sessions may a user have.
const SESSIONS_MAX: usize = 100;

/// All sessions, those that have ended too until they are forgotten.
#[derive(Debug, Default)]
pub(super) struct Logins {
    logins: BTreeMap<SessionId, Login>,
    exchanged: HashMap<SecretDigest, Exchanged>,
}

#[derive(Debug)]
struct Login {
    session: Session,
    access: SecretDigest,
    refresh: SecretDigest,
    refreshed_at: DateTime<Utc>,
    ended: bool,
}

/// A refresh secret that was used.
#[derive(Debug)]
struct Exchanged {
    session_id: SessionId,
    good_until: DateTime<Utc>,
}

impl Login {
    fn new(
        id: SessionId,
        user_id: UserId,
        secrets: SessionSecrets,
        refreshed_at: DateTime<Utc>,
    ) -> Self {
        Self {
            session: Session {
                id,
                user_id,
                access_until: refreshed_at + secrets.access_lasts,
                refresh_until: refreshed_at + secrets.refresh_lasts,
            },
            access: secrets.access,
            refresh: secrets.refresh,
            refreshed_at,
            ended: false,
        }
    }

    fn is_over(&self, now: DateTime<Utc>) -> bool {
        self.ended || self.session.refresh_until <= now
    }
}

impl Logins {
    pub(super) fn end_all(&mut self, user_id: UserId, keep: Option<SessionId>) {
        for login in self.logins.values_mut() {
            login.ended |= login.session.user_id == user_id && Some(login.session.id) != keep;
        }
    }

    pub(super) fn forget_all(&mut self, user_id: UserId) {
        self.logins
            .retain(|_, login| login.session.user_id != user_id);
        self.forget_exchanged(DateTime::<Utc>::MIN_UTC);
    }

    pub(super) fn age(&mut self, by: TimeDelta) {
        for login in self.logins.values_mut() {
            login.session.access_until -= by;
            login.session.refresh_until -= by;
            login.refreshed_at -= by;
        }
        for exchanged in self.exchanged.values_mut() {
            exchanged.good_until -= by;
        }
    }

    /// Whether it is a session of that user that has not ended.
    pub(super) fn goes_on(
        &self,
        session_id: SessionId,
        user_id: UserId,
        now: DateTime<Utc>,
    ) -> bool {
        let login = self.logins.get(&session_id);
        login.is_some_and(|login| login.session.user_id == user_id && !login.is_over(now))
    }

    fn end(&mut self, session_id: SessionId) {
        if let Some(login) = self.logins.get_mut(&session_id) {
            login.ended = true;
        }
    }

    fn begin(&mut self, login: Login) {
        let user_id = login.session.user_id;
        self.logins.insert(login.session.id, login);
        let theirs = self.logins.values_mut();
        let mut theirs: Vec<_> = theirs
            .filter(|login| login.session.user_id == user_id && !login.ended)
            .collect();
        theirs.sort_by_key(|login| (login.refreshed_at, login.session.id));
        let too_many = theirs.len().saturating_sub(SESSIONS_MAX);
        for login in theirs.into_iter().take(too_many) {
            login.ended = true;
        }
    }

    fn refresh(
        &mut self,
        refresh: SecretDigest,
        secrets: SessionSecrets,
        now: DateTime<Utc>,
    ) -> Result<Session, RefreshError> {
        if let Some(exchanged) = self.exchanged.get(&refresh) {
            let session_id = exchanged.session_id;
            self.end(session_id);
            let user_id = self.logins[&session_id].session.user_id;
            return Err(RefreshError::Reused(user_id));
        }
        let mut logins = self.logins.values_mut();
        let login = logins.find(|login| login.refresh == refresh && !login.is_over(now));
        let login = login.ok_or(RefreshError::Unknown)?;
        let Session {
            id: session_id,
            user_id,
            refresh_until: good_until,
            ..
        } = login.session;
        *login = Login::new(session_id, user_id, secrets, now);
        let session = login.session;
        let exchanged = Exchanged {
            session_id,
            good_until,
        };
        self.exchanged.insert(refresh, exchanged);
        Ok(session)
    }

    fn find(&self, access: SecretDigest, now: DateTime<Utc>) -> Option<Session> {
        let mut logins = self.logins.values();
        let login = logins.find(|login| login.access == access)?;
        let is_good = !login.ended && login.session.access_until > now;
        is_good.then_some(login.session)
    }

    fn forget_ended(&mut self, now: DateTime<Utc>, sessions_max: usize) -> usize {
        let over = self.logins.values().filter(|login| login.is_over(now));
        let over = over.map(|login| login.session.id).take(sessions_max);
        let over: Vec<_> = over.collect();
        for session_id in &over {
            self.logins.remove(session_id);
        }
        self.forget_exchanged(now);
        over.len()
    }

    /// Forgets used secrets that are too old or whose session is forgotten.
    fn forget_exchanged(&mut self, now: DateTime<Utc>) {
        let logins = &self.logins;
        self.exchanged.retain(|_, exchanged| {
            exchanged.good_until > now && logins.contains_key(&exchanged.session_id)
        });
    }
}

#[async_trait]
impl SessionStore for MemoryStore {
    async fn begin(
        &self,
        user_id: UserId,
        proof: PasswordHash,
        secrets: SessionSecrets,
    ) -> Result<Session, BeginSessionError> {
        let mut state = self.state();
        if !state.model.users.contains_key(&user_id) {
            return Err(BeginSessionError::UserNotFound(user_id));
        }
        if state.model.standings.passwords.get(&user_id) != Some(&proof) {
            return Err(BeginSessionError::PasswordChanged(user_id));
        }
        if state.model.standings.suspended.contains_key(&user_id) {
            return Err(BeginSessionError::UserSuspended(user_id));
        }
        let stamp = state.stamp();
        let id = SessionId::try_new(stamp.id).expect("positive");
        let login = Login::new(id, user_id, secrets, stamp.at);
        let session = login.session;
        state.logins.begin(login);
        Ok(session)
    }

    async fn refresh(
        &self,
        refresh: SecretDigest,
        secrets: SessionSecrets,
    ) -> Result<Session, RefreshError> {
        let mut state = self.state();
        let now = state.now();
        state.logins.refresh(refresh, secrets, now)
    }

    async fn find(&self, access: SecretDigest) -> Result<Option<Session>, StoreError> {
        let mut state = self.state();
        let now = state.now();
        Ok(state.logins.find(access, now))
    }

    async fn end(&self, session_id: SessionId) -> Result<(), StoreError> {
        self.state().logins.end(session_id);
        Ok(())
    }

    async fn forget_ended(&self, sessions_max: usize) -> Result<usize, StoreError> {
        let mut state = self.state();
        let now = state.now();
        Ok(state.logins.forget_ended(now, sessions_max))
    }
}
