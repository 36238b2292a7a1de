//! Users in SQLite.

use async_trait::async_trait;
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
    InsertUser { email: String as Text, name: Option<String> as Nullable<Text>, now: i64 as BigInt }
        -> (BigInt, Text, Nullable<Text>, BigInt),
    "INSERT INTO users (email, name, created_at) VALUES (?, ?, ?)
     ON CONFLICT (email) DO NOTHING
     RETURNING id, email, name, created_at"
);

prepared!(
    /// Walks `users_newest`.
    ListUsers { at: i64 as BigInt, id: i64 as BigInt, rows_max: i64 as BigInt }
        -> (BigInt, Text, Nullable<Text>, BigInt),
    "SELECT id, email, name, created_at FROM users
     WHERE (created_at, id) < (?, ? COLLATE BINARY)
     ORDER BY created_at DESC, id DESC LIMIT ?"
);

#[async_trait]
impl UserStore for SqliteUserStore {
    async fn register(&self, user: NewUser) -> Result<User, RegisterError> {
        self.0
            .write(move |connection| {
                let insert = InsertUser {
                    email: user.email.as_str().to_owned(),
                    name: user.name.map(String::from),
                    now: clock::micros(clock::now()),
                };
                let row: Option<UserRow> =
                    at_most_one(connection, insert).map_err(before_commit)?;
                let row = row.ok_or(RegisterError::EmailTaken(user.email))?;
                Ok(rows::one(row)?)
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
