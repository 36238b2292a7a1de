//! `GET /admin/users`: who is registered.

use actix_web::{HttpRequest, HttpResponse, web};
use domain::model::PageLimit;

use crate::app::App;
use crate::http::cursor::UsersCursor;
use crate::http::extract::Query;
use crate::http::paging;
use crate::http::problem::Problem;
use crate::http::public::register_user::UserResponse;

/// Who is registered?
///
/// Newest first.
#[utoipa::path(
    get, path = "/admin/users", tag = "admin", operation_id = "list_users",
    params(
        ("limit" = Option<u8>, Query, description = "Entries of a page, 1 to 100; 100 when absent", minimum = 1, maximum = 100, example = 100),
        ("cursor" = Option<String>, Query, description = "Where the page begins, from the `Link` of the page before"),
    ),
    responses((status = 200, description = "Users", body = [UserResponse],
        headers(("Link" = Option<String>, description = "`<…>; rel=\"next\"` when there are more")))),
)]
pub(crate) async fn list_users(
    app: web::Data<App>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let page = Query::parse(&request)?.page::<UsersCursor>(PageLimit::MAX)?;
    let listing = app
        .read(|services| async move { services.stores.users.list(paging::to_store(page)).await })
        .await??;
    let body: Vec<_> = listing
        .entries
        .iter()
        .cloned()
        .map(UserResponse::from)
        .collect();
    Ok(paging::respond::<_, UsersCursor, _>(
        "/admin/users",
        None,
        page.limit,
        &listing,
        body,
    ))
}
