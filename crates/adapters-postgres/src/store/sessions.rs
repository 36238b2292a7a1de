//! Sessions in PostgreSQL. One that has ended is too old, and goes with those
//! that are; refresh secrets that were exchanged are kept as long as they would be
//! good, because whoever shows one again has a copy.

use async_trait::async_trait;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Bool, Double, Nullable, Text, Timestamptz};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use domain::model::{PasswordHash, SecretDigest, Session, SessionId, SessionSecrets, UserId};
use domain::ports::{BeginSessionError, RefreshError, SessionStore, StoreError};
use futures::FutureExt;

use crate::error::{before_commit, stored};
use crate::one_row::OneRow;
use crate::prepared::prepared;
use crate::rows::{self, SessionRow};

super::store!(
    /// [`SessionStore`] on PostgreSQL.
    PgSessionStore
);

/// How many exchanged secrets are forgotten for each session that may be: every
/// refresh leaves one behind.
const SECRETS_PER_SESSION: usize = 10;

type SessionColumns = (BigInt, BigInt, Timestamptz, Timestamptz);

/// A session that ends was over before all time, so that no clock that is set back
/// makes it good again.
macro_rules! ends {
    () => {
        " SET access_until = '-infinity', refresh_until = '-infinity' "
    };
}

prepared!(
    /// Walks `sessions_of_user`. Only under the lock of the user's row: nobody
    /// begins a session meanwhile.
    EndSessions { user_id: i64 as BigInt, keep: Option<i64> as Nullable<BigInt> } -> (BigInt,),
    concat!(
        "UPDATE sessions", ends!(),
        "WHERE user_id = ? AND id IS DISTINCT FROM ? AND refresh_until > '-infinity'"
    )
);

prepared!(
    /// Says whether the password is the one that was checked, and whether the user
    /// is suspended: after waiting for the lock, as it is then. The lock makes
    /// logins of one user follow one another, so that a hundred stay a hundred, and
    /// keeps out whoever changes the password or ends all sessions. Bookings pass it.
    LockUser { proof: String as Text, user_id: i64 as BigInt } -> (Bool, Bool),
    "SELECT password_hash IS NOT DISTINCT FROM ?, suspended_at IS NOT NULL FROM users
     WHERE id = ? AND erased_at IS NULL FOR NO KEY UPDATE"
);

prepared!(
    /// Ends those that are too many with the new one. Walks `sessions_of_user`.
    EndSurplus { user_id: i64 as BigInt } -> (BigInt,),
    concat!(
        "UPDATE sessions", ends!(),
        "WHERE id = ANY (ARRAY(
             SELECT id FROM sessions WHERE user_id = ? AND refresh_until > statement_timestamp()
             ORDER BY refreshed_at DESC, id DESC OFFSET 99
         ))"
    )
);

prepared!(
    /// All times are one reading of the clock.
    InsertSession {
        user_id: i64 as BigInt,
        access: Vec<u8> as Binary,
        access_seconds: f64 as Double,
        refresh: Vec<u8> as Binary,
        refresh_seconds: f64 as Double,
    } -> SessionColumns,
    "WITH clock AS MATERIALIZED (SELECT clock_timestamp() AS now)
     INSERT INTO sessions (user_id, access_digest, access_until, refresh_digest, refresh_until,
                           refreshed_at)
     SELECT ?, ?, now + make_interval(secs => ?), ?, now + make_interval(secs => ?), now
     FROM clock
     RETURNING id, user_id, access_until, refresh_until"
);

prepared!(
    /// Locks the session by its unique secret and exchanges both. Whoever waited
    /// for the lock finds that the secret is another one now, and no row. All
    /// sessions of suspended and erased users have ended.
    Exchange {
        refresh: Vec<u8> as Binary,
        spent: Vec<u8> as Binary,
        new_access: Vec<u8> as Binary,
        access_seconds: f64 as Double,
        new_refresh: Vec<u8> as Binary,
        refresh_seconds: f64 as Double,
    } -> SessionColumns,
    "WITH held AS MATERIALIZED (
         SELECT id, user_id, refresh_until FROM sessions WHERE refresh_digest = ? FOR UPDATE
     ), timed AS MATERIALIZED (
         SELECT held.*, clock_timestamp() AS now FROM held
     ), spent AS (
         INSERT INTO spent_refresh_secrets (digest, session_id, user_id, good_until)
         SELECT ?, id, user_id, refresh_until FROM timed WHERE refresh_until > now
     )
     UPDATE sessions s
     SET access_digest = ?, access_until = now + make_interval(secs => ?),
         refresh_digest = ?, refresh_until = now + make_interval(secs => ?), refreshed_at = now
     FROM timed WHERE s.id = timed.id AND timed.refresh_until > now
     RETURNING s.id, s.user_id, s.access_until, s.refresh_until"
);

prepared!(
    /// Finds whose secret was exchanged before, and ends the session if it has
    /// not ended. A statement of its own: under READ COMMITTED the one that lost
    /// the race for a secret does not see that it was exchanged.
    EndCopied { refresh: Vec<u8> as Binary } -> (BigInt,),
    concat!(
        "WITH copied AS MATERIALIZED (
             SELECT c.session_id, c.user_id FROM spent_refresh_secrets c
             JOIN users u ON u.id = c.user_id AND u.erased_at IS NULL
             WHERE c.digest = ?
         ), ended AS (
             UPDATE sessions", ends!(), "FROM copied WHERE id = copied.session_id
         )
         SELECT user_id FROM copied"
    )
);

prepared!(
    /// By the unique secret, and the user by primary key. Their sessions ended when
    /// they were suspended or erased; this holds even if somebody did that by hand.
    FindSession { access: Vec<u8> as Binary } -> SessionColumns,
    "SELECT s.id, s.user_id, s.access_until, s.refresh_until
     FROM sessions s JOIN users u ON u.id = s.user_id
     WHERE s.access_digest = ? AND s.access_until > clock_timestamp()
         AND u.suspended_at IS NULL AND u.erased_at IS NULL"
);

prepared!(
    /// By primary key.
    EndSession { session_id: i64 as BigInt } -> (BigInt,),
    concat!("UPDATE sessions", ends!(), "WHERE id = ?")
);

prepared!(
    /// Walks `sessions_oldest`. One that is being refreshed is passed by.
    ForgetSessions { rows_max: i64 as BigInt } -> (BigInt,),
    "DELETE FROM sessions WHERE id = ANY (ARRAY(
         SELECT id FROM sessions WHERE refresh_until <= statement_timestamp()
         ORDER BY refresh_until LIMIT ? FOR UPDATE SKIP LOCKED
     ))"
);

prepared!(
    /// Walks `spent_refresh_secrets_oldest`.
    ForgetSecrets { rows_max: i64 as BigInt } -> (BigInt,),
    "DELETE FROM spent_refresh_secrets WHERE digest = ANY (ARRAY(
         SELECT digest FROM spent_refresh_secrets WHERE good_until <= statement_timestamp()
         ORDER BY good_until LIMIT ? FOR UPDATE SKIP LOCKED
     ))"
);

fn bytes(digest: SecretDigest) -> Vec<u8> {
    digest.as_bytes().to_vec()
}

async fn begin(
    connection: &mut AsyncPgConnection,
    user_id: UserId,
    proof: &PasswordHash,
    secrets: SessionSecrets,
) -> Result<SessionRow, BeginSessionError> {
    let lock = LockUser {
        proof: proof.as_phc().to_owned(),
        user_id: user_id.get(),
    };
    let locked: Option<(bool, bool)> = lock
        .one_row(connection)
        .await
        .optional()
        .map_err(before_commit)?;
    match locked {
        None => return Err(BeginSessionError::UserNotFound(user_id)),
        Some((false, _)) => return Err(BeginSessionError::PasswordChanged(user_id)),
        Some((true, true)) => return Err(BeginSessionError::UserSuspended(user_id)),
        Some((true, false)) => {}
    }
    let user_id = user_id.get();
    EndSurplus { user_id }
        .execute(connection)
        .await
        .map_err(before_commit)?;
    let insert = InsertSession {
        user_id,
        access: bytes(secrets.access),
        access_seconds: secrets.access_lasts.as_secs_f64(),
        refresh: bytes(secrets.refresh),
        refresh_seconds: secrets.refresh_lasts.as_secs_f64(),
    };
    Ok(insert.one_row(connection).await.map_err(before_commit)?)
}

/// What became of a refresh secret.
enum Refreshed {
    Session(SessionRow),
    /// Of that user, and exchanged before.
    Reused(i64),
    Unknown,
}

async fn refresh(
    connection: &mut AsyncPgConnection,
    refresh: SecretDigest,
    secrets: SessionSecrets,
) -> QueryResult<Refreshed> {
    let exchange = Exchange {
        refresh: bytes(refresh),
        spent: bytes(refresh),
        new_access: bytes(secrets.access),
        access_seconds: secrets.access_lasts.as_secs_f64(),
        new_refresh: bytes(secrets.refresh),
        refresh_seconds: secrets.refresh_lasts.as_secs_f64(),
    };
    if let Some(session) = exchange.one_row(connection).await.optional()? {
        return Ok(Refreshed::Session(session));
    }
    let copied: Option<(i64,)> = EndCopied {
        refresh: bytes(refresh),
    }
    .one_row(connection)
    .await
    .optional()?;
    Ok(copied.map_or(Refreshed::Unknown, |(user_id,)| Refreshed::Reused(user_id)))
}

#[async_trait]
impl SessionStore for PgSessionStore {
    async fn begin(
        &self,
        user_id: UserId,
        proof: PasswordHash,
        secrets: SessionSecrets,
    ) -> Result<Session, BeginSessionError> {
        let row = self
            .0
            .transaction("begin_session", move |connection| {
                async move { begin(connection, user_id, &proof, secrets).await }.boxed()
            })
            .await?;
        Ok(rows::one(row)?)
    }

    async fn refresh(
        &self,
        secret: SecretDigest,
        secrets: SessionSecrets,
    ) -> Result<Session, RefreshError> {
        let refreshed = self
            .0
            .write("refresh_session", move |connection| {
                async move { refresh(connection, secret, secrets).await }.boxed()
            })
            .await?;
        match refreshed {
            Refreshed::Session(row) => Ok(rows::one(row)?),
            Refreshed::Reused(user_id) => {
                let user_id = UserId::try_new(user_id).map_err(stored)?;
                Err(RefreshError::Reused(user_id))
            }
            Refreshed::Unknown => Err(RefreshError::Unknown),
        }
    }

    async fn find(&self, access: SecretDigest) -> Result<Option<Session>, StoreError> {
        let query = FindSession {
            access: bytes(access),
        };
        let row: Option<SessionRow> = self
            .0
            .read(move |connection| {
                async move { query.one_row(connection).await.optional() }.boxed()
            })
            .await?;
        row.map(rows::one).transpose()
    }

    async fn end(&self, session_id: SessionId) -> Result<(), StoreError> {
        let end = EndSession {
            session_id: session_id.get(),
        };
        self.0
            .write("end_session", move |connection| {
                async move { end.execute(connection).await }.boxed()
            })
            .await?;
        Ok(())
    }

    async fn forget_ended(&self, sessions_max: usize) -> Result<usize, StoreError> {
        let secrets = ForgetSecrets {
            rows_max: sessions_max.saturating_mul(SECRETS_PER_SESSION) as i64,
        };
        let sessions = ForgetSessions {
            rows_max: sessions_max as i64,
        };
        self.0
            .write("forget_sessions", move |connection| {
                async move {
                    secrets.execute(connection).await?;
                    sessions.execute(connection).await
                }
                .boxed()
            })
            .await
    }
}
