//! `POST /admin/events`: puts an event on sale.

use actix_web::http::header::LOCATION;
use actix_web::{HttpResponse, web};
use domain::model::{Capacity, EventName, PublishEvent, Venue};
use domain::usecases;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::http::access::name_object;
use crate::http::extract::Json;
use crate::http::problem::{Fields, Problem};
use crate::http::public::view_event::EventResponse;

use super::event_fields::parse_time;

/// A new event.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "name": "Indie Concert", "venue": "Stadium A", "start_at": "2030-12-24T18:00:00Z", "capacity": 5
}))]
pub(crate) struct PublishRequest {
    /// What it is called.
    #[schema(min_length = 1, max_length = 255)]
    name: String,
    /// Where it takes place.
    #[schema(min_length = 1, max_length = 255)]
    venue: Option<String>,
    /// When it begins, with an offset. The past is accepted; such an event sells nothing.
    #[schema(format = DateTime)]
    start_at: String,
    /// Seats in all.
    #[schema(minimum = 0, maximum = 2_147_483_647)]
    capacity: i64,
}

impl PublishRequest {
    fn parse(self) -> Result<PublishEvent, Problem> {
        let mut fields = Fields::default();
        let name = fields.take("name", EventName::parse(&self.name));
        let venue = fields.take_option("venue", self.venue.as_deref().map(Venue::parse));
        let start_at = fields.take("start_at", parse_time(&self.start_at));
        let capacity = fields.take("capacity", Capacity::try_new(self.capacity));
        let parsed = name.zip(venue).zip(start_at.zip(capacity)).map(
            |((name, venue), (start_at, capacity))| PublishEvent {
                name,
                venue,
                start_at,
                capacity,
            },
        );
        fields.finish(parsed)
    }
}

/// Put an event on sale.
#[utoipa::path(
    post, path = "/admin/events", tag = "admin", operation_id = "publish_event",
    request_body = PublishRequest,
    responses((status = 201, description = "On sale", body = EventResponse,
        headers(("Location" = String, description = "Path of the event")))),
)]
pub(crate) async fn publish_event(
    app: web::Data<App>,
    request: Json<PublishRequest>,
) -> Result<HttpResponse, Problem> {
    let event = request.0.parse()?;
    let event = app
        .run(|services| async move {
            usecases::publish_event(&*services.stores.events, &*services.gate.port, event).await
        })
        .await??;
    let mut response = HttpResponse::Created()
        .insert_header((LOCATION, format!("/events/{}", event.id())))
        .json(EventResponse::from(&event));
    name_object(&mut response, "event", event.id().get());
    Ok(response)
}
