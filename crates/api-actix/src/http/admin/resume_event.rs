//! `POST /admin/events/{event_id}/sales/resume`.

use actix_web::{HttpRequest, HttpResponse, web};

use super::pause_fields::EventPauseResponse;
use crate::app::App;
use crate::http::extract::path_id;
use crate::http::problem::{Problem, ProblemBody};

/// Resume sales of an event.
///
/// While all sales are paused it sells nothing all the same. Doing it again changes
/// nothing.
#[utoipa::path(
    post, path = "/admin/events/{event_id}/sales/resume", tag = "admin", operation_id = "resume_event",
    params(("event_id" = i64, Path, description = "Which event", minimum = 1, example = 1)),
    responses(
        (status = 200, description = "Its sales are not paused any more", body = EventPauseResponse,
         example = json!({"event_id": 1, "sales_paused_at": null})),
        (status = 404, description = "No such event (`event_not_found`)",
         body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn resume_event(
    app: web::Data<App>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let event_id = path_id(&request, "event_id")?;
    app.run(|services| async move { services.stores.control.resume(event_id).await })
        .await??;
    Ok(HttpResponse::Ok().json(EventPauseResponse {
        event_id: event_id.get(),
        sales_paused_at: None,
    }))
}
