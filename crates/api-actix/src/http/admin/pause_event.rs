//! `POST /admin/events/{event_id}/sales/pause`.

use actix_web::{HttpRequest, HttpResponse, web};

use super::pause_fields::EventPauseResponse;
use crate::app::App;
use crate::http::extract::path_id;
use crate::http::problem::{Problem, ProblemBody};

/// Pause sales of an event.
///
/// From the answer on no server makes a booking of it (409 `sales_paused`) until it is
/// resumed. Cancelling, reading and repeating a booking under its key go on. Doing it
/// again changes nothing.
#[utoipa::path(
    post, path = "/admin/events/{event_id}/sales/pause", tag = "admin", operation_id = "pause_event",
    params(("event_id" = i64, Path, description = "Which event", minimum = 1, example = 1)),
    responses(
        (status = 200, description = "Since when its sales are paused", body = EventPauseResponse),
        (status = 404, description = "No such event (`event_not_found`)",
         body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn pause_event(
    app: web::Data<App>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let event_id = path_id(&request, "event_id")?;
    let paused_at = app
        .run(|services| async move { services.stores.control.pause(event_id).await })
        .await??;
    Ok(HttpResponse::Ok().json(EventPauseResponse {
        event_id: event_id.get(),
        sales_paused_at: Some(paused_at),
    }))
}
