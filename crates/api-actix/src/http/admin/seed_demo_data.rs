//! `POST /admin/seed_demo_data`: data to try the service with.

use actix_web::{HttpResponse, web};
use domain::usecases;
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::http::problem::Problem;

/// What is there now.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({
    "users_present_or_created": ["alice@example.com", "bob@example.com", "carol@example.com"],
    "events_present_or_created": ["Indie Concert", "Tech Talk", "Art Expo"]
}))]
pub(crate) struct SeedResponse {
    /// Addresses of the demo users.
    users_present_or_created: Vec<String>,
    /// Names of the demo events.
    events_present_or_created: Vec<String>,
}

/// Make sure that the demo data exist.
///
/// Doing it again changes nothing, but for demo events that have started:
/// they are moved ahead.
#[utoipa::path(
    post, path = "/admin/seed_demo_data", tag = "admin", operation_id = "seed_demo_data",
    responses((status = 201, description = "Present or created", body = SeedResponse)),
)]
pub(crate) async fn seed_demo_data(app: web::Data<App>) -> Result<HttpResponse, Problem> {
    let demo = app
        .run(|services| async move {
            usecases::seed_demo(&*services.stores.demo, &*services.gate.port).await
        })
        .await??;
    Ok(HttpResponse::Created().json(SeedResponse {
        users_present_or_created: demo.emails,
        events_present_or_created: demo.event_names,
    }))
}
