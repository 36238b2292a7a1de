//! `POST /auth/refresh`: exchanges a refresh token.

use actix_web::{HttpResponse, web};
use domain::model::Actor;
use domain::ports::RefreshError;
use serde::Deserialize;
use utoipa::ToSchema;

use super::tokens::{Tokens, TokensResponse};
use crate::app::App;
use crate::auth::SecretKind;
use crate::http::access::RecordedActor;
use crate::http::extract::Json;
use crate::http::problem::{Problem, ProblemBody};
use crate::http::status::invalid_refresh_token;

/// What is exchanged.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"refresh_token": "utsavam_rt_T3EmHMaXv5FzAyPsZ2qyB4C0kX1bQwq5r4n8m4bC2n7"}))]
pub(crate) struct RefreshRequest {
    /// From the login or the refresh before.
    refresh_token: String,
}

/// Go on with a session.
///
/// Both tokens are replaced. A refresh token that is shown a second time ends
/// the session: somebody has a copy of it.
#[utoipa::path(
    post, path = "/auth/refresh", tag = "accounts", operation_id = "refresh",
    request_body = RefreshRequest,
    responses(
        (status = 200, description = "The next tokens", body = TokensResponse),
        (status = 401, description = "The token is not good, or was used before (`invalid_refresh_token`)",
         body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn refresh(
    app: web::Data<App>,
    body: Json<RefreshRequest>,
) -> Result<HttpResponse, Problem> {
    let shown = SecretKind::Refresh.digest(&body.0.refresh_token);
    let shown = shown.ok_or_else(invalid_refresh_token)?;
    let tokens = Tokens::generate(&app)?;
    let secrets = tokens.secrets;
    let session = app
        .run(|services| async move { services.stores.sessions.refresh(shown, secrets).await })
        .await?;
    // A stranger's guess ends nothing.
    if !matches!(session, Err(RefreshError::Unknown)) {
        app.identities.forget_sessions();
    }
    match session {
        Ok(session) => Ok(tokens.respond(&session)),
        // The audit log is to say whose session somebody has a copy of.
        Err(error @ RefreshError::Reused(user_id)) => {
            let mut refused = Problem::from(error).into_response();
            let owner = RecordedActor(Actor::User(user_id));
            refused.extensions_mut().insert(owner);
            Ok(refused)
        }
        Err(error) => Err(error.into()),
    }
}
