//! Reading the audit log.

use chrono::{DateTime, Utc};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::sql_types::{BigInt, Nullable, Text, Timestamptz};
use diesel_async::RunQueryDsl;
use domain::model::{AuditFilter, AuditRecord, Listing, Page, Timeline};
use domain::ports::StoreError;
use futures::FutureExt;

use crate::Database;
use crate::rows::{self, AuditRow};

use super::super::NEWEST;

/// A statement for each combination of filters, so that each is planned for what
/// it asks: every filter has an index of its own, in the order of the list.
struct ListEntries {
    /// Its kind and its id, as they are stored.
    actor: Option<(&'static str, Option<i64>)>,
    action: Option<String>,
    /// Its kind and its id.
    object: Option<(String, i64)>,
    refused: Option<bool>,
    at: DateTime<Utc>,
    id: i64,
    rows_max: i64,
}

impl QueryFragment<Pg> for ListEntries {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql(
            "SELECT id, at, actor_kind, actor_id, action, object_kind, object_id, refused,
                    request_id
             FROM audit_log WHERE (at, id) < (",
        );
        out.push_bind_param::<Timestamptz, _>(&self.at)?;
        out.push_sql(", ");
        out.push_bind_param::<BigInt, _>(&self.id)?;
        out.push_sql(")");
        if let Some((kind, id)) = &self.actor {
            out.push_sql(" AND actor_kind = ");
            out.push_bind_param::<Text, _>(kind)?;
            match id {
                Some(id) => {
                    out.push_sql(" AND actor_id = ");
                    out.push_bind_param::<BigInt, _>(id)?;
                }
                None => out.push_sql(" AND actor_id IS NULL"),
            }
        }
        if let Some(action) = &self.action {
            out.push_sql(" AND action = ");
            out.push_bind_param::<Text, _>(action)?;
        }
        if let Some((kind, id)) = &self.object {
            out.push_sql(" AND object_kind = ");
            out.push_bind_param::<Text, _>(kind)?;
            out.push_sql(" AND object_id = ");
            out.push_bind_param::<BigInt, _>(id)?;
        }
        match self.refused {
            Some(true) => out.push_sql(" AND refused IS NOT NULL"),
            Some(false) => out.push_sql(" AND refused IS NULL"),
            None => {}
        }
        out.push_sql(" ORDER BY at DESC, id DESC LIMIT ");
        out.push_bind_param::<BigInt, _>(&self.rows_max)
    }
}

impl Query for ListEntries {
    type SqlType = (
        BigInt,
        Timestamptz,
        Text,
        Nullable<BigInt>,
        Text,
        Nullable<Text>,
        Nullable<BigInt>,
        Nullable<Text>,
        Text,
    );
}

/// The text is not known from the type: connections keep their prepared
/// statements by text.
impl QueryId for ListEntries {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

pub(super) async fn list(
    database: &Database,
    filter: AuditFilter,
    page: Page<Timeline>,
) -> Result<Listing<AuditRecord>, StoreError> {
    let object = filter.object.map(|object| (object.kind, object.id));
    let mut texts = filter
        .action
        .iter()
        .chain(object.iter().map(|(kind, _)| kind));
    // PostgreSQL keeps no such text and refuses to be asked for it.
    if texts.any(|text| text.contains('\0')) {
        return Ok(Listing::from_one_more(Vec::new(), page.limit));
    }
    let Timeline { at, id } = page.after.unwrap_or(NEWEST);
    let query = ListEntries {
        actor: filter.actor.map(|actor| actor.parts()),
        action: filter.action,
        object,
        refused: filter.refused,
        at,
        id,
        rows_max: page.limit.get() as i64 + 1,
    };
    let found: Vec<AuditRow> = database
        .read(move |connection| async move { query.load(connection).await }.boxed())
        .await?;
    Ok(Listing::from_one_more(rows::all(found)?, page.limit))
}
