//! `GET /events/{event_id}`: one event, cheap to ask again while unchanged.

use actix_web::http::header::{CONTENT_TYPE, ETAG};
use actix_web::{HttpRequest, HttpResponse, web};
use chrono::{DateTime, Utc};
use domain::model::Event;
use serde::Serialize;
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

use crate::app::App;
use crate::http::extract::path_id;
use crate::http::problem::{Problem, ProblemBody};

/// An event and the seats that it has left.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({
    "id": 1, "name": "Indie Concert", "venue": "Stadium A",
    "start_at": "2026-12-22T18:00:00Z", "capacity": 5, "seats_available": 5
}))]
pub(crate) struct EventResponse {
    /// Its id.
    id: i64,
    /// What it is called.
    name: String,
    /// Where it takes place.
    venue: Option<String>,
    /// When it begins; sales end then.
    start_at: DateTime<Utc>,
    /// Seats in all.
    capacity: u32,
    /// Seats that nobody has booked.
    seats_available: u32,
}

impl From<&Event> for EventResponse {
    fn from(event: &Event) -> Self {
        Self {
            id: event.id().get(),
            name: event.name().as_str().to_owned(),
            venue: event.venue().map(|venue| venue.as_str().to_owned()),
            start_at: event.start_at(),
            capacity: event.capacity().get(),
            seats_available: event.seats_available().get(),
        }
    }
}

/// One event.
#[utoipa::path(
    get, path = "/events/{event_id}", tag = "events", operation_id = "view_event",
    params(
        ("event_id" = i64, Path, description = "Which event", minimum = 1, example = 1),
        ("If-None-Match" = Option<String>, Header, description = "ETag of the answer that the client has"),
    ),
    responses(
        (status = 200, description = "The event", body = EventResponse,
         headers(("ETag" = String, description = "Strong; stands for the whole body in its content coding"))),
        (status = 304, description = "The client has this answer already"),
        (status = 404, description = "No such event (`event_not_found`)",
         body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn view_event(
    app: web::Data<App>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let event_id = path_id(&request, "event_id")?;
    let event = app
        .read(|services| async move { services.stores.catalogue.find(event_id).await })
        .await??;
    let body = serde_json::to_vec(&EventResponse::from(&event))
        .map_err(|error| Problem::internal(Box::new(error)))?;
    Ok(HttpResponse::Ok()
        .insert_header((ETAG, etag(&body)))
        .insert_header((CONTENT_TYPE, "application/json"))
        .body(body))
}

/// 128 bits of SHA-256 over the body: equal tags mean equal bodies.
fn etag(body: &[u8]) -> String {
    let digest: [u8; 32] = Sha256::digest(body).into();
    let bits = digest
        .first_chunk()
        .map_or(0, |bytes| u128::from_be_bytes(*bytes));
    format!("\"{bits:032x}\"")
}
