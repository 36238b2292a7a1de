//! Passwords, and the tokens with which they are set without one.

use std::time::Duration;

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Double, Text, Timestamptz};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use domain::model::{PasswordHash, SecretDigest, SessionId, UserId};
use domain::ports::{AccountError, RedeemError};
use futures::FutureExt;

use crate::Database;
use crate::error::{before_commit, stored};
use crate::prepared::prepared;

use super::super::sessions::EndSessions;

prepared!(
    /// Locks the user's row as it writes it.
    SetPassword { password_hash: String as Text, user_id: i64 as BigInt } -> (BigInt,),
    "UPDATE users SET password_hash = ? WHERE id = ? AND erased_at IS NULL"
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

/// Sets a password and ends what it does not keep; says whether there is such a user.
async fn set_and_end(
    connection: &mut AsyncPgConnection,
    user_id: i64,
    password: &PasswordHash,
    keep: Option<SessionId>,
) -> QueryResult<bool> {
    let set = SetPassword {
        password_hash: password.as_phc().to_owned(),
        user_id,
    };
    if set.execute(connection).await? == 0 {
        return Ok(false);
    }
    let keep = keep.map(SessionId::get);
    EndSessions { user_id, keep }.execute(connection).await?;
    EndTokens { user_id }.execute(connection).await?;
    Ok(true)
}

pub(super) async fn set(
    database: &Database,
    user_id: UserId,
    password: PasswordHash,
    keep: Option<SessionId>,
) -> Result<(), AccountError> {
    database
        .transaction(move |connection| {
            async move {
                set_and_end(connection, user_id.get(), &password, keep)
                    .await
                    .map_err(before_commit)?
                    .then_some(())
                    .ok_or(AccountError::UserNotFound(user_id))
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
        .write(move |connection| {
            async move { issue.get_result(connection).await.optional() }.boxed()
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
        .transaction(move |connection| {
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
    let owner: Option<(i64,)> = lock.get_result(connection).await.optional()?;
    let Some((user_id,)) = owner else {
        return Ok(None);
    };
    if (UseToken { digest }).execute(connection).await? == 0 {
        return Ok(None);
    }
    let is_set = set_and_end(connection, user_id, password, None).await?;
    Ok(is_set.then_some(user_id))
}
