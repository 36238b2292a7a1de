//! Lists as responses: an array, and a link to the next page when there is one.

use actix_web::HttpResponse;
use actix_web::http::header::LINK;
use domain::model::{Listing, Page, PageLimit, Pointed};
use serde::Serialize;

use super::cursor::Cursor;

/// The page that the store is asked for.
pub(crate) fn to_store<C, P>(page: Page<C>) -> Page<P>
where
    P: From<C>,
{
    Page {
        limit: page.limit,
        after: page.after.map(P::from),
    }
}

/// Answers with the entries of a page. `path` and `query` are those of the
/// list; `query` holds its other parameters, as in `upcoming_only=false`.
pub(crate) fn respond<T, C, B>(
    path: &str,
    query: Option<&str>,
    limit: PageLimit,
    listing: &Listing<T>,
    body: B,
) -> HttpResponse
where
    T: Pointed,
    C: Cursor + From<T::Cursor>,
    B: Serialize,
{
    let mut response = HttpResponse::Ok();
    if let Some(next) = listing.next {
        let query = query.map(|query| format!("&{query}")).unwrap_or_default();
        let cursor = C::from(next).encode();
        let link = format!(
            "<{path}?limit={}&cursor={cursor}{query}>; rel=\"next\"",
            limit.get()
        );
        response.insert_header((LINK, link));
    }
    response.json(body)
}
