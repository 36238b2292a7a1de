//! `GET /events`: what is on.

use actix_web::{HttpRequest, HttpResponse, web};
use domain::model::PageLimit;

use crate::app::App;
use crate::http::cursor::EventsCursor;
use crate::http::extract::Query;
use crate::http::paging;
use crate::http::problem::Problem;

use super::view_event::EventResponse;

/// What is on?
///
/// Events by their beginning, then by id.
#[utoipa::path(
    get, path = "/events", tag = "events", operation_id = "list_events",
    params(
        ("limit" = Option<u8>, Query, description = "Entries of a page, 1 to 100; 50 when absent", minimum = 1, maximum = 100, example = 50),
        ("cursor" = Option<String>, Query, description = "Where the page begins, from the `Link` of the page before"),
        ("upcoming_only" = Option<bool>, Query, description = "Leave out events that have started; true when absent", example = true),
    ),
    responses(
        (status = 200, description = "Events", body = [EventResponse],
         headers(("Link" = Option<String>, description = "`<…>; rel=\"next\"` when there are more"))),
    ),
)]
pub(crate) async fn list_events(
    app: web::Data<App>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let mut query = Query::parse(&request)?;
    let upcoming_only = query.boolean("upcoming_only", true);
    let page = query.page::<EventsCursor>(PageLimit::DEFAULT)?;
    let listing = app
        .read(|services| async move {
            services
                .stores
                .catalogue
                .list(upcoming_only, paging::to_store(page))
                .await
        })
        .await??;
    let body: Vec<_> = listing.entries.iter().map(EventResponse::from).collect();
    let rest = format!("upcoming_only={upcoming_only}");
    Ok(paging::respond::<_, EventsCursor, _>(
        "/events",
        Some(&rest),
        page.limit,
        &listing,
        body,
    ))
}
