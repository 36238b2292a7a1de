//! `POST /auth/password`: sets a password with a token.

use actix_web::{HttpResponse, web};
use domain::model::{Actor, Password};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::auth::SecretKind;
use crate::http::access::RecordedActor;
use crate::http::extract::Json;
use crate::http::problem::{Fields, Problem, ProblemBody};
use crate::http::status::invalid_password_token;

/// The token and the password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "token": "utsavam_pt_T3EmHMaXv5FzAyPsZ2qyB4C0kX1bQwq5r4n8m4bC2n7", "password": "correct horse battery"
}))]
pub(crate) struct SetPasswordRequest {
    /// From whoever looks after the users.
    token: String,
    /// What the user is going to log in with.
    #[schema(format = Password, min_length = 10, max_length = 128)]
    password: String,
}

/// Set a password with a token.
///
/// The token is good once. All sessions of the user end.
#[utoipa::path(
    post, path = "/auth/password", tag = "accounts", operation_id = "set_password",
    request_body = SetPasswordRequest,
    responses(
        (status = 204, description = "The password is set"),
        (status = 401, description = "The token is not good, or not any more (`invalid_password_token`)",
         body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn set_password(
    app: web::Data<App>,
    body: Json<SetPasswordRequest>,
) -> Result<HttpResponse, Problem> {
    let SetPasswordRequest { token, password } = body.0;
    let mut fields = Fields::default();
    let password = fields.take("password", Password::parse(&password));
    let password = fields.finish(password)?;
    let token = SecretKind::PasswordToken.digest(&token);
    let token = token.ok_or_else(invalid_password_token)?;
    let passwords = app.passwords.turn().await?;
    let user_id = app
        .run(|services| async move {
            let hash = passwords.hash(password).await?;
            let redeemed = services.stores.accounts.redeem_password_token(token, hash);
            Ok::<_, Problem>(redeemed.await?)
        })
        .await??;
    app.identities.forget_sessions();
    let mut response = HttpResponse::NoContent().finish();
    let actor = RecordedActor(Actor::User(user_id));
    response.extensions_mut().insert(actor);
    Ok(response)
}
