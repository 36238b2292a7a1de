//! `POST /admin/sales/pause`.

use actix_web::{HttpResponse, web};

use super::pause_fields::AllPauseResponse;
use crate::app::App;
use crate::http::problem::Problem;

/// Pause all sales.
///
/// From the answer on no server makes a booking of any event, also of those published
/// later (409 `sales_paused`), until all are resumed. Cancelling, reading and repeating
/// a booking under its key go on. Doing it again changes nothing. After a 503 it may hold
/// all the same, while bookings that had begun before are still being made.
#[utoipa::path(
    post, path = "/admin/sales/pause", tag = "admin", operation_id = "pause_all_sales",
    responses((status = 200, description = "Since when all sales are paused", body = AllPauseResponse)),
)]
pub(crate) async fn pause_all_sales(app: web::Data<App>) -> Result<HttpResponse, Problem> {
    let paused_at = app
        .run(|services| async move { services.stores.control.pause_all().await })
        .await??;
    Ok(HttpResponse::Ok().json(AllPauseResponse {
        sales_paused_at: Some(paused_at),
    }))
}
