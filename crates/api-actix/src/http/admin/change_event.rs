//! `PUT /admin/events/{event_id}`: changes an event.

use actix_web::{HttpRequest, HttpResponse, web};
use domain::model::{Capacity, EventChange, EventName, Venue};
use domain::usecases;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::http::extract::{Json, path_id};
use crate::http::problem::{Fields, Problem, ProblemBody};
use crate::http::public::view_event::EventResponse;

use super::event_fields::parse_time;

/// What is to change; a member that is absent or null stays as it is.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"capacity": 10}))]
pub(crate) struct ChangeRequest {
    /// What it is called.
    #[schema(min_length = 1, max_length = 255)]
    name: Option<String>,
    /// Where it takes place.
    #[schema(min_length = 1, max_length = 255)]
    venue: Option<String>,
    /// When it begins, with an offset.
    #[schema(format = DateTime)]
    start_at: Option<String>,
    /// Seats in all; at least the confirmed ones.
    #[schema(minimum = 0, maximum = 2_147_483_647)]
    capacity: Option<i64>,
}

impl ChangeRequest {
    fn parse(self) -> Result<EventChange, Problem> {
        let mut fields = Fields::default();
        let name = fields.take_option("name", self.name.as_deref().map(EventName::parse));
        let venue = fields.take_option("venue", self.venue.as_deref().map(Venue::parse));
        let start_at = fields.take_option("start_at", self.start_at.as_deref().map(parse_time));
        let capacity = fields.take_option("capacity", self.capacity.map(Capacity::try_new));
        let parsed = name.zip(venue).zip(start_at.zip(capacity)).map(
            |((name, venue), (start_at, capacity))| EventChange {
                name,
                venue,
                start_at,
                capacity,
            },
        );
        fields.finish(parsed)
    }
}

/// Change an event.
#[utoipa::path(
    put, path = "/admin/events/{event_id}", tag = "admin", operation_id = "change_event",
    params(("event_id" = i64, Path, description = "Which event", minimum = 1, example = 1)),
    request_body = ChangeRequest,
    responses(
        (status = 200, description = "The event as it is now", body = EventResponse),
        (status = 404, description = "No such event (`event_not_found`)",
         body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn change_event(
    app: web::Data<App>,
    request: HttpRequest,
    body: Json<ChangeRequest>,
) -> Result<HttpResponse, Problem> {
    let event_id = path_id(&request, "event_id")?;
    let change = body.0.parse()?;
    let event = app
        .run(|services| async move {
            usecases::change_event(
                &*services.stores.events,
                &*services.gate.port,
                event_id,
                change,
            )
            .await
        })
        .await??;
    Ok(HttpResponse::Ok().json(EventResponse::from(&event)))
}
