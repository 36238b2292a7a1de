//! `utsavam serve`: the HTTP server, from migration to the last answer.

use std::io::Write;

use crate::failure::Failure;
use crate::http::server::StoppedBy;
use crate::server::Server;
use crate::settings::{DEFAULT_ADMIN_KEY, Settings};

pub(crate) async fn serve(settings: Settings) -> Result<(), Failure> {
    let default_key = settings.admin.key == DEFAULT_ADMIN_KEY;
    let server = Server::start_stopped_by(settings, StoppedBy::Signals).await?;
    announce(&server);
    if default_key {
        tracing::warn!(
            "the admin key is the default one, {DEFAULT_ADMIN_KEY}: \
             set ADMIN_KEY before anybody else can reach this server"
        );
    }
    server.ended().await
}

/// Tells on standard output where the server listens, for people and, in the
/// lines that begin with "listening on", for scripts.
fn announce(server: &Server) {
    let (url, place) = (server.url(), server.place());
    let mut out = std::io::stdout().lock();
    // Whoever started the server may have closed its standard output.
    let _ = writeln!(
        out,
        "Utsavam: API {url}, Swagger UI {url}/docs, data in {place}"
    );
    for address in server.addresses() {
        let _ = writeln!(out, "listening on http://{address}");
    }
    let _ = out.flush();
}
