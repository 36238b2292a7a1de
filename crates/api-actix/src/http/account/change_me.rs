//! `PATCH /users/me`: changes the caller's name or password.

use actix_web::{HttpResponse, web};
use domain::model::{Password, UserName};
use serde::Deserialize;
use utoipa::ToSchema;

use super::view_me::AccountResponse;
use crate::app::App;
use crate::http::access::Caller;
use crate::http::extract::Json;
use crate::http::problem::{Fields, Problem, ProblemBody};
use crate::http::status::wrong_password;

/// What is to change; a member that is absent or null stays as it is.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"name": "Dana D."}))]
pub(crate) struct ChangeMeRequest {
    /// What they are called.
    #[schema(min_length = 1, max_length = 255)]
    name: Option<String>,
    /// The new password; needs the current one.
    #[schema(format = Password, min_length = 10, max_length = 128)]
    password: Option<String>,
    /// The current password.
    #[schema(format = Password)]
    current_password: Option<String>,
}

/// What was asked for, as far as it is right.
struct Change {
    name: Option<UserName>,
    /// The new one and the current one.
    password: Option<(Password, String)>,
}

impl ChangeMeRequest {
    fn parse(self) -> Result<Change, Problem> {
        let mut fields = Fields::default();
        let name = fields.take_option("name", self.name.as_deref().map(UserName::parse));
        let password =
            fields.take_option("password", self.password.as_deref().map(Password::parse));
        let current = self.current_password;
        if self.password.is_some() && current.is_none() {
            fields.wrong("current_password", "must be given with a new password");
        }
        if self.password.is_none() && current.is_some() {
            fields.wrong("password", "must be given with the current password");
        }
        fields.finish(name.zip(password).map(|(name, password)| Change {
            name,
            password: password.zip(current),
        }))
    }
}

/// Change my name or password.
///
/// With a new password all other sessions end.
#[utoipa::path(
    patch, path = "/users/me", tag = "accounts", operation_id = "change_me",
    request_body = ChangeMeRequest,
    responses(
        (status = 200, description = "The account as it is now", body = AccountResponse),
        (status = 403, description = "The current password is another one (`wrong_password`)",
         body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn change_me(
    app: web::Data<App>,
    caller: Caller,
    body: Json<ChangeMeRequest>,
) -> Result<HttpResponse, Problem> {
    let (user_id, session_id) = caller.myself()?;
    let Change { name, password } = body.0.parse()?;
    let ends_sessions = password.is_some();
    if ends_sessions && let Some(limits) = &app.rate_limits {
        limits.try_password(&app, user_id).await?;
    }
    // Two hashes, one after the other.
    let password = match password {
        Some((new, current)) => Some((app.passwords.turn().await?, new, current)),
        None => None,
    };
    let account = app
        .run(|services| async move {
            let accounts = &services.stores.accounts;
            if let Some((passwords, new, current)) = password {
                let known = accounts.credentials_of(user_id).await?;
                let is_right = passwords.check(current, known.password.clone()).await?;
                let proof = known.password.filter(|_| is_right);
                let proof = proof.ok_or_else(wrong_password)?;
                let hash = passwords.hash(new).await?;
                accounts
                    .set_password(user_id, proof, hash, session_id)
                    .await?;
            }
            match name {
                Some(name) => Ok::<_, Problem>(accounts.rename(user_id, Some(name)).await?),
                None => Ok(accounts.find(user_id).await?),
            }
        })
        .await??;
    if ends_sessions {
        app.identities.forget_sessions();
    }
    Ok(HttpResponse::Ok().json(AccountResponse::from(account)))
}
