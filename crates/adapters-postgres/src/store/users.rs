//! Users in PostgreSQL.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Nullable, Text, Timestamptz};
use diesel_async::RunQueryDsl;
use domain::model::{Listing, NewUser, Page, Timeline, User};
use domain::ports::{RegisterError, StoreError, UserStore};
use futures::FutureExt;

use crate::one_row::OneRow;
use crate::prepared::prepared;
use crate::rows::{self, UserRow};
use crate::schema::users;

use super::NEWEST;

super::store!(
    /// [`UserStore`] on PostgreSQL.
    PgUserStore
);

prepared!(
    /// Walks `users_newest`, passing by those who were erased.
    ListUsers { at: DateTime<Utc> as Timestamptz, id: i64 as BigInt, rows_max: i64 as BigInt }
        -> (BigInt, Text, Nullable<Text>, Timestamptz),
    "SELECT id, email, name, created_at FROM users
     WHERE erased_at IS NULL AND (created_at, id) < (?, ?)
     ORDER BY created_at DESC, id DESC LIMIT ?"
);

prepared!(
    /// By primary key; erased ones do not.
    UserExists { user_id: i64 as BigInt } -> (Bool,),
    "SELECT EXISTS (SELECT FROM users WHERE id = ? AND erased_at IS NULL)"
);

#[async_trait]
impl UserStore for PgUserStore {
    async fn register(&self, user: NewUser) -> Result<User, RegisterError> {
        let NewUser {
            email,
            name,
            password,
        } = user;
        // The unique constraint settles races: the loser inserts nothing.
        let insert = diesel::insert_into(users::table)
            .values((
                users::email.eq(email.as_str().to_owned()),
                users::name.eq(name.map(String::from)),
                users::password_hash.eq(password.map(|hash| hash.as_phc().to_owned())),
            ))
            .on_conflict(users::email)
            .do_nothing()
            .returning(UserRow::as_returning());
        let row = self
            .0
            .write("register_user", move |connection| {
                async move { insert.one_row(connection).await.optional() }.boxed()
            })
            .await?;
        let row = row.ok_or(RegisterError::EmailTaken(email))?;
        Ok(rows::one(row)?)
    }

    async fn list(&self, page: Page<Timeline>) -> Result<Listing<User>, StoreError> {
        let Timeline { at, id } = page.after.unwrap_or(NEWEST);
        let query = ListUsers {
            at,
            id,
            rows_max: page.limit.get() as i64 + 1,
        };
        let found: Vec<UserRow> = self
            .0
            .read(move |connection| async move { query.load(connection).await }.boxed())
            .await?;
        Ok(Listing::from_one_more(rows::all(found)?, page.limit))
    }
}
