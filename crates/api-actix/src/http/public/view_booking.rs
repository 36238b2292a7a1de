//! `GET /bookings/{booking_id}`: one booking.

use actix_web::{HttpRequest, HttpResponse, web};
use chrono::{DateTime, Utc};
use domain::model::{Booking, Scope};
use domain::ports::FindBookingError;
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::http::access::Caller;
use crate::http::extract::path_id;
use crate::http::problem::{Problem, ProblemBody};

/// A booking.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({
    "booking_id": 1, "user_id": 1, "event_id": 1, "seats": 1,
    "status": "CONFIRMED", "created_at": "2026-11-22T10:00:00Z"
}))]
pub(crate) struct BookingResponse {
    /// Its id.
    booking_id: i64,
    /// Whose it is.
    user_id: i64,
    /// What it is for.
    event_id: i64,
    /// How many seats.
    seats: u32,
    /// `CONFIRMED` or `CANCELLED`.
    status: &'static str,
    /// When it was made.
    created_at: DateTime<Utc>,
}

impl From<Booking> for BookingResponse {
    fn from(booking: Booking) -> Self {
        Self {
            booking_id: booking.id.get(),
            user_id: booking.user_id.get(),
            event_id: booking.event_id.get(),
            seats: booking.seats.get(),
            status: booking.status.as_str(),
            created_at: booking.created_at,
        }
    }
}

/// One booking.
#[utoipa::path(
    get, path = "/bookings/{booking_id}", tag = "bookings", operation_id = "view_booking",
    params(("booking_id" = i64, Path, description = "Which booking", minimum = 1, example = 1)),
    responses(
        (status = 200, description = "The booking", body = BookingResponse),
        (status = 404, description = "No such booking (`booking_not_found`)",
         body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn view_booking(
    app: web::Data<App>,
    caller: Caller,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let booking_id = path_id(&request, "booking_id")?;
    let booking = app
        .read(|services| async move { services.stores.records.find(booking_id).await })
        .await??;
    if !caller.may_act_for(booking.user_id, Scope::BookingsRead) {
        return Err(FindBookingError::BookingNotFound(booking_id).into());
    }
    Ok(HttpResponse::Ok().json(BookingResponse::from(booking)))
}
