//! `GET /admin/audit`: who did what.

use actix_web::{HttpRequest, HttpResponse, web};
use chrono::{DateTime, Utc};
use domain::model::{Actor, AuditFilter, AuditObject, AuditRecord, Invalid, PageLimit};
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::http::cursor::AuditCursor;
use crate::http::extract::Query;
use crate::http::paging;
use crate::http::problem::Problem;

/// An entry of the audit log.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({
    "id": 7, "at": "2026-11-22T10:00:00Z", "actor": "service:3", "action": "cancel_booking",
    "object": "booking:12", "refused": null, "request_id": "7f9c0f9e3c8f4a0e9d5a1f0a6d3b2c11"
}))]
pub(crate) struct AuditResponse {
    /// Its id.
    id: i64,
    /// When.
    at: DateTime<Utc>,
    /// Who: `admin`, `anonymous`, `system`, `user:<id>` or `service:<id of its key>`.
    actor: String,
    /// What, by the `operationId` of the call.
    action: String,
    /// With which: `event:<id>`, `user:<id>`, `booking:<id>`, `api_key:<id>`.
    object: Option<String>,
    /// The `code` of the refusal, null when it was done.
    refused: Option<String>,
    /// The request.
    request_id: String,
}

impl From<AuditRecord> for AuditResponse {
    fn from(record: AuditRecord) -> Self {
        let entry = record.entry;
        let (kind, id) = entry.actor.parts();
        Self {
            id: record.id.get(),
            at: record.at,
            actor: named(kind, id),
            action: entry.action,
            object: entry
                .object
                .map(|object| named(&object.kind, Some(object.id))),
            refused: entry.refused,
            request_id: entry.request_id,
        }
    }
}

fn named(kind: &str, id: Option<i64>) -> String {
    match id {
        Some(id) => format!("{kind}:{id}"),
        None => kind.to_owned(),
    }
}

/// The kind and the id of what is named so.
fn parts(name: &str) -> Result<(&str, Option<i64>), Invalid> {
    match name.split_once(':') {
        None => Ok((name, None)),
        Some((kind, id)) => match id.parse::<i64>() {
            // Rust's parser takes more than we write: `+7`, `007`.
            Ok(number) if number.to_string() == id => Ok((kind, Some(number))),
            _ => Err(Invalid::new("must end with a number behind the colon")),
        },
    }
}

fn actor(name: &str) -> Result<Actor, Invalid> {
    let (kind, id) = parts(name)?;
    Actor::from_parts(kind, id)
        .map_err(|_| Invalid::new("must be admin, anonymous, system, user:<id> or service:<id>"))
}

fn object(name: &str) -> Result<AuditObject, Invalid> {
    match parts(name)? {
        (kind, Some(id)) => Ok(AuditObject {
            kind: kind.to_owned(),
            id,
        }),
        _ => Err(Invalid::new("must be a kind and an id, as in event:1")),
    }
}

/// Who did what?
///
/// Newest first. Every admin call, every change by a service, logins, changes
/// of accounts, and refusals, of which at most 50 in a second are recorded.
#[utoipa::path(
    get, path = "/admin/audit", tag = "admin", operation_id = "list_audit",
    params(
        ("actor" = Option<String>, Query, description = "Only what they did: `admin`, `anonymous`, `system`, `user:<id>`, `service:<id>`", example = "admin"),
        ("action" = Option<String>, Query, description = "Only this, by `operationId`", example = "publish_event"),
        ("object" = Option<String>, Query, description = "Only with this, as in `event:1`", example = "event:1"),
        ("refused" = Option<bool>, Query, description = "Only refusals, or only what was done"),
        ("limit" = Option<u8>, Query, description = "Entries of a page, 1 to 100; 100 when absent", minimum = 1, maximum = 100, example = 100),
        ("cursor" = Option<String>, Query, description = "Where the page begins, from the `Link` of the page before"),
    ),
    responses((status = 200, description = "Entries", body = [AuditResponse],
        headers(("Link" = Option<String>, description = "`<…>; rel=\"next\"` when there are more")))),
)]
pub(crate) async fn list_audit(
    app: web::Data<App>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let mut query = Query::parse(&request)?;
    let filter = AuditFilter {
        actor: query.parsed("actor", actor),
        action: query.parsed("action", |action| Ok(action.to_owned())),
        object: query.parsed("object", object),
        refused: query.parsed_boolean("refused"),
    };
    let filters = query.taken();
    let page = query.page::<AuditCursor>(PageLimit::MAX)?;
    let listing = app
        .read(|services| async move {
            let audit = &services.stores.audit;
            audit.list(filter, paging::to_store(page)).await
        })
        .await??;
    let body: Vec<_> = listing
        .entries
        .iter()
        .cloned()
        .map(AuditResponse::from)
        .collect();
    Ok(paging::respond::<_, AuditCursor, _>(
        "/admin/audit",
        filters.as_deref(),
        page.limit,
        &listing,
        body,
    ))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_text_is_refused_or_names_what_is_shown_by_that_name(
            text in prop_oneof![
                ".{0,30}",
                "(admin|anonymous|system|user|service|event|:)?:?[-+]?[0-9]{0,20}",
            ],
        ) {
            if let Ok(actor) = actor(&text) {
                let (kind, id) = actor.parts();
                prop_assert_eq!(named(kind, id), text.as_str());
            }
            if let Ok(object) = object(&text) {
                prop_assert_eq!(named(&object.kind, Some(object.id)), text);
            }
        }

        #[test]
        fn every_actor_and_object_can_be_asked_for(id in 1..=i64::MAX, kind in "[a-z_]{1,10}") {
            for actor_ in ["admin", "anonymous", "system", &format!("user:{id}"), &format!("service:{id}")] {
                prop_assert!(actor(actor_).is_ok(), "{actor_}");
            }
            let found = object(&format!("{kind}:{id}"));
            prop_assert_eq!(found, Ok(AuditObject { kind, id }));
        }
    }
}
