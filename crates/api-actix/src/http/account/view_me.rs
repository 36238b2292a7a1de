//! `GET /users/me`: the caller's own account.

use actix_web::{HttpResponse, web};
use chrono::{DateTime, Utc};
use domain::model::Account;
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::http::access::Caller;
use crate::http::problem::Problem;

/// An account.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({
    "id": 4, "email": "dana@example.com", "name": "Dana", "created_at": "2026-11-22T10:00:00Z",
    "has_password": true, "suspended_at": null
}))]
pub(crate) struct AccountResponse {
    /// The user's id.
    id: i64,
    /// Their address.
    email: String,
    /// What they are called.
    name: Option<String>,
    /// When they registered.
    created_at: DateTime<Utc>,
    /// Whether they can log in.
    has_password: bool,
    /// Since when they may not book or log in, if an admin decided so.
    suspended_at: Option<DateTime<Utc>>,
}

impl From<Account> for AccountResponse {
    fn from(account: Account) -> Self {
        let user = account.user;
        Self {
            id: user.id.get(),
            email: user.email.into(),
            name: user.name.map(String::from),
            created_at: user.created_at,
            has_password: account.has_password,
            suspended_at: account.suspended_at,
        }
    }
}

/// My account.
#[utoipa::path(
    get, path = "/users/me", tag = "accounts", operation_id = "view_me",
    responses((status = 200, description = "The account", body = AccountResponse)),
)]
pub(crate) async fn view_me(app: web::Data<App>, caller: Caller) -> Result<HttpResponse, Problem> {
    let (user_id, _) = caller.myself()?;
    let account = app
        .read(|services| async move { services.stores.accounts.find(user_id).await })
        .await??;
    Ok(HttpResponse::Ok().json(AccountResponse::from(account)))
}
