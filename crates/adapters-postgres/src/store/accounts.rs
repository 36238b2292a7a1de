//! Accounts in PostgreSQL.
//!
//! Whatever concerns all that a user can log in with happens under the lock of
//! the user's row: `FOR NO KEY UPDATE`, which bookings pass, or `FOR UPDATE`
//! where no booking may be under way. Then come sessions, then tokens.

mod erasure;
mod passwords;
mod search;

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Nullable, Text, Timestamptz};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use domain::model::{
    Account, AccountFilter, BookingId, Credentials, Email, Listing, Page, PasswordHash,
    SecretDigest, SessionId, Timeline, UserId, UserName,
};
use domain::ports::{AccountError, AccountStore, RedeemError, SetPasswordError, StoreError};
use futures::FutureExt;

use crate::error::before_commit;
use crate::one_row::OneRow;
use crate::prepared::prepared;
use crate::rows::{self, AccountRow, CredentialsRow};

use super::sessions::EndSessions;

super::store!(
    /// [`AccountStore`] on PostgreSQL.
    PgAccountStore
);

/// As [`AccountRow`] reads it.
macro_rules! account_columns {
    () => {
        "id, email, name, created_at, password_hash IS NOT NULL, suspended_at"
    };
}

use account_columns;

type AccountColumns = (
    BigInt,
    Text,
    Nullable<Text>,
    Timestamptz,
    Bool,
    Nullable<Timestamptz>,
);

prepared!(
    /// By primary key.
    FindAccount { user_id: i64 as BigInt } -> AccountColumns,
    concat!(
        "SELECT ", account_columns!(), " FROM users WHERE id = ? AND erased_at IS NULL"
    )
);

prepared!(
    /// By the unique address.
    CredentialsByEmail { email: String as Text } -> (BigInt, Nullable<Text>),
    "SELECT id, password_hash FROM users WHERE email = ? AND erased_at IS NULL"
);

prepared!(
    /// By primary key.
    CredentialsById { user_id: i64 as BigInt } -> (BigInt, Nullable<Text>),
    "SELECT id, password_hash FROM users WHERE id = ? AND erased_at IS NULL"
);

prepared!(
    /// By primary key.
    Rename { name: Option<String> as Nullable<Text>, user_id: i64 as BigInt } -> AccountColumns,
    concat!(
        "UPDATE users SET name = ? WHERE id = ? AND erased_at IS NULL RETURNING ",
        account_columns!()
    )
);

prepared!(
    /// Locks the user's row so that no booking is under way: those who are about
    /// to be sold something hold `FOR KEY SHARE` until their booking is committed,
    /// see `WriteAll`. A booking that comes later waits and then sees the change.
    LockOut { user_id: i64 as BigInt } -> (Bool,),
    "SELECT true FROM users WHERE id = ? AND erased_at IS NULL FOR UPDATE"
);

prepared!(
    /// A suspension keeps the time at which it began.
    Suspend { user_id: i64 as BigInt } -> AccountColumns,
    concat!(
        "UPDATE users SET suspended_at = coalesce(suspended_at, clock_timestamp())
         WHERE id = ? RETURNING ",
        account_columns!()
    )
);

prepared!(
    /// By primary key.
    Reinstate { user_id: i64 as BigInt } -> AccountColumns,
    concat!(
        "UPDATE users SET suspended_at = NULL WHERE id = ? AND erased_at IS NULL RETURNING ",
        account_columns!()
    )
);

/// Keeps bookings and logins of the user out until the transaction ends.
async fn lock_out(connection: &mut AsyncPgConnection, user_id: UserId) -> Result<(), AccountError> {
    let lock = LockOut {
        user_id: user_id.get(),
    };
    let locked: Option<(bool,)> = lock
        .one_row(connection)
        .await
        .optional()
        .map_err(before_commit)?;
    locked
        .map(|_| ())
        .ok_or(AccountError::UserNotFound(user_id))
}

async fn suspend(
    connection: &mut AsyncPgConnection,
    user_id: UserId,
) -> Result<AccountRow, AccountError> {
    lock_out(connection, user_id).await?;
    let user_id = user_id.get();
    let suspended = Suspend { user_id }
        .one_row(connection)
        .await
        .map_err(before_commit)?;
    let keep = None;
    EndSessions { user_id, keep }
        .execute(connection)
        .await
        .map_err(before_commit)?;
    Ok(suspended)
}

/// The account, if the statement found it.
fn account(user_id: UserId, row: Option<AccountRow>) -> Result<Account, AccountError> {
    let row = row.ok_or(AccountError::UserNotFound(user_id))?;
    Ok(rows::one(row)?)
}

#[async_trait]
impl AccountStore for PgAccountStore {
    async fn find(&self, user_id: UserId) -> Result<Account, AccountError> {
        let query = FindAccount {
            user_id: user_id.get(),
        };
        let row = self
            .0
            .read(move |connection| {
                async move { query.one_row(connection).await.optional() }.boxed()
            })
            .await?;
        account(user_id, row)
    }

    async fn search(
        &self,
        filter: AccountFilter,
        page: Page<Timeline>,
    ) -> Result<Listing<Account>, StoreError> {
        search::search(&self.0, filter, page).await
    }

    async fn credentials(&self, email: &Email) -> Result<Option<Credentials>, StoreError> {
        let query = CredentialsByEmail {
            email: email.as_str().to_owned(),
        };
        let row: Option<CredentialsRow> = self
            .0
            .read(move |connection| {
                async move { query.one_row(connection).await.optional() }.boxed()
            })
            .await?;
        row.map(rows::one).transpose()
    }

    async fn credentials_of(&self, user_id: UserId) -> Result<Credentials, AccountError> {
        let query = CredentialsById {
            user_id: user_id.get(),
        };
        let row: Option<CredentialsRow> = self
            .0
            .read(move |connection| {
                async move { query.one_row(connection).await.optional() }.boxed()
            })
            .await?;
        let row = row.ok_or(AccountError::UserNotFound(user_id))?;
        Ok(rows::one(row)?)
    }

    async fn rename(
        &self,
        user_id: UserId,
        name: Option<UserName>,
    ) -> Result<Account, AccountError> {
        let rename = Rename {
            name: name.map(String::from),
            user_id: user_id.get(),
        };
        let row = self
            .0
            .write("rename_account", move |connection| {
                async move { rename.one_row(connection).await.optional() }.boxed()
            })
            .await?;
        account(user_id, row)
    }

    async fn set_password(
        &self,
        user_id: UserId,
        expected: PasswordHash,
        password: PasswordHash,
        keep: SessionId,
    ) -> Result<(), SetPasswordError> {
        passwords::set(&self.0, user_id, expected, password, keep).await
    }

    async fn issue_password_token(
        &self,
        user_id: UserId,
        token: SecretDigest,
        lasts: Duration,
    ) -> Result<DateTime<Utc>, AccountError> {
        passwords::issue_token(&self.0, user_id, token, lasts).await
    }

    async fn redeem_password_token(
        &self,
        token: SecretDigest,
        password: PasswordHash,
    ) -> Result<UserId, RedeemError> {
        passwords::redeem_token(&self.0, token, password).await
    }

    async fn suspend(&self, user_id: UserId) -> Result<Account, AccountError> {
        let row = self
            .0
            .transaction("suspend_account", move |connection| {
                async move { suspend(connection, user_id).await }.boxed()
            })
            .await?;
        account(user_id, Some(row))
    }

    async fn reinstate(&self, user_id: UserId) -> Result<Account, AccountError> {
        let reinstate = Reinstate {
            user_id: user_id.get(),
        };
        let row = self
            .0
            .write("reinstate_account", move |connection| {
                async move { reinstate.one_row(connection).await.optional() }.boxed()
            })
            .await?;
        account(user_id, row)
    }

    async fn erase(&self, user_id: UserId) -> Result<(), AccountError> {
        erasure::erase(&self.0, user_id).await
    }

    async fn bookings_of_erased(&self, bookings_max: usize) -> Result<Vec<BookingId>, StoreError> {
        erasure::bookings_of_erased(&self.0, bookings_max).await
    }
}
