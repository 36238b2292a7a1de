//! `GET /health`: the process is alive. Touches nothing else.

use actix_web::HttpResponse;
use serde::Serialize;
use utoipa::ToSchema;

/// The process is alive.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({"status": "ok"}))]
pub(crate) struct HealthResponse {
    /// Always `ok`.
    status: &'static str,
}

/// Is the process alive?
///
/// Touches neither database nor Redis; see `/ready` for those.
#[utoipa::path(
    get, path = "/health", tag = "operations", operation_id = "health",
    responses((status = 200, description = "It is", body = HealthResponse)),
)]
pub(crate) async fn health() -> HttpResponse {
    HttpResponse::Ok().json(HealthResponse { status: "ok" })
}
