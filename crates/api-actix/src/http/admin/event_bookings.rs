//! `GET /admin/events/{event_id}/bookings`: who comes.

use actix_web::{HttpRequest, HttpResponse, web};
use chrono::{DateTime, Utc};
use domain::model::{AttendedBooking, EventId, PageLimit};
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::http::cursor::EventBookingsCursor;
use crate::http::extract::{Query, path_id};
use crate::http::paging;
use crate::http::problem::{Problem, ProblemBody};

/// A booking beside the person who made it.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({
    "booking_id": 1, "user_id": 1, "user_email": "alice@example.com", "user_name": "Alice",
    "seats": 1, "status": "CONFIRMED", "created_at": "2026-11-22T10:00:00Z"
}))]
pub(crate) struct EventBooking {
    /// The booking's id.
    booking_id: i64,
    /// Whose it is.
    user_id: i64,
    /// The buyer's address.
    user_email: String,
    /// The buyer's name.
    user_name: Option<String>,
    /// How many seats.
    seats: u32,
    /// `CONFIRMED` or `CANCELLED`.
    status: &'static str,
    /// When it was made.
    created_at: DateTime<Utc>,
}

impl From<&AttendedBooking> for EventBooking {
    fn from(attended: &AttendedBooking) -> Self {
        let booking = &attended.booking;
        Self {
            booking_id: booking.id.get(),
            user_id: booking.user_id.get(),
            user_email: attended.user_email.as_str().to_owned(),
            user_name: attended
                .user_name
                .as_ref()
                .map(|name| name.as_str().to_owned()),
            seats: booking.seats.get(),
            status: booking.status.as_str(),
            created_at: booking.created_at,
        }
    }
}

/// Who comes?
///
/// The bookings of an event, newest first; also those of a deleted one.
#[utoipa::path(
    get, path = "/admin/events/{event_id}/bookings", tag = "admin", operation_id = "event_bookings",
    params(
        ("event_id" = i64, Path, description = "Which event", minimum = 1, example = 1),
        ("limit" = Option<u8>, Query, description = "Entries of a page, 1 to 100; 100 when absent", minimum = 1, maximum = 100, example = 100),
        ("cursor" = Option<String>, Query, description = "Where the page begins, from the `Link` of the page before"),
    ),
    responses(
        (status = 200, description = "Bookings", body = [EventBooking],
         headers(("Link" = Option<String>, description = "`<…>; rel=\"next\"` when there are more"))),
        (status = 404, description = "No such event (`event_not_found`)",
         body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn event_bookings(
    app: web::Data<App>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let event_id: EventId = path_id(&request, "event_id")?;
    let page = Query::parse(&request)?.page::<EventBookingsCursor>(PageLimit::MAX)?;
    let listing = app
        .read(|services| async move {
            services
                .stores
                .records
                .of_event(event_id, paging::to_store(page))
                .await
        })
        .await??;
    let body: Vec<_> = listing.entries.iter().map(EventBooking::from).collect();
    let path = format!("/admin/events/{event_id}/bookings");
    Ok(paging::respond::<_, EventBookingsCursor, _>(
        &path, None, page.limit, &listing, body,
    ))
}
