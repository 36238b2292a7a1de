//! `POST /auth/login`: begins a session.

use actix_web::{HttpRequest, HttpResponse, web};
use domain::model::{Actor, Email};
use serde::Deserialize;
use utoipa::ToSchema;

use super::tokens::{Tokens, TokensResponse};
use crate::app::App;
use crate::http::access::RecordedActor;
use crate::http::extract::Json;
use crate::http::problem::{Fields, Problem, ProblemBody};
use crate::http::status::login_failed;

/// Who logs in.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"email": "dana@example.com", "password": "correct horse battery"}))]
pub(crate) struct LoginRequest {
    /// Their address; trimmed and lower-cased.
    #[schema(format = Email, max_length = 255)]
    email: String,
    /// Their password.
    #[schema(format = Password)]
    password: String,
}

/// Log in.
///
/// An unknown address and a wrong password get the same answer, after the
/// same time.
#[utoipa::path(
    post, path = "/auth/login", tag = "accounts", operation_id = "login",
    request_body = LoginRequest,
    responses(
        (status = 200, description = "A session has begun", body = TokensResponse),
        (status = 401, description = "The address is unknown, or the password is wrong (`login_failed`)",
         body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "An admin suspended the user (`user_suspended`)",
         body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn login(
    app: web::Data<App>,
    request: HttpRequest,
    body: Json<LoginRequest>,
) -> Result<HttpResponse, Problem> {
    let LoginRequest { email, password } = body.0;
    let mut fields = Fields::default();
    let email = fields.take("email", Email::parse(&email));
    let email = fields.finish(email)?;
    if let Some(limits) = &app.rate_limits {
        let (peer, headers) = (request.peer_addr(), request.headers());
        limits.log_in(&app, peer, headers, &email).await?;
    }
    let tokens = Tokens::generate(&app)?;
    let (passwords, secrets) = (app.passwords.turn().await?, tokens.secrets);
    let session = app
        .run(|services| async move {
            let known = services.stores.accounts.credentials(&email).await?;
            let hash = known.as_ref().and_then(|known| known.password.clone());
            let is_right = passwords.check(password, hash).await?;
            let (user_id, proof) = known
                .filter(|_| is_right)
                .and_then(|known| Some((known.user_id, known.password?)))
                .ok_or_else(login_failed)?;
            let begun = services.stores.sessions.begin(user_id, proof, secrets);
            Ok::<_, Problem>(begun.await?)
        })
        .await??;
    let mut response = tokens.respond(&session);
    let actor = RecordedActor(Actor::User(session.user_id));
    response.extensions_mut().insert(actor);
    Ok(response)
}
