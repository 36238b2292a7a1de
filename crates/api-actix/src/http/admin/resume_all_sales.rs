//! `POST /admin/sales/resume`.

use actix_web::{HttpResponse, web};

use super::pause_fields::AllPauseResponse;
use crate::app::App;
use crate::http::problem::Problem;

/// Resume all sales.
///
/// Events that are paused by themselves stay so. Doing it again changes nothing.
#[utoipa::path(
    post, path = "/admin/sales/resume", tag = "admin", operation_id = "resume_all_sales",
    responses((status = 200, description = "All sales are not paused any more", body = AllPauseResponse,
               example = json!({"sales_paused_at": null}))),
)]
pub(crate) async fn resume_all_sales(app: web::Data<App>) -> Result<HttpResponse, Problem> {
    app.run(|services| async move { services.stores.control.resume_all().await })
        .await??;
    Ok(HttpResponse::Ok().json(AllPauseResponse {
        sales_paused_at: None,
    }))
}
