//! `GET /users/me/bookings`: what the caller has booked.

use actix_web::{HttpRequest, HttpResponse, web};
use domain::model::PageLimit;

use crate::app::App;
use crate::http::access::Caller;
use crate::http::cursor::HistoryCursor;
use crate::http::extract::Query;
use crate::http::paging;
use crate::http::problem::Problem;
use crate::http::public::booking_history::HistoryEntry;

/// What have I booked?
///
/// Newest first.
#[utoipa::path(
    get, path = "/users/me/bookings", tag = "accounts", operation_id = "my_bookings",
    params(
        ("limit" = Option<u8>, Query, description = "Entries of a page, 1 to 100; 50 when absent", minimum = 1, maximum = 100, example = 50),
        ("cursor" = Option<String>, Query, description = "Where the page begins, from the `Link` of the page before"),
    ),
    responses((status = 200, description = "Bookings", body = [HistoryEntry],
        headers(("Link" = Option<String>, description = "`<…>; rel=\"next\"` when there are more")))),
)]
pub(crate) async fn my_bookings(
    app: web::Data<App>,
    caller: Caller,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let (user_id, _) = caller.myself()?;
    let page = Query::parse(&request)?.page::<HistoryCursor>(PageLimit::DEFAULT)?;
    let listing = app
        .read(|services| async move {
            let records = &services.stores.records;
            records.of_user(user_id, paging::to_store(page)).await
        })
        .await??;
    let body: Vec<_> = listing.entries.iter().map(HistoryEntry::from).collect();
    Ok(paging::respond::<_, HistoryCursor, _>(
        "/users/me/bookings",
        None,
        page.limit,
        &listing,
        body,
    ))
}
