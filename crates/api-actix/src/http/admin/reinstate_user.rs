//! `POST /admin/users/{user_id}/reinstate`.

use actix_web::{HttpRequest, HttpResponse, web};

use crate::app::App;
use crate::http::account::view_me::AccountResponse;
use crate::http::extract::path_id;
use crate::http::problem::{Problem, ProblemBody};

/// Reinstate a user.
///
/// They may book and log in again. Doing it again changes nothing.
#[utoipa::path(
    post, path = "/admin/users/{user_id}/reinstate", tag = "admin", operation_id = "reinstate_user",
    params(("user_id" = i64, Path, description = "Which user", minimum = 1, example = 1)),
    responses(
        (status = 200, description = "The account as it is now", body = AccountResponse),
        (status = 404, description = "No such user, or erased (`user_not_found`)",
         body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn reinstate_user(
    app: web::Data<App>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let user_id = path_id(&request, "user_id")?;
    let account = app
        .run(|services| async move { services.stores.accounts.reinstate(user_id).await })
        .await??;
    Ok(HttpResponse::Ok().json(AccountResponse::from(account)))
}
