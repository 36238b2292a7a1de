//! `GET /admin/users/{user_id}`: one account.

use actix_web::{HttpRequest, HttpResponse, web};

use crate::app::App;
use crate::http::account::view_me::AccountResponse;
use crate::http::extract::path_id;
use crate::http::problem::{Problem, ProblemBody};

/// One account.
#[utoipa::path(
    get, path = "/admin/users/{user_id}", tag = "admin", operation_id = "view_user",
    params(("user_id" = i64, Path, description = "Which user", minimum = 1, example = 1)),
    responses(
        (status = 200, description = "The account", body = AccountResponse),
        (status = 404, description = "No such user, or erased (`user_not_found`)",
         body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn view_user(
    app: web::Data<App>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let user_id = path_id(&request, "user_id")?;
    let account = app
        .read(|services| async move { services.stores.accounts.find(user_id).await })
        .await??;
    Ok(HttpResponse::Ok().json(AccountResponse::from(account)))
}
