//! Looking for accounts.

use chrono::{DateTime, Utc};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::sql_types::{BigInt, Text, Timestamptz};
use diesel_async::RunQueryDsl;
use domain::model::{Account, AccountFilter, Email, Listing, Page, Timeline};
use domain::ports::StoreError;
use futures::FutureExt;

use crate::Database;
use crate::rows::{self, AccountRow};

use super::super::NEWEST;
use super::{AccountColumns, account_columns};

/// A statement for each kind of filter, so that each is planned for what it
/// asks: by the unique address, along `users_suspended`, or along
/// `users_newest`, passing by those who do not fit.
struct Search {
    email: Option<String>,
    suspended: Option<bool>,
    at: DateTime<Utc>,
    id: i64,
    rows_max: i64,
}

impl QueryFragment<Pg> for Search {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql(concat!(
            "SELECT ",
            account_columns!(),
            " FROM users WHERE erased_at IS NULL"
        ));
        if let Some(email) = &self.email {
            out.push_sql(" AND email = ");
            out.push_bind_param::<Text, _>(email)?;
        }
        match self.suspended {
            Some(true) => out.push_sql(" AND suspended_at IS NOT NULL"),
            Some(false) => out.push_sql(" AND suspended_at IS NULL"),
            None => {}
        }
        out.push_sql(" AND (created_at, id) < (");
        out.push_bind_param::<Timestamptz, _>(&self.at)?;
        out.push_sql(", ");
        out.push_bind_param::<BigInt, _>(&self.id)?;
        out.push_sql(") ORDER BY created_at DESC, id DESC LIMIT ");
        out.push_bind_param::<BigInt, _>(&self.rows_max)
    }
}

impl Query for Search {
    type SqlType = AccountColumns;
}

/// The text is not known from the type: connections keep their prepared
/// statements by text.
impl QueryId for Search {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

pub(super) async fn search(
    database: &Database,
    filter: AccountFilter,
    page: Page<Timeline>,
) -> Result<Listing<Account>, StoreError> {
    // Nobody has what is no address, and PostgreSQL refuses some of it as text.
    if filter
        .email
        .as_deref()
        .is_some_and(|text| Email::parse(text).is_err())
    {
        return Ok(Listing::from_one_more(Vec::new(), page.limit));
    }
    let Timeline { at, id } = page.after.unwrap_or(NEWEST);
    let query = Search {
        email: filter.email,
        suspended: filter.suspended,
        at,
        id,
        rows_max: page.limit.get() as i64 + 1,
    };
    let found: Vec<AccountRow> = database
        .read(move |connection| async move { query.load(connection).await }.boxed())
        .await?;
    Ok(Listing::from_one_more(rows::all(found)?, page.limit))
}
