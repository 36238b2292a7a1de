//! `utsavam serve`: the HTTP server, from migration to the last answer.

use std::io::Write;

use crate::failure::Failure;
use crate::server::Server;
use crate::settings::{AuthMode, DEFAULT_ADMIN_KEY, GOOD_KEY_CHARACTERS, Settings};
use crate::stopping::StoppedBy;
use crate::traces::Traces;

pub(crate) async fn serve(settings: Settings, traces: Option<Traces>) -> Result<(), Failure> {
    let default_key = settings.admin.keys().any(|key| key == DEFAULT_ADMIN_KEY);
    let weak_key = settings.admin.has_weak_key() && !settings.is_reached_by_this_machine_alone();
    let is_open = settings.auth_mode() == AuthMode::Open;
    let beyond = settings.auth.open_beyond_loopback;
    let server = Server::start_stopped_by(settings, StoppedBy::Signals, traces).await?;
    announce(&server);
    if is_open && beyond {
        tracing::warn!(
            "auth.mode is open: whoever reaches this server may book, cancel and read for anybody"
        );
    } else if is_open {
        println!("auth.mode is open: everybody on this machine may book and read for anybody");
    }
    if default_key {
        tracing::warn!(
            "the admin key is the default one, {DEFAULT_ADMIN_KEY}: \
             set ADMIN_KEY before anybody else can reach this server"
        );
    }
    if weak_key {
        tracing::warn!(
            "an admin key has fewer than {GOOD_KEY_CHARACTERS} characters, and others may reach \
             this server: set ADMIN_KEY to what `openssl rand -hex 32` makes"
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
    if let Some(address) = server.metrics_address() {
        let _ = writeln!(out, "metrics on http://{address}/metrics");
    }
    let _ = out.flush();
}
