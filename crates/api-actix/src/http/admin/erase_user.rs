//! `DELETE /admin/users/{user_id}`: erases a user.

use actix_web::{HttpRequest, HttpResponse, web};
use domain::usecases;

use crate::app::App;
use crate::http::extract::path_id;
use crate::http::problem::{Problem, ProblemBody};

/// Erase a user.
///
/// Address, name and password are gone, all sessions end, and bookings of
/// events that are yet to come are cancelled. Bookings of the past stay, with
/// an id for an owner.
#[utoipa::path(
    delete, path = "/admin/users/{user_id}", tag = "admin", operation_id = "erase_user",
    params(("user_id" = i64, Path, description = "Which user", minimum = 1, example = 1)),
    responses(
        (status = 204, description = "Erased"),
        (status = 404, description = "No such user, or erased before (`user_not_found`)",
         body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn erase_user(
    app: web::Data<App>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let user_id = path_id(&request, "user_id")?;
    app.run(|services| async move {
        let (stores, gate) = (&services.stores, &*services.gate.port);
        usecases::erase_user(&*stores.accounts, &*stores.bookings, gate, user_id).await
    })
    .await??;
    app.identities.forget_sessions();
    Ok(HttpResponse::NoContent().finish())
}
