//! `DELETE /admin/events/{event_id}`: deletes an event.

use actix_web::{HttpRequest, HttpResponse, web};
use domain::usecases;

use crate::app::App;
use crate::background::{Chore, do_chore};
use crate::http::extract::path_id;
use crate::http::problem::{Problem, ProblemBody};

/// Delete an event.
///
/// It is hidden everywhere but in its list of bookings; those read as
/// cancelled from that moment and stay in their owners' histories.
#[utoipa::path(
    delete, path = "/admin/events/{event_id}", tag = "admin", operation_id = "delete_event",
    params(("event_id" = i64, Path, description = "Which event", minimum = 1, example = 1)),
    responses(
        (status = 204, description = "Deleted"),
        (status = 404, description = "No such event, or deleted before (`event_not_found`)",
         body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn delete_event(
    app: web::Data<App>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let event_id = path_id(&request, "event_id")?;
    app.run(|services| async move {
        usecases::delete_event(&*services.stores.events, &*services.gate.port, event_id).await?;
        // Marking the bookings may take a while and nobody has to wait for it.
        tokio::spawn(async move { do_chore(&services, Chore::FinishDeletions).await });
        Ok::<_, domain::ports::DeleteEventError>(())
    })
    .await??;
    Ok(HttpResponse::NoContent().finish())
}
