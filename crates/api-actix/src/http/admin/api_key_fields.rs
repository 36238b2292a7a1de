//! Keys of services as clients see them.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::CACHE_CONTROL;
use chrono::{DateTime, Utc};
use domain::model::{ApiKey, Scope};
use serde::Serialize;
use utoipa::ToSchema;

use crate::auth::Secret;
use crate::http::access::name_object;

/// A key, without its secret.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({
    "id": 1, "name": "Web shop", "scopes": ["bookings:read", "bookings:write"],
    "created_at": "2026-11-22T10:00:00Z", "rotated_at": null, "last_used_at": null, "revoked_at": null
}))]
pub(crate) struct ApiKeyResponse {
    /// Its id.
    id: i64,
    /// What the service is called.
    name: String,
    /// What it may do.
    scopes: Vec<&'static str>,
    /// When it was made.
    created_at: DateTime<Utc>,
    /// When its secret was replaced.
    rotated_at: Option<DateTime<Utc>>,
    /// When it was used last, to the minute.
    last_used_at: Option<DateTime<Utc>>,
    /// When it ceased to be good.
    revoked_at: Option<DateTime<Utc>>,
}

/// A key with its secret, which is shown this once.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({
    "id": 1, "name": "Web shop", "scopes": ["bookings:read", "bookings:write"],
    "created_at": "2026-11-22T10:00:00Z", "rotated_at": null, "last_used_at": null, "revoked_at": null,
    "key": "utsavam_key_T3EmHMaXv5FzAyPsZ2qyB4C0kX1bQwq5r4n8m4bC2n7"
}))]
pub(crate) struct NewApiKeyResponse {
    #[serde(flatten)]
    api_key: ApiKeyResponse,
    /// The value of the header `X-API-Key`.
    key: String,
}

impl From<&ApiKey> for ApiKeyResponse {
    fn from(key: &ApiKey) -> Self {
        Self {
            id: key.id.get(),
            name: key.name.as_str().to_owned(),
            scopes: key.scopes.iter().map(Scope::as_str).collect(),
            created_at: key.created_at,
            rotated_at: key.rotated_at,
            last_used_at: key.last_used_at,
            revoked_at: key.revoked_at,
        }
    }
}

/// Shows a key with its secret.
pub(super) fn show(status: StatusCode, key: &ApiKey, secret: Secret) -> HttpResponse {
    let mut response = HttpResponse::build(status)
        .insert_header((CACHE_CONTROL, "no-store"))
        .json(NewApiKeyResponse {
            api_key: key.into(),
            key: secret.reveal(),
        });
    name_object(&mut response, "api_key", key.id.get());
    response
}
