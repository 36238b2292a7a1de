//! Users in SQLite.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable, Text};
use domain::model::{Listing, NewUser, Page, Timeline, User};
use domain::ports::{RegisterError, StoreError, UserStore};

use crate::clock::{self, Place};
use crate::error::before_commit;
use crate::prepared::{at_most_one, prepared};
use crate::rows::{self, UserRow};

super::store!(
    /// [`UserStore`] on SQLite.
    SqliteUserStore
);

prepared!(
    /// Inserts nothing, and returns nothing, when the address is in use.
    InsertUser {
        email: String as Text,
        name: Option<String> as Nullable<Text>,
        password: Option<String> as Nullable<Text>,
        now: i64 as BigInt,
    } -> (BigInt, Text, Nullable<Text>, BigInt),
    "INSERT INTO users (email, name, password_hash, created_at) VALUES (?, ?, ?, ?)
     ON CONFLICT (email) DO NOTHING
     RETURNING id, email, name, created_at"
);

prepared!(
    /// Walks `users_registered`.
    ListUsers { at: i64 as BigInt, id: i64 as BigInt, rows_max: i64 as BigInt }
        -> (BigInt, Text, Nullable<Text>, BigInt),
    "SELECT id, email, name, created_at FROM users
     WHERE erased_at IS NULL AND (created_at, id) < (?, ? COLLATE BINARY)
     ORDER BY created_at DESC, id DESC LIMIT ?"
);

pub(super) fn insert(user: NewUser, now: DateTime<Utc>) -> InsertUser {
    InsertUser {
        email: user.email.into(),
        name: user.name.map(String::from),
        password: user.password.map(|hash| hash.as_phc().to_owned()),
        now: clock::micros(now),
    }
}

#[async_trait]
impl UserStore for SqliteUserStore {
    async fn register(&self, user: NewUser) -> Result<User, RegisterError> {
        self.0
            .write("register_user", move |connection| {
                let email = user.email.clone();
                let row: Option<UserRow> =
                    at_most_one(connection, insert(user, clock::now())).map_err(before_commit)?;
                Ok(rows::one(row.ok_or(RegisterError::EmailTaken(email))?)?)
            })
            .await
    }

    async fn list(&self, page: Page<Timeline>) -> Result<Listing<User>, StoreError> {
        let Place { at, id } = page.after.map_or(Place::NEWEST, Place::from);
        let query = ListUsers {
            at,
            id,
            rows_max: super::one_more(page.limit),
        };
        let found: Vec<UserRow> = self
            .0
            .read(move |connection| query.load(connection))
            .await?;
        Ok(Listing::from_one_more(rows::all(found)?, page.limit))
    }
}
