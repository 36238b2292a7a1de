//! `GET /admin/sales`: what is paused.

use actix_web::{HttpRequest, HttpResponse, web};
use chrono::{DateTime, Utc};
use domain::model::{PageLimit, PausedEvent};
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::http::cursor::PausedCursor;
use crate::http::extract::Query;
use crate::http::paging;
use crate::http::problem::Problem;

/// What is paused.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({"sales_paused_at": null, "events": [{
    "event_id": 1, "name": "Indie Concert", "sales_paused_at": "2026-11-27T20:00:00Z"
}]}))]
pub(crate) struct PausedSalesResponse {
    /// Since when all sales are paused; null if they are not.
    sales_paused_at: Option<DateTime<Utc>>,
    /// Events of this page that are paused by themselves, the latest pause first.
    events: Vec<PausedEventFields>,
}

/// An event whose sales are paused.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({
    "event_id": 1, "name": "Indie Concert", "sales_paused_at": "2026-11-27T20:00:00Z"
}))]
pub(crate) struct PausedEventFields {
    /// Its id.
    event_id: i64,
    /// What it is called.
    name: String,
    /// Since when its sales are paused.
    sales_paused_at: DateTime<Utc>,
}

impl From<&PausedEvent> for PausedEventFields {
    fn from(paused: &PausedEvent) -> Self {
        Self {
            event_id: paused.event_id.get(),
            name: paused.name.as_str().to_owned(),
            sales_paused_at: paused.paused_at,
        }
    }
}

/// What is paused?
///
/// Events that are paused by themselves, the latest pause first, and whether all sales
/// are. Deleted events are left out.
#[utoipa::path(
    get, path = "/admin/sales", tag = "admin", operation_id = "paused_sales",
    params(
        ("limit" = Option<u8>, Query, description = "Events of a page, 1 to 100; 100 when absent", minimum = 1, maximum = 100, example = 100),
        ("cursor" = Option<String>, Query, description = "Where the page begins, from the `Link` of the page before"),
    ),
    responses((status = 200, description = "What is paused", body = PausedSalesResponse,
        headers(("Link" = Option<String>, description = "`<…>; rel=\"next\"` when there are more")))),
)]
pub(crate) async fn paused_sales(
    app: web::Data<App>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let page = Query::parse(&request)?.page::<PausedCursor>(PageLimit::MAX)?;
    let paused = app
        .read(
            |services| async move { services.stores.control.paused(paging::to_store(page)).await },
        )
        .await??;
    let events = &paused.events;
    let body = PausedSalesResponse {
        sales_paused_at: paused.all_paused_at,
        events: events.entries.iter().map(PausedEventFields::from).collect(),
    };
    Ok(paging::respond::<_, PausedCursor, _>(
        "/admin/sales",
        None,
        page.limit,
        events,
        body,
    ))
}
