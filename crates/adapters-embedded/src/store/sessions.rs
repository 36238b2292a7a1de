//! Sessions in SQLite. One that was ended is one whose time has long been over: 0
//! is in the place of its ends. Secrets that were exchanged have rows of their own,
//! which outlast their session's.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Bool, Text};
use domain::model::{PasswordHash, SecretDigest, Session, SessionId, SessionSecrets, UserId};
use domain::ports::{BeginSessionError, RefreshError, SessionStore, StoreError};

use crate::clock;
use crate::error::{before_commit, defect, stored};
use crate::prepared::{at_most_one, exactly_one, prepared};
use crate::rows::{self, SessionRow};

super::store!(
    /// [`SessionStore`] on SQLite.
    SqliteSessionStore
);

/// Exchanged secrets that are forgotten with each session: a session leaves many
/// of them behind, and they must not come faster than they go.
const SECRETS_PER_SESSION: usize = 10;

prepared!(
    /// By primary key; whether the password is the one that was checked, and
    /// whether the user is suspended.
    FindStanding { proof: String as Text, user_id: i64 as BigInt } -> (Bool, Bool),
    "SELECT password_hash IS ?, suspended_at IS NOT NULL FROM users
     WHERE id = ? AND erased_at IS NULL"
);

prepared!(
    /// That begins now.
    InsertSession {
        user_id: i64 as BigInt,
        access: [u8; 32] as Binary,
        access_until: i64 as BigInt,
        refresh: [u8; 32] as Binary,
        refresh_until: i64 as BigInt,
        created_at: i64 as BigInt,
        refreshed_at: i64 as BigInt,
    } -> (BigInt, BigInt, BigInt, BigInt),
    "INSERT INTO sessions
         (user_id, access, access_until, refresh, refresh_until, created_at, refreshed_at)
     VALUES (?, ?, ?, ?, ?, ?, ?)
     RETURNING id, user_id, access_until, refresh_until"
);

prepared!(
    /// Ends all that a user has beyond a hundred, those first that were refreshed
    /// longest ago. Those that have ended do not count. Walks
    /// `sessions_of_user`.
    EndSurplus { user_id: i64 as BigInt, now: i64 as BigInt } -> (BigInt,),
    "UPDATE sessions SET access_until = 0, refresh_until = 0 WHERE id IN (
         SELECT id FROM sessions WHERE user_id = ? AND refresh_until > ?
         ORDER BY refreshed_at DESC, id DESC LIMIT -1 OFFSET 100
     )"
);

prepared!(
    /// By the unique digest, if it is good.
    FindByRefresh { refresh: [u8; 32] as Binary, now: i64 as BigInt } -> (BigInt, BigInt, BigInt),
    "SELECT s.id, s.user_id, s.refresh_until
     FROM sessions s JOIN users u ON u.id = s.user_id
     WHERE s.refresh = ? AND s.refresh_until > ?
       AND u.suspended_at IS NULL AND u.erased_at IS NULL"
);

prepared!(
    /// Keeps the secret that is being exchanged.
    KeepSpent {
        refresh: [u8; 32] as Binary,
        session_id: i64 as BigInt,
        user_id: i64 as BigInt,
        refresh_until: i64 as BigInt,
    } -> (BigInt,),
    "INSERT INTO spent_refresh_secrets (refresh, session_id, user_id, refresh_until)
     VALUES (?, ?, ?, ?)"
);

prepared!(
    /// In the place of the secrets before.
    PutSecrets {
        access: [u8; 32] as Binary,
        access_until: i64 as BigInt,
        refresh: [u8; 32] as Binary,
        refresh_until: i64 as BigInt,
        now: i64 as BigInt,
        session_id: i64 as BigInt,
    } -> (BigInt, BigInt, BigInt, BigInt),
    "UPDATE sessions
     SET access = ?, access_until = ?, refresh = ?, refresh_until = ?, refreshed_at = ?
     WHERE id = ?
     RETURNING id, user_id, access_until, refresh_until"
);

prepared!(
    /// By primary key; which session it was of, and whose.
    FindSpent { refresh: [u8; 32] as Binary } -> (BigInt, BigInt),
    "SELECT s.session_id, s.user_id
     FROM spent_refresh_secrets s JOIN users u ON u.id = s.user_id
     WHERE s.refresh = ? AND u.erased_at IS NULL"
);

prepared!(
    /// By the unique digest, if it is good.
    FindByAccess { access: [u8; 32] as Binary, now: i64 as BigInt }
        -> (BigInt, BigInt, BigInt, BigInt),
    "SELECT s.id, s.user_id, s.access_until, s.refresh_until
     FROM sessions s JOIN users u ON u.id = s.user_id
     WHERE s.access = ? AND s.access_until > ?
       AND u.suspended_at IS NULL AND u.erased_at IS NULL"
);

prepared!(
    /// By primary key; a session of that user that has not ended.
    FindOwnSession { session_id: i64 as BigInt, user_id: i64 as BigInt, now: i64 as BigInt }
        -> (BigInt,),
    "SELECT id FROM sessions WHERE id = ? AND user_id = ? AND refresh_until > ?"
);

prepared!(
    /// By primary key.
    EndSession { session_id: i64 as BigInt } -> (BigInt,),
    "UPDATE sessions SET access_until = 0, refresh_until = 0 WHERE id = ?"
);

prepared!(
    /// All of a user but one; those that were ended before are left alone.
    EndSessions { user_id: i64 as BigInt, keep: i64 as BigInt } -> (BigInt,),
    "UPDATE sessions SET access_until = 0, refresh_until = 0
     WHERE user_id = ? AND id <> ? AND refresh_until > 0"
);

prepared!(
    /// Walks `sessions_over`.
    ForgetSessions { now: i64 as BigInt, rows_max: i64 as BigInt } -> (BigInt,),
    "DELETE FROM sessions WHERE id IN (
         SELECT id FROM sessions WHERE refresh_until <= ? ORDER BY refresh_until LIMIT ?
     )"
);

prepared!(
    /// Walks `spent_refresh_secrets_over`.
    ForgetSpent { now: i64 as BigInt, rows_max: i64 as BigInt } -> (BigInt,),
    "DELETE FROM spent_refresh_secrets WHERE refresh IN (
         SELECT refresh FROM spent_refresh_secrets
         WHERE refresh_until <= ? ORDER BY refresh_until LIMIT ?
     )"
);

prepared!(
    /// Walks `password_tokens_over`.
    ForgetTokens { now: i64 as BigInt, rows_max: i64 as BigInt } -> (BigInt,),
    "DELETE FROM password_tokens WHERE user_id IN (
         SELECT user_id FROM password_tokens
         WHERE good_until <= ? ORDER BY good_until LIMIT ?
     )"
);

#[async_trait]
impl SessionStore for SqliteSessionStore {
    async fn begin(
        &self,
        user_id: UserId,
        proof: PasswordHash,
        secrets: SessionSecrets,
    ) -> Result<Session, BeginSessionError> {
        self.0
            .write("begin_session", move |connection| {
                begin(connection, user_id, &proof, &secrets)
            })
            .await
    }

    async fn refresh(
        &self,
        refresh: SecretDigest,
        secrets: SessionSecrets,
    ) -> Result<Session, RefreshError> {
        let refreshed: Result<Refreshed, StoreError> = self
            .0
            .write("refresh_session", move |connection| {
                exchange(connection, refresh, &secrets)
            })
            .await;
        match refreshed? {
            Refreshed::Anew(session) => Ok(session),
            Refreshed::Reused(user_id) => Err(RefreshError::Reused(user_id)),
            Refreshed::Unknown => Err(RefreshError::Unknown),
        }
    }

    async fn find(&self, access: SecretDigest) -> Result<Option<Session>, StoreError> {
        let access = *access.as_bytes();
        let row: Option<SessionRow> = self
            .0
            .read(move |connection| {
                let now = clock::micros(clock::now());
                at_most_one(connection, FindByAccess { access, now })
            })
            .await?;
        row.map(rows::one).transpose()
    }

    async fn end(&self, session_id: SessionId) -> Result<(), StoreError> {
        self.0
            .write("end_session", move |connection| {
                end(connection, session_id.get())
            })
            .await
    }

    async fn forget_ended(&self, sessions_max: usize) -> Result<usize, StoreError> {
        self.0
            .write("forget_sessions", move |connection| {
                forget_ended(connection, sessions_max).map_err(before_commit)
            })
            .await
    }
}

fn begin(
    connection: &mut SqliteConnection,
    user_id: UserId,
    proof: &PasswordHash,
    secrets: &SessionSecrets,
) -> Result<Session, BeginSessionError> {
    let find = FindStanding {
        proof: proof.as_phc().to_owned(),
        user_id: user_id.get(),
    };
    match at_most_one(connection, find).map_err(before_commit)? {
        None => return Err(BeginSessionError::UserNotFound(user_id)),
        Some((false, _)) => return Err(BeginSessionError::PasswordChanged(user_id)),
        Some((true, true)) => return Err(BeginSessionError::UserSuspended(user_id)),
        Some((true, false)) => {}
    }
    let (user_id, now) = (user_id.get(), clock::now());
    let times = Times::of(secrets, now);
    let insert = InsertSession {
        user_id,
        access: *secrets.access.as_bytes(),
        access_until: times.access_until,
        refresh: *secrets.refresh.as_bytes(),
        refresh_until: times.refresh_until,
        created_at: times.now,
        refreshed_at: times.now,
    };
    let row: SessionRow = exactly_one(connection, insert).map_err(before_commit)?;
    let now = times.now;
    let surplus = EndSurplus { user_id, now }.execute(connection);
    surplus.map_err(before_commit)?;
    Ok(rows::one(row)?)
}

/// When secrets that are given out now cease to be good.
struct Times {
    now: i64,
    access_until: i64,
    refresh_until: i64,
}

impl Times {
    fn of(secrets: &SessionSecrets, now: DateTime<Utc>) -> Self {
        Self {
            now: clock::micros(now),
            access_until: clock::micros(clock::until(now, secrets.access_lasts)),
            refresh_until: clock::micros(clock::until(now, secrets.refresh_lasts)),
        }
    }
}

/// What became of a refresh. None of it is an error to the transaction: a session
/// whose secret was used twice ends when it is committed.
enum Refreshed {
    Anew(Session),
    Reused(UserId),
    Unknown,
}

fn exchange(
    connection: &mut SqliteConnection,
    refresh: SecretDigest,
    secrets: &SessionSecrets,
) -> Result<Refreshed, StoreError> {
    let (refresh, times) = (*refresh.as_bytes(), Times::of(secrets, clock::now()));
    let now = times.now;
    let found: Option<(i64, i64, i64)> =
        at_most_one(connection, FindByRefresh { refresh, now }).map_err(before_commit)?;
    let Some((session_id, user_id, refresh_until)) = found else {
        return refuse(connection, refresh);
    };
    let spent = KeepSpent {
        refresh,
        session_id,
        user_id,
        refresh_until,
    };
    spent.execute(connection).map_err(before_commit)?;
    let put = PutSecrets {
        access: *secrets.access.as_bytes(),
        access_until: times.access_until,
        refresh: *secrets.refresh.as_bytes(),
        refresh_until: times.refresh_until,
        now,
        session_id,
    };
    let row: Option<SessionRow> = at_most_one(connection, put).map_err(before_commit)?;
    let row = row.ok_or_else(|| defect("a session was there and then was not"))?;
    Ok(Refreshed::Anew(rows::one(row)?))
}

/// Ends the session of a secret that was exchanged before.
fn refuse(connection: &mut SqliteConnection, refresh: [u8; 32]) -> Result<Refreshed, StoreError> {
    let spent: Option<(i64, i64)> =
        at_most_one(connection, FindSpent { refresh }).map_err(before_commit)?;
    let Some((session_id, user_id)) = spent else {
        return Ok(Refreshed::Unknown);
    };
    end(connection, session_id)?;
    Ok(Refreshed::Reused(UserId::try_new(user_id).map_err(stored)?))
}

fn end(connection: &mut SqliteConnection, session_id: i64) -> Result<(), StoreError> {
    let ended = EndSession { session_id }.execute(connection);
    ended.map_err(before_commit)?;
    Ok(())
}

/// How many sessions went; secrets go beside them.
fn forget_ended(connection: &mut SqliteConnection, sessions_max: usize) -> QueryResult<usize> {
    let now = clock::micros(clock::now());
    let rows_max = super::count(sessions_max);
    let sessions = ForgetSessions { now, rows_max }.execute(connection)?;
    ForgetTokens { now, rows_max }.execute(connection)?;
    let rows_max = super::count(sessions_max.saturating_mul(SECRETS_PER_SESSION));
    ForgetSpent { now, rows_max }.execute(connection)?;
    Ok(sessions)
}
