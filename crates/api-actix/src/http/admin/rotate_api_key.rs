//! `POST /admin/api-keys/{api_key_id}/rotate`: replaces a key's secret.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};

use super::api_key_fields::{NewApiKeyResponse, show};
use crate::app::App;
use crate::auth::{Secret, SecretKind};
use crate::http::extract::path_id;
use crate::http::problem::{Problem, ProblemBody};

/// Replace a key's secret.
///
/// The one before is good no more. To change without a gap, make a second key,
/// and revoke the first one when nobody uses it any more.
#[utoipa::path(
    post, path = "/admin/api-keys/{api_key_id}/rotate", tag = "admin", operation_id = "rotate_api_key",
    params(("api_key_id" = i64, Path, description = "Which key", minimum = 1, example = 1)),
    responses(
        (status = 200, description = "The key with its new secret, which is shown this once", body = NewApiKeyResponse),
        (status = 404, description = "No such key, or revoked (`api_key_not_found`)",
         body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn rotate_api_key(
    app: web::Data<App>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let key_id = path_id(&request, "api_key_id")?;
    let secret = Secret::generate(SecretKind::ApiKey)?;
    let digest = secret.digest();
    let key = app
        .run(|services| async move { services.stores.api_keys.rotate(key_id, digest).await })
        .await??;
    app.identities.forget_api_keys();
    Ok(show(StatusCode::OK, &key, secret))
}
