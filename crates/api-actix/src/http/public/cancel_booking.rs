//! `DELETE /bookings/{booking_id}`: cancels a booking.

use actix_web::{HttpRequest, HttpResponse, web};
use domain::model::{BookingStatus, Scope};
use domain::ports::CancelError;
use domain::usecases;
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::http::access::Caller;
use crate::http::extract::path_id;
use crate::http::problem::{Problem, ProblemBody};

/// A cancelled booking.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({"booking_id": 1, "status": "CANCELLED"}))]
pub(crate) struct CancelResponse {
    /// Its id.
    booking_id: i64,
    /// `CANCELLED`.
    status: &'static str,
}

/// Cancel a booking.
///
/// Its seats are free again at once. Cancelling again changes nothing and is
/// answered alike.
#[utoipa::path(
    delete, path = "/bookings/{booking_id}", tag = "bookings", operation_id = "cancel_booking",
    params(("booking_id" = i64, Path, description = "Which booking", minimum = 1, example = 1)),
    responses(
        (status = 200, description = "Cancelled, now or before", body = CancelResponse),
        (status = 404, description = "No such booking (`booking_not_found`)",
         body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn cancel_booking(
    app: web::Data<App>,
    caller: Caller,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let booking_id = path_id(&request, "booking_id")?;
    if caller.is_a_user() {
        // A booking keeps its owner, so this is still true when it is cancelled.
        let booking = app
            .read(|services| async move { services.stores.records.find(booking_id).await })
            .await??;
        if !caller.may_act_for(booking.user_id, Scope::BookingsWrite) {
            return Err(CancelError::BookingNotFound(booking_id).into());
        }
    }
    let cancelled = app
        .run(|services| async move {
            let (store, gate) = (&*services.stores.bookings, &*services.gate.port);
            let cancelled = usecases::cancel(store, gate, booking_id).await;
            services.metrics.sales.cancelled(&cancelled);
            cancelled
        })
        .await??;
    Ok(HttpResponse::Ok().json(CancelResponse {
        booking_id: cancelled.booking_id.get(),
        status: BookingStatus::Cancelled.as_str(),
    }))
}
