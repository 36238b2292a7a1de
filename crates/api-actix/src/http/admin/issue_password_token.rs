//! `POST /admin/users/{user_id}/password-token`: helps a user to a password.

use actix_web::http::header::CACHE_CONTROL;
use actix_web::{HttpRequest, HttpResponse, web};
use chrono::{DateTime, Utc};
use domain::model::Scope;
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::auth::{Secret, SecretKind};
use crate::http::access::Caller;
use crate::http::extract::path_id;
use crate::http::problem::{Problem, ProblemBody};
use crate::http::status::has_password;

/// A token for `POST /auth/password`.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({
    "token": "utsavam_pt_T3EmHMaXv5FzAyPsZ2qyB4C0kX1bQwq5r4n8m4bC2n7", "expires_at": "2026-11-25T10:00:00Z"
}))]
pub(crate) struct PasswordTokenResponse {
    /// To be given to the user, and to nobody else; it is shown once.
    token: String,
    /// Until when it is good.
    expires_at: DateTime<Utc>,
}

/// Issue a token with which a user can set a password.
///
/// For users who have none or forgot it; for those who have one only with the
/// scope `admin:users`. Tokens that were issued to them before are good no more.
#[utoipa::path(
    post, path = "/admin/users/{user_id}/password-token", tag = "admin",
    operation_id = "issue_password_token",
    params(("user_id" = i64, Path, description = "Which user", minimum = 1, example = 1)),
    responses(
        (status = 201, description = "The token", body = PasswordTokenResponse),
        (status = 404, description = "No such user, or erased (`user_not_found`)",
         body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "The user has a password, and the key lacks `admin:users` (`has_password`)",
         body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn issue_password_token(
    app: web::Data<App>,
    caller: Caller,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let user_id = path_id(&request, "user_id")?;
    let token = Secret::generate(SecretKind::PasswordToken)?;
    let may_replace = caller.principal.has(Scope::AdminUsers);
    let (digest, lasts) = (token.digest(), app.auth.password_token_lasts);
    let expires_at = app
        .run(|services| async move {
            let accounts = &services.stores.accounts;
            // Who could replace passwords could become anybody.
            if !may_replace && accounts.find(user_id).await?.has_password {
                return Err(has_password());
            }
            let issued = accounts.issue_password_token(user_id, digest, lasts);
            Ok::<_, Problem>(issued.await?)
        })
        .await??;
    Ok(HttpResponse::Created()
        .insert_header((CACHE_CONTROL, "no-store"))
        .json(PasswordTokenResponse {
            token: token.reveal(),
            expires_at,
        }))
}
