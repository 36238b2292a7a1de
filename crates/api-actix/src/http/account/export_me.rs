//! `GET /users/me/export`: everything that is kept about the caller.

use actix_web::http::header::{CACHE_CONTROL, CONTENT_DISPOSITION};
use actix_web::{HttpResponse, web};
use domain::model::{Booking, Page, PageLimit, UserId};
use serde::Serialize;
use utoipa::ToSchema;

use super::view_me::AccountResponse;
use crate::app::App;
use crate::http::access::Caller;
use crate::http::problem::Problem;
use crate::http::public::booking_history::HistoryEntry;

/// The most bookings of one export; more than anybody makes by hand.
const BOOKINGS_MAX: usize = 10_000;

/// Everything that is kept about a user.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({
    "account": {
        "id": 4, "email": "dana@example.com", "name": "Dana", "created_at": "2026-11-22T10:00:00Z",
        "has_password": true, "suspended_at": null
    },
    "bookings": [{
        "id": 1, "event_id": 1, "seats": 1, "status": "CONFIRMED", "created_at": "2026-11-22T10:00:00Z"
    }],
    "has_more_bookings": false
}))]
pub(crate) struct ExportResponse {
    /// The account.
    account: AccountResponse,
    /// The bookings, newest first.
    bookings: Vec<HistoryEntry>,
    /// Whether older bookings are left out, of which `GET /users/me/bookings`
    /// tells.
    has_more_bookings: bool,
}

/// All that is kept about me.
///
/// The account and the newest 10,000 bookings, as one document to be kept.
#[utoipa::path(
    get, path = "/users/me/export", tag = "accounts", operation_id = "export_me",
    responses((status = 200, description = "Everything", body = ExportResponse)),
)]
pub(crate) async fn export_me(
    app: web::Data<App>,
    caller: Caller,
) -> Result<HttpResponse, Problem> {
    let (user_id, _) = caller.myself()?;
    let account = app
        .read(|services| async move { services.stores.accounts.find(user_id).await })
        .await??;
    let (bookings, has_more_bookings) = bookings_of(&app, user_id).await?;
    let body = ExportResponse {
        account: account.into(),
        bookings: bookings.iter().map(HistoryEntry::from).collect(),
        has_more_bookings,
    };
    Ok(HttpResponse::Ok()
        .insert_header((CACHE_CONTROL, "no-store"))
        .insert_header((
            CONTENT_DISPOSITION,
            r#"attachment; filename="utsavam.json""#,
        ))
        .json(body))
}

/// The newest bookings, and whether there are more.
async fn bookings_of(app: &App, user_id: UserId) -> Result<(Vec<Booking>, bool), Problem> {
    let mut bookings = Vec::new();
    let mut page = Page::first(PageLimit::MAX);
    loop {
        let listing = app
            .read(|services| async move { services.stores.records.of_user(user_id, page).await })
            .await??;
        bookings.extend(listing.entries);
        if listing.next.is_none() || bookings.len() >= BOOKINGS_MAX {
            return Ok((bookings, listing.next.is_some()));
        }
        page.after = listing.next;
    }
}
