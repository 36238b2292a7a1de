//! `bench bare`: what HTTP itself costs. An actix server whose only handler
//! answers a booking with a constant, so that the real server can be compared
//! with one that does nothing.

use actix_web::http::header::ContentType;
use actix_web::{App, HttpResponse, HttpServer, web};

/// As long as the answer to a booking in the middle of a benchmark.
const BODY: &str =
    r#"{"booking_id":1234567,"status":"CONFIRMED","user_id":1234,"event_id":1234,"seats":1}"#;

/// Serves on a free port until it is killed.
///
/// # Errors
/// There is no free port.
pub(crate) fn run() -> Result<(), String> {
    actix_web::rt::System::new()
        .block_on(serve())
        .map_err(|error| format!("the bare server: {error}"))
}

async fn serve() -> std::io::Result<()> {
    let server = HttpServer::new(|| App::new().route("/bookings", web::post().to(book)))
        .bind(("127.0.0.1", 0))?;
    for address in server.addrs() {
        println!("listening on http://{address}");
    }
    server.run().await
}

async fn book(_body: web::Bytes) -> HttpResponse {
    HttpResponse::Created()
        .content_type(ContentType::json())
        .body(BODY)
}
