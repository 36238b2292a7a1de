//! `GET /users/{user_id}/bookings`: what somebody has booked.

use actix_web::{HttpRequest, HttpResponse, web};
use chrono::{DateTime, Utc};
use domain::model::{Booking, PageLimit, Scope, UserId};
use domain::ports::HistoryError;
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::http::access::Caller;
use crate::http::cursor::HistoryCursor;
use crate::http::extract::{Query, path_id};
use crate::http::paging;
use crate::http::problem::{Problem, ProblemBody};

/// A booking in its owner's history.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({
    "id": 1, "event_id": 1, "seats": 1, "status": "CONFIRMED", "created_at": "2026-11-22T10:00:00Z"
}))]
pub(crate) struct HistoryEntry {
    /// The booking's id.
    id: i64,
    /// What it is for.
    event_id: i64,
    /// How many seats.
    seats: u32,
    /// `CONFIRMED` or `CANCELLED`.
    status: &'static str,
    /// When it was made.
    created_at: DateTime<Utc>,
}

impl From<&Booking> for HistoryEntry {
    fn from(booking: &Booking) -> Self {
        Self {
            id: booking.id.get(),
            event_id: booking.event_id.get(),
            seats: booking.seats.get(),
            status: booking.status.as_str(),
            created_at: booking.created_at,
        }
    }
}

/// What has this user booked?
///
/// Newest first.
#[utoipa::path(
    get, path = "/users/{user_id}/bookings", tag = "bookings", operation_id = "booking_history",
    params(
        ("user_id" = i64, Path, description = "Whose bookings", minimum = 1, example = 1),
        ("limit" = Option<u8>, Query, description = "Entries of a page, 1 to 100; 50 when absent", minimum = 1, maximum = 100, example = 50),
        ("cursor" = Option<String>, Query, description = "Where the page begins, from the `Link` of the page before"),
    ),
    responses(
        (status = 200, description = "Bookings", body = [HistoryEntry],
         headers(("Link" = Option<String>, description = "`<…>; rel=\"next\"` when there are more"))),
        (status = 404, description = "No such user (`user_not_found`)",
         body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn booking_history(
    app: web::Data<App>,
    caller: Caller,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let user_id: UserId = path_id(&request, "user_id")?;
    if !caller.may_act_for(user_id, Scope::BookingsRead) {
        return Err(HistoryError::UserNotFound(user_id).into());
    }
    let page = Query::parse(&request)?.page::<HistoryCursor>(PageLimit::DEFAULT)?;
    let listing = app
        .read(|services| async move {
            services
                .stores
                .records
                .of_user(user_id, paging::to_store(page))
                .await
        })
        .await??;
    let body: Vec<_> = listing.entries.iter().map(HistoryEntry::from).collect();
    let path = format!("/users/{user_id}/bookings");
    Ok(paging::respond::<_, HistoryCursor, _>(
        &path, None, page.limit, &listing, body,
    ))
}
