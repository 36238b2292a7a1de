//! `POST /admin/users/{user_id}/suspend`.

use actix_web::{HttpRequest, HttpResponse, web};

use crate::app::App;
use crate::http::account::view_me::AccountResponse;
use crate::http::extract::path_id;
use crate::http::problem::{Problem, ProblemBody};

/// Suspend a user.
///
/// They can neither book nor log in, and their sessions end. Doing it again
/// changes nothing.
#[utoipa::path(
    post, path = "/admin/users/{user_id}/suspend", tag = "admin", operation_id = "suspend_user",
    params(("user_id" = i64, Path, description = "Which user", minimum = 1, example = 1)),
    responses(
        (status = 200, description = "The account as it is now", body = AccountResponse),
        (status = 404, description = "No such user, or erased (`user_not_found`)",
         body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn suspend_user(
    app: web::Data<App>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let user_id = path_id(&request, "user_id")?;
    let account = app
        .run(|services| async move { services.stores.accounts.suspend(user_id).await })
        .await??;
    app.identities.forget_sessions();
    Ok(HttpResponse::Ok().json(AccountResponse::from(account)))
}
