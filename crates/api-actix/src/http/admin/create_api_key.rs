//! `POST /admin/api-keys`: makes a key for a service.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use domain::model::{ApiKeyName, NewApiKey, Scope, Scopes};
use serde::Deserialize;
use utoipa::ToSchema;

use super::api_key_fields::{NewApiKeyResponse, show};
use crate::app::App;
use crate::auth::{Secret, SecretKind};
use crate::http::extract::Json;
use crate::http::problem::{Fields, Problem};

/// The key that is wanted.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"name": "Web shop", "scopes": ["bookings:read", "bookings:write"]}))]
pub(crate) struct CreateApiKeyRequest {
    /// What the service is called.
    #[schema(min_length = 1, max_length = 255)]
    name: String,
    /// What it may do: `admin:audit`, `admin:events`, `admin:users`, `bookings:read`,
    /// `bookings:write`, `events:read`, `users:read`, `users:write`.
    #[schema(min_items = 1, max_items = 100)]
    scopes: Vec<String>,
}

/// More is no list of scopes.
const SCOPES_MAX: usize = 100;

impl CreateApiKeyRequest {
    fn parse(self) -> Result<(ApiKeyName, Scopes), Problem> {
        let mut fields = Fields::default();
        let name = fields.take("name", ApiKeyName::parse(&self.name));
        if self.scopes.len() > SCOPES_MAX {
            fields.wrong("scopes", format!("must be at most {SCOPES_MAX}"));
            return fields.finish(None);
        }
        let scopes = self.scopes.iter().map(|scope| Scope::parse(scope));
        let scopes = scopes.collect::<Result<_, _>>().and_then(Scopes::try_new);
        let scopes = fields.take("scopes", scopes);
        fields.finish(name.zip(scopes))
    }
}

/// Make a key for a service.
///
/// The key is shown this once.
#[utoipa::path(
    post, path = "/admin/api-keys", tag = "admin", operation_id = "create_api_key",
    request_body = CreateApiKeyRequest,
    responses((status = 201, description = "The key", body = NewApiKeyResponse)),
)]
pub(crate) async fn create_api_key(
    app: web::Data<App>,
    body: Json<CreateApiKeyRequest>,
) -> Result<HttpResponse, Problem> {
    let (name, scopes) = body.0.parse()?;
    let secret = Secret::generate(SecretKind::ApiKey)?;
    let key = NewApiKey {
        name,
        scopes,
        secret: secret.digest(),
    };
    let key = app
        .run(|services| async move { services.stores.api_keys.create(key).await })
        .await??;
    Ok(show(StatusCode::CREATED, &key, secret))
}
