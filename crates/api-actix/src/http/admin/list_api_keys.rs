//! `GET /admin/api-keys`: the keys of services.

use actix_web::{HttpRequest, HttpResponse, web};
use domain::model::PageLimit;

use super::api_key_fields::ApiKeyResponse;
use crate::app::App;
use crate::http::cursor::ApiKeysCursor;
use crate::http::extract::Query;
use crate::http::paging;
use crate::http::problem::Problem;

/// Which keys are there?
///
/// Newest first, revoked ones too.
#[utoipa::path(
    get, path = "/admin/api-keys", tag = "admin", operation_id = "list_api_keys",
    params(
        ("limit" = Option<u8>, Query, description = "Entries of a page, 1 to 100; 100 when absent", minimum = 1, maximum = 100, example = 100),
        ("cursor" = Option<String>, Query, description = "Where the page begins, from the `Link` of the page before"),
    ),
    responses((status = 200, description = "Keys", body = [ApiKeyResponse],
        headers(("Link" = Option<String>, description = "`<…>; rel=\"next\"` when there are more")))),
)]
pub(crate) async fn list_api_keys(
    app: web::Data<App>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let page = Query::parse(&request)?.page::<ApiKeysCursor>(PageLimit::MAX)?;
    let listing = app
        .read(|services| async move { services.stores.api_keys.list(paging::to_store(page)).await })
        .await??;
    let body: Vec<_> = listing.entries.iter().map(ApiKeyResponse::from).collect();
    Ok(paging::respond::<_, ApiKeysCursor, _>(
        "/admin/api-keys",
        None,
        page.limit,
        &listing,
        body,
    ))
}
