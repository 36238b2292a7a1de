//! The page on which the interface can be tried: Swagger UI, vendored.

use std::sync::Arc;

use actix_web::http::header::{CONTENT_TYPE, ContentEncoding};
use actix_web::{HttpRequest, HttpResponse};
use utoipa_swagger_ui::Config;

use super::openapi;
use super::problem::Problem;

/// The page itself, at `/docs`.
pub(crate) async fn page() -> Result<HttpResponse, Problem> {
    file("index.html")
}

/// What the page loads, below `/docs/`.
pub(crate) async fn asset(request: HttpRequest) -> Result<HttpResponse, Problem> {
    match request.match_info().get("file") {
        None | Some("") => file("index.html"),
        Some(name) => file(name),
    }
}

/// The description of the interface, at `/openapi.json`.
pub(crate) async fn description() -> HttpResponse {
    HttpResponse::Ok().json(openapi::document())
}

fn file(name: &str) -> Result<HttpResponse, Problem> {
    let config = Config::new(["/openapi.json"])
        .try_it_out_enabled(true)
        .persist_authorization(true);
    let found = utoipa_swagger_ui::serve(name, Arc::new(config))
        .map_err(|error| Problem::internal(error.to_string().into()))?;
    let file = found.ok_or_else(|| Problem::of_status(actix_web::http::StatusCode::NOT_FOUND))?;
    let bytes = match name {
        // The page is served at /docs and at /docs/: its links must mean the
        // same from both.
        "index.html" => String::from_utf8_lossy(&file.bytes)
            .replacen("<head>", "<head><base href=\"/docs/\">", 1)
            .into_bytes(),
        _ => file.bytes.into_owned(),
    };
    let mut response = HttpResponse::Ok();
    if file.gzpipped {
        response.insert_header(ContentEncoding::Gzip);
    }
    Ok(response
        .insert_header((CONTENT_TYPE, file.content_type))
        .body(bytes))
}
