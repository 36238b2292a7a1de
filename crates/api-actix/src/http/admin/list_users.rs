//! `GET /admin/users`: who is registered.

use actix_web::{HttpRequest, HttpResponse, web};
use domain::model::{AccountFilter, Email, PageLimit};

use crate::app::App;
use crate::http::account::view_me::AccountResponse;
use crate::http::cursor::UsersCursor;
use crate::http::extract::Query;
use crate::http::paging;
use crate::http::problem::Problem;

/// Who is registered?
///
/// Newest first.
#[utoipa::path(
    get, path = "/admin/users", tag = "admin", operation_id = "list_users",
    params(
        ("email" = Option<String>, Query, description = "Only the one with this address", example = "dana@example.com"),
        ("suspended" = Option<bool>, Query, description = "Only those who are suspended, or only the others"),
        ("limit" = Option<u8>, Query, description = "Entries of a page, 1 to 100; 100 when absent", minimum = 1, maximum = 100, example = 100),
        ("cursor" = Option<String>, Query, description = "Where the page begins, from the `Link` of the page before"),
    ),
    responses((status = 200, description = "Users", body = [AccountResponse],
        headers(("Link" = Option<String>, description = "`<…>; rel=\"next\"` when there are more")))),
)]
pub(crate) async fn list_users(
    app: web::Data<App>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let mut query = Query::parse(&request)?;
    let filter = AccountFilter {
        email: query.parsed("email", |email| Email::parse(email).map(String::from)),
        suspended: query.parsed_boolean("suspended"),
    };
    let filters = query.taken();
    let page = query.page::<UsersCursor>(PageLimit::MAX)?;
    let listing = app
        .read(|services| async move {
            let accounts = &services.stores.accounts;
            accounts.search(filter, paging::to_store(page)).await
        })
        .await??;
    let body: Vec<_> = listing
        .entries
        .iter()
        .cloned()
        .map(AccountResponse::from)
        .collect();
    Ok(paging::respond::<_, UsersCursor, _>(
        "/admin/users",
        filters.as_deref(),
        page.limit,
        &listing,
        body,
    ))
}
