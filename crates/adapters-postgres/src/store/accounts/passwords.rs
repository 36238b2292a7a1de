//! Passwords, and the tokens with which they are set without one.

use std::time::Duration;

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Bool, Double, Text, Timestamptz};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use domain::model::{PasswordHash, SecretDigest, SessionId, UserId};
use domain::ports::{AccountError, RedeemError, SetPasswordError};
use futures::FutureExt;

use crate::Database;
use crate::error::{before_commit, stored};
use crate::one_row::OneRow;
use crate::prepared::prepared;

use super::super::sessions::{EndSessions, LockUser};

prepared!(
    /// Of a user who is locked and not erased.
    SetPassword { password_hash: String as Text, user_id: i64 as BigInt } -> (BigInt,),
    "UPDATE users SET password_hash = ? WHERE id = ?"
);

prepared!(
    /// By primary key; finds a session of that user that has not ended.
    FindOwnSession { session_id: i64 as BigInt, user_id: i64 as BigInt } -> (Bool,),
    "SELECT true FROM sessions
     WHERE id = ? AND user_id = ? AND refresh_until > clock_timestamp()"
);

prepared!(
    /// By primary key.
    EndTokens { user_id: i64 as BigInt } -> (BigInt,),
    "DELETE FROM password_tokens WHERE user_id = ?"
);

prepared!(
    /// Locks the user first: who is being erased is waited for and not found. The
    /// token before this one goes with the row that is overwritten.
    IssueToken {
        user_id: i64 as BigInt,
        digest: Vec<u8> as Binary,
        lasts_seconds: f64 as Double,
    } -> (Timestamptz,),
    "WITH owner AS MATERIALIZED (
         SELECT id FROM users WHERE id = ? AND erased_at IS NULL FOR NO KEY UPDATE
     )
     INSERT INTO password_tokens (user_id, digest, good_until)
     SELECT id, ?, clock_timestamp() + make_interval(secs => ?) FROM owner
     ON CONFLICT (user_id) DO UPDATE
     SET digest = excluded.digest, good_until = excluded.good_until
     RETURNING good_until"
);

prepared!(
    /// Locks whoever the token is for, before the token. That nobody has used it
    /// meanwhile is for [`UseToken`] to find out.
    LockOwner { digest: Vec<u8> as Binary } -> (BigInt,),
    "SELECT u.id FROM password_tokens t JOIN users u ON u.id = t.user_id
     WHERE t.digest = ? AND u.suspended_at IS NULL AND u.erased_at IS NULL
     FOR NO KEY UPDATE OF u"
);

prepared!(
    /// Uses the token up if it is good.
    UseToken { digest: Vec<u8> as Binary } -> (BigInt,),
    "DELETE FROM password_tokens WHERE digest = ? AND good_until > clock_timestamp()"
);

/// Sets a password and ends what it does not keep, under the lock of the user's row.
async fn set_and_end(
    connection: &mut AsyncPgConnection,
    user_id: i64,
    password: &PasswordHash,
    keep: Option<i64>,
) -> QueryResult<()> {
    let set = SetPassword {
        password_hash: password.as_phc().to_owned(),
        user_id,
    };
    set.execute(connection).await?;
    EndSessions { user_id, keep }.execute(connection).await?;
    EndTokens { user_id }.execute(connection).await?;
    Ok(())
}

/// Locks the user and makes sure that nothing has changed since the password was
/// checked. The session is not locked: if it ends now, it does so afterwards.
async fn verify(
    connection: &mut AsyncPgConnection,
    user_id: UserId,
    expected: &PasswordHash,
    session_id: SessionId,
) -> Result<(), SetPasswordError> {
    let lock = LockUser {
        proof: expected.as_phc().to_owned(),
        user_id: user_id.get(),
    };
    let locked: Option<(bool, bool)> = lock
        .one_row(connection)
        .await
        .optional()
        .map_err(before_commit)?;
    let (is_expected, is_suspended) = locked.ok_or(SetPasswordError::UserNotFound(user_id))?;
    let own = FindOwnSession {
        session_id: session_id.get(),
        user_id: user_id.get(),
    };
    let own: Option<(bool,)> = own
        .one_row(connection)
        .await
        .optional()
        .map_err(before_commit)?;
    if own.is_none() || is_suspended {
        return Err(SetPasswordError::SessionEnded(session_id));
    }
    if !is_expected {
        return Err(SetPasswordError::PasswordChanged(user_id));
    }
    Ok(())
}

pub(super) async fn set(
    database: &Database,
    user_id: UserId,
    expected: PasswordHash,
    password: PasswordHash,
    keep: SessionId,
) -> Result<(), SetPasswordError> {
    database
        .transaction("set_password", move |connection| {
            async move {
                verify(connection, user_id, &expected, keep).await?;
                let set = set_and_end(connection, user_id.get(), &password, Some(keep.get()));
                Ok(set.await.map_err(before_commit)?)
            }
            .boxed()
        })
        .await
}

pub(super) async fn issue_token(
    database: &Database,
    user_id: UserId,
    token: SecretDigest,
    lasts: Duration,
) -> Result<DateTime<Utc>, AccountError> {
    let issue = IssueToken {
        user_id: user_id.get(),
        digest: token.as_bytes().to_vec(),
        lasts_seconds: lasts.as_secs_f64(),
    };
    let issued: Option<(DateTime<Utc>,)> = database
        .write("issue_password_token", move |connection| {
            async move { issue.one_row(connection).await.optional() }.boxed()
        })
        .await?;
    let (good_until,) = issued.ok_or(AccountError::UserNotFound(user_id))?;
    Ok(good_until)
}

pub(super) async fn redeem_token(
    database: &Database,
    token: SecretDigest,
    password: PasswordHash,
) -> Result<UserId, RedeemError> {
    let digest = token.as_bytes().to_vec();
    let owner = database
        .transaction("redeem_password_token", move |connection| {
            async move {
                redeem(connection, digest, &password)
                    .await
                    .map_err(before_commit)?
                    .ok_or(RedeemError::Unknown)
            }
            .boxed()
        })
        .await?;
    UserId::try_new(owner).map_err(|invalid| RedeemError::Store(stored(invalid)))
}

/// Whose token it was, if it was good.
async fn redeem(
    connection: &mut AsyncPgConnection,
    digest: Vec<u8>,
    password: &PasswordHash,
) -> QueryResult<Option<i64>> {
    let lock = LockOwner {
        digest: digest.clone(),
    };
    let owner: Option<(i64,)> = lock.one_row(connection).await.optional()?;
    let Some((user_id,)) = owner else {
        return Ok(None);
    };
    if (UseToken { digest }).execute(connection).await? == 0 {
        return Ok(None);
    }
    set_and_end(connection, user_id, password, None).await?;
    Ok(Some(user_id))
}
