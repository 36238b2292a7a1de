//! Accounts in SQLite. What ends a user's sessions does so in the transaction
//! that says so.

pub(super) mod erasing;

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::query_builder::{BoxedSqlQuery, SqlQuery};
use diesel::sql_query;
use diesel::sql_types::{BigInt, Binary, Bool, Nullable, Text};
use diesel::sqlite::Sqlite;
use domain::model::{
    Account, AccountFilter, BookingId, Credentials, Email, Listing, Page, PasswordHash,
    SecretDigest, SessionId, Timeline, UserId, UserName,
};
use domain::ports::{AccountError, AccountStore, RedeemError, SetPasswordError, StoreError};

use crate::clock::{self, Place};
use crate::error::{before_commit, stored};
use crate::prepared::{at_most_one, prepared};
use crate::rows::{self, AccountRow};

use super::sessions::{EndSessions, FindOwnSession, FindStanding};

super::store!(
    /// [`AccountStore`] on SQLite.
    SqliteAccountStore
);

prepared!(
    /// By primary key.
    FindAccount { user_id: i64 as BigInt }
        -> (BigInt, Text, Nullable<Text>, BigInt, Bool, Nullable<BigInt>),
    "SELECT id, email, name, created_at, password_hash IS NOT NULL, suspended_at FROM users
     WHERE id = ? AND erased_at IS NULL"
);

prepared!(
    /// By the unique address.
    FindCredentials { email: String as Text } -> (BigInt, Nullable<Text>),
    "SELECT id, password_hash FROM users WHERE email = ? AND erased_at IS NULL"
);

prepared!(
    /// By primary key.
    FindCredentialsOf { user_id: i64 as BigInt } -> (BigInt, Nullable<Text>),
    "SELECT id, password_hash FROM users WHERE id = ? AND erased_at IS NULL"
);

prepared!(
    /// Or takes the name away.
    Rename { name: Option<String> as Nullable<Text>, user_id: i64 as BigInt }
        -> (BigInt, Text, Nullable<Text>, BigInt, Bool, Nullable<BigInt>),
    "UPDATE users SET name = ? WHERE id = ? AND erased_at IS NULL
     RETURNING id, email, name, created_at, password_hash IS NOT NULL, suspended_at"
);

prepared!(
    /// Of somebody who is not erased.
    SetPassword { password: String as Text, user_id: i64 as BigInt } -> (BigInt,),
    "UPDATE users SET password_hash = ? WHERE id = ?"
);

prepared!(
    /// In the place of the one before.
    PutPasswordToken { user_id: i64 as BigInt, token: [u8; 32] as Binary, good_until: i64 as BigInt }
        -> (BigInt,),
    "INSERT INTO password_tokens (user_id, token, good_until) VALUES (?, ?, ?)
     ON CONFLICT (user_id)
     DO UPDATE SET token = excluded.token, good_until = excluded.good_until"
);

prepared!(
    /// Whose token this is, if it is good.
    FindPasswordToken { token: [u8; 32] as Binary, now: i64 as BigInt } -> (BigInt,),
    "SELECT t.user_id FROM password_tokens t JOIN users u ON u.id = t.user_id
     WHERE t.token = ? AND t.good_until > ?
       AND u.suspended_at IS NULL AND u.erased_at IS NULL"
);

prepared!(
    /// There is one at most.
    DropPasswordToken { user_id: i64 as BigInt } -> (BigInt,),
    "DELETE FROM password_tokens WHERE user_id = ?"
);

prepared!(
    /// Leaves the time of an earlier suspension.
    Suspend { now: i64 as BigInt, user_id: i64 as BigInt }
        -> (BigInt, Text, Nullable<Text>, BigInt, Bool, Nullable<BigInt>),
    "UPDATE users SET suspended_at = coalesce(suspended_at, ?) WHERE id = ? AND erased_at IS NULL
     RETURNING id, email, name, created_at, password_hash IS NOT NULL, suspended_at"
);

prepared!(
    /// Whether there is a suspension or not.
    Reinstate { user_id: i64 as BigInt }
        -> (BigInt, Text, Nullable<Text>, BigInt, Bool, Nullable<BigInt>),
    "UPDATE users SET suspended_at = NULL WHERE id = ? AND erased_at IS NULL
     RETURNING id, email, name, created_at, password_hash IS NOT NULL, suspended_at"
);

#[async_trait]
impl AccountStore for SqliteAccountStore {
    async fn find(&self, user_id: UserId) -> Result<Account, AccountError> {
        let query = FindAccount {
            user_id: user_id.get(),
        };
        let row: Option<AccountRow> = self
            .0
            .read(move |connection| at_most_one(connection, query))
            .await?;
        account(row, user_id)
    }

    async fn search(
        &self,
        filter: AccountFilter,
        page: Page<Timeline>,
    ) -> Result<Listing<Account>, StoreError> {
        let found: Vec<AccountRow> = self
            .0
            .read(move |connection| search("", filter, page).load(connection))
            .await?;
        Ok(Listing::from_one_more(rows::all(found)?, page.limit))
    }

    async fn credentials(&self, email: &Email) -> Result<Option<Credentials>, StoreError> {
        let query = FindCredentials {
            email: email.as_str().to_owned(),
        };
        let row: Option<(i64, Option<String>)> = self
            .0
            .read(move |connection| at_most_one(connection, query))
            .await?;
        row.map(credentials).transpose()
    }

    async fn credentials_of(&self, user_id: UserId) -> Result<Credentials, AccountError> {
        let query = FindCredentialsOf {
            user_id: user_id.get(),
        };
        let row: Option<(i64, Option<String>)> = self
            .0
            .read(move |connection| at_most_one(connection, query))
            .await?;
        Ok(credentials(
            row.ok_or(AccountError::UserNotFound(user_id))?,
        )?)
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
        self.0
            .write("rename_account", move |connection| {
                account(
                    at_most_one(connection, rename).map_err(before_commit)?,
                    user_id,
                )
            })
            .await
    }

    async fn set_password(
        &self,
        user_id: UserId,
        expected: PasswordHash,
        password: PasswordHash,
        keep: SessionId,
    ) -> Result<(), SetPasswordError> {
        self.0
            .write("set_password", move |connection| {
                verify(connection, user_id, &expected, keep)?;
                Ok(set_password(connection, user_id, &password, Some(keep))?)
            })
            .await
    }

    async fn issue_password_token(
        &self,
        user_id: UserId,
        token: SecretDigest,
        lasts: Duration,
    ) -> Result<DateTime<Utc>, AccountError> {
        self.0
            .write("issue_password_token", move |connection| {
                let find = FindAccount {
                    user_id: user_id.get(),
                };
                account(
                    at_most_one(connection, find).map_err(before_commit)?,
                    user_id,
                )?;
                let good_until = clock::until(clock::now(), lasts);
                PutPasswordToken {
                    user_id: user_id.get(),
                    token: *token.as_bytes(),
                    good_until: clock::micros(good_until),
                }
                .execute(connection)
                .map_err(before_commit)?;
                Ok(good_until)
            })
            .await
    }

    async fn redeem_password_token(
        &self,
        token: SecretDigest,
        password: PasswordHash,
    ) -> Result<UserId, RedeemError> {
        self.0
            .write("redeem_password_token", move |connection| {
                let find = FindPasswordToken {
                    token: *token.as_bytes(),
                    now: clock::micros(clock::now()),
                };
                let found: Option<(i64,)> = at_most_one(connection, find).map_err(before_commit)?;
                let (user_id,) = found.ok_or(RedeemError::Unknown)?;
                let user_id = UserId::try_new(user_id).map_err(stored)?;
                set_password(connection, user_id, &password, None)?;
                Ok(user_id)
            })
            .await
    }

    async fn suspend(&self, user_id: UserId) -> Result<Account, AccountError> {
        self.0
            .write("suspend_account", move |connection| {
                let suspend = Suspend {
                    now: clock::micros(clock::now()),
                    user_id: user_id.get(),
                };
                let row = at_most_one(connection, suspend).map_err(before_commit)?;
                let account = account(row, user_id)?;
                end_sessions(connection, user_id, None)?;
                Ok(account)
            })
            .await
    }

    async fn reinstate(&self, user_id: UserId) -> Result<Account, AccountError> {
        let reinstate = Reinstate {
            user_id: user_id.get(),
        };
        self.0
            .write("reinstate_account", move |connection| {
                account(
                    at_most_one(connection, reinstate).map_err(before_commit)?,
                    user_id,
                )
            })
            .await
    }

    async fn erase(&self, user_id: UserId) -> Result<(), AccountError> {
        self.0
            .write_and_truncate_log("erase_account", move |connection| {
                erasing::erase(connection, user_id)
            })
            .await
    }

    async fn bookings_of_erased(&self, bookings_max: usize) -> Result<Vec<BookingId>, StoreError> {
        self.0
            .write("forget_erased", move |connection| {
                erasing::bookings_of_erased(connection, bookings_max)
            })
            .await
    }
}

fn account(row: Option<AccountRow>, user_id: UserId) -> Result<Account, AccountError> {
    Ok(rows::one(row.ok_or(AccountError::UserNotFound(user_id))?)?)
}

fn credentials((user_id, password): (i64, Option<String>)) -> Result<Credentials, StoreError> {
    Ok(Credentials {
        user_id: UserId::try_new(user_id).map_err(stored)?,
        password: password.map(PasswordHash::from_phc),
    })
}

/// Finds one by the unique address, or walks `users_registered` or
/// `users_by_suspension`. Not prepared: which conditions there are differs, and
/// only admins search. The tests put EXPLAIN in front.
pub(super) fn search(
    front: &str,
    filter: AccountFilter,
    page: Page<Timeline>,
) -> BoxedSqlQuery<'static, Sqlite, SqlQuery> {
    let Place { at, id } = page.after.map_or(Place::NEWEST, Place::from);
    let select = "SELECT id, email, name, created_at, password_hash IS NOT NULL AS has_password,
             suspended_at
         FROM users WHERE erased_at IS NULL AND (created_at, id) < (?, ? COLLATE BINARY)";
    let mut query = sql_query(format!("{front}{select}"))
        .into_boxed()
        .bind::<BigInt, _>(at)
        .bind::<BigInt, _>(id);
    if let Some(email) = filter.email {
        query = query.sql(" AND email = ?").bind::<Text, _>(email);
    }
    if let Some(is_suspended) = filter.suspended {
        // As it is written in the index.
        query = query
            .sql(" AND (suspended_at IS NOT NULL) = ?")
            .bind::<Bool, _>(is_suspended);
    }
    query
        .sql(" ORDER BY created_at DESC, id DESC LIMIT ?")
        .bind::<BigInt, _>(super::one_more(page.limit))
}

/// Makes sure that nothing has changed since the password was checked.
fn verify(
    connection: &mut SqliteConnection,
    user_id: UserId,
    expected: &PasswordHash,
    session_id: SessionId,
) -> Result<(), SetPasswordError> {
    let find = FindStanding {
        proof: expected.as_phc().to_owned(),
        user_id: user_id.get(),
    };
    let found: Option<(bool, bool)> = at_most_one(connection, find).map_err(before_commit)?;
    let (is_expected, is_suspended) = found.ok_or(SetPasswordError::UserNotFound(user_id))?;
    let own = FindOwnSession {
        session_id: session_id.get(),
        user_id: user_id.get(),
        now: clock::micros(clock::now()),
    };
    let own: Option<(i64,)> = at_most_one(connection, own).map_err(before_commit)?;
    if own.is_none() || is_suspended {
        return Err(SetPasswordError::SessionEnded(session_id));
    }
    if !is_expected {
        return Err(SetPasswordError::PasswordChanged(user_id));
    }
    Ok(())
}

/// Of somebody who is known not to be erased.
fn set_password(
    connection: &mut SqliteConnection,
    user_id: UserId,
    password: &PasswordHash,
    keep: Option<SessionId>,
) -> Result<(), StoreError> {
    let set = SetPassword {
        password: password.as_phc().to_owned(),
        user_id: user_id.get(),
    };
    set.execute(connection).map_err(before_commit)?;
    end_sessions(connection, user_id, keep)?;
    drop_password_token(connection, user_id)
}

fn end_sessions(
    connection: &mut SqliteConnection,
    user_id: UserId,
    keep: Option<SessionId>,
) -> Result<(), StoreError> {
    let end = EndSessions {
        user_id: user_id.get(),
        // No session has this id.
        keep: keep.map_or(0, SessionId::get),
    };
    end.execute(connection).map_err(before_commit)?;
    Ok(())
}

fn drop_password_token(
    connection: &mut SqliteConnection,
    user_id: UserId,
) -> Result<(), StoreError> {
    let user_id = user_id.get();
    let dropped = DropPasswordToken { user_id }.execute(connection);
    dropped.map_err(before_commit)?;
    Ok(())
}

#[cfg(test)]
mod tests;
