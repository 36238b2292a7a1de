//! `GET /ready`: can this process serve buyers?

use std::time::Duration;

use actix_web::{HttpResponse, web};
use domain::ports::Probe;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::app::App;
use crate::http::problem::{Problem, Written};

/// How long a dependency may take to answer before it counts as lost.
const PATIENCE: Duration = Duration::from_secs(2);

/// How a dependency is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(example = "up")]
pub(crate) enum DependencyState {
    /// It answers; of a cluster, every node does.
    Up,
    /// It does not; of a cluster, at least one node does not.
    Down,
    /// It is not configured.
    Off,
}

/// Whether this process can serve, and the state of each dependency.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({"status": "ok", "dependencies": {"database": "up", "redis": "up"}}))]
pub(crate) struct ReadyResponse {
    /// `ok`; `degraded` without Redis or a node of its cluster, when answers are right but slower;
    /// `unavailable` without the database; `stopping` after it was told to end.
    status: &'static str,
    /// Each dependency.
    dependencies: Dependencies,
}

/// The state of each dependency.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({"database": "up", "redis": "up"}))]
pub(crate) struct Dependencies {
    /// PostgreSQL.
    database: DependencyState,
    /// Redis.
    redis: DependencyState,
}

/// Can this process serve buyers?
#[utoipa::path(
    get, path = "/ready", tag = "operations", operation_id = "ready",
    responses(
        (status = 200, description = "It can, or degraded: without Redis, or a node of its cluster, answers are slower", body = ReadyResponse),
        (status = 503, description = "Without the database, or after it was told to end, it cannot", body = ReadyResponse,
         example = json!({"status": "unavailable", "dependencies": {"database": "down", "redis": "up"}})),
    ),
)]
pub(crate) async fn ready(app: web::Data<App>) -> Result<HttpResponse, Problem> {
    let (database, redis) = app
        .probe(|services| async move {
            let redis = async {
                match &services.gate.probe {
                    Some(probe) => state_of(&**probe, PATIENCE).await,
                    None => DependencyState::Off,
                }
            };
            futures::join!(state_of(&*services.stores.probe, PATIENCE), redis)
        })
        .await?;
    let dependencies = Dependencies { database, redis };
    Ok(match (database, redis) {
        _ if app.is_leaving() => unfit("stopping", dependencies),
        (DependencyState::Up, DependencyState::Down) => HttpResponse::Ok().json(ReadyResponse {
            status: "degraded",
            dependencies,
        }),
        (DependencyState::Up, _) => HttpResponse::Ok().json(ReadyResponse {
            status: "ok",
            dependencies,
        }),
        _ => unfit("unavailable", dependencies),
    })
}

fn unfit(status: &'static str, dependencies: Dependencies) -> HttpResponse {
    let response = ReadyResponse {
        status,
        dependencies,
    };
    // Not a problem, but the same shape as when it is ready.
    let mut response = HttpResponse::ServiceUnavailable()
        .insert_header(("Retry-After", "1"))
        .json(response);
    response.extensions_mut().insert(Written);
    response
}

/// Whether a dependency answers within that time.
pub(crate) async fn state_of(probe: &dyn Probe, patience: Duration) -> DependencyState {
    match tokio::time::timeout(patience, probe.check()).await {
        Ok(Ok(())) => DependencyState::Up,
        Ok(Err(_)) | Err(_) => DependencyState::Down,
    }
}
