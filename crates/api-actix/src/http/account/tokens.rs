//! The secrets of a session as clients get them.

use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::http::header::CACHE_CONTROL;
use domain::model::{Session, SessionSecrets};
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::auth::{Secret, SecretKind};
use crate::http::problem::Problem;

/// The secrets of a session.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({
    "access_token": "utsavam_at_mHMaXv5FzAyPsZ2qyB4C0kX1bQwq5r4n8m4bC2n7T3E", "token_type": "Bearer", "expires_in": 900,
    "refresh_token": "utsavam_rt_T3EmHMaXv5FzAyPsZ2qyB4C0kX1bQwq5r4n8m4bC2n7", "refresh_expires_in": 2592000,
    "user_id": 1
}))]
pub(crate) struct TokensResponse {
    /// Proves who is calling: `Authorization: Bearer <access_token>`.
    access_token: String,
    /// `Bearer`.
    token_type: &'static str,
    /// Seconds for which the access token is good.
    expires_in: u64,
    /// Is exchanged for the next tokens, once.
    refresh_token: String,
    /// Seconds for which it can be.
    refresh_expires_in: u64,
    /// Whose session it is.
    user_id: i64,
}

/// New secrets: what the store is told of them, and what the client is.
pub(super) struct Tokens {
    pub(super) secrets: SessionSecrets,
    access: Secret,
    refresh: Secret,
}

impl Tokens {
    /// Secrets that last as long as the settings say.
    ///
    /// # Errors
    /// The system has no randomness.
    pub(super) fn generate(app: &App) -> Result<Self, Problem> {
        let access = Secret::generate(SecretKind::Access)?;
        let refresh = Secret::generate(SecretKind::Refresh)?;
        let secrets = SessionSecrets {
            access: access.digest(),
            access_lasts: app.auth.access_lasts,
            refresh: refresh.digest(),
            refresh_lasts: app.auth.refresh_lasts,
        };
        Ok(Self {
            secrets,
            access,
            refresh,
        })
    }

    pub(super) fn respond(self, session: &Session) -> HttpResponse {
        let seconds = |duration: Duration| duration.as_secs();
        HttpResponse::Ok()
            .insert_header((CACHE_CONTROL, "no-store"))
            .json(TokensResponse {
                access_token: self.access.reveal(),
                token_type: "Bearer",
                expires_in: seconds(self.secrets.access_lasts),
                refresh_token: self.refresh.reveal(),
                refresh_expires_in: seconds(self.secrets.refresh_lasts),
                user_id: session.user_id.get(),
            })
    }
}
