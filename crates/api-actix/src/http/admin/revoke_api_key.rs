//! `DELETE /admin/api-keys/{api_key_id}`: ends a key.

use actix_web::{HttpRequest, HttpResponse, web};

use crate::app::App;
use crate::http::extract::path_id;
use crate::http::problem::{Problem, ProblemBody};

/// End a key.
///
/// It is good no more, within two seconds in all processes. Ending it again
/// changes nothing.
#[utoipa::path(
    delete, path = "/admin/api-keys/{api_key_id}", tag = "admin", operation_id = "revoke_api_key",
    params(("api_key_id" = i64, Path, description = "Which key", minimum = 1, example = 1)),
    responses(
        (status = 204, description = "Revoked, now or before"),
        (status = 404, description = "No such key (`api_key_not_found`)",
         body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn revoke_api_key(
    app: web::Data<App>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let key_id = path_id(&request, "api_key_id")?;
    app.run(|services| async move { services.stores.api_keys.revoke(key_id).await })
        .await??;
    app.identities.forget_api_keys();
    Ok(HttpResponse::NoContent().finish())
}
