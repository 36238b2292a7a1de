//! `utsavam serve`: the HTTP server, from migration to the last answer.

use std::io::Write;

use crate::app::App;
use crate::background::Background;
use crate::http::server;
use crate::settings::{DEFAULT_ADMIN_KEY, Settings};
use crate::wiring::Plan;

use super::{Failure, migrate};

pub(crate) async fn serve(settings: Settings) -> Result<(), Failure> {
    let plan = Plan::try_new(&settings)?;
    let database = plan.connect().await?;
    if settings.database.migrate_on_start {
        migrate::run(&plan.database).await?;
    }
    migrate::require_current(&database).await?;
    let app = App::new(plan.services(database), &settings);
    let (server, addresses) = server::start(app.clone(), &settings.http).map_err(|error| {
        let (host, port) = (&settings.http.host, settings.http.port);
        Failure::new(format!(
            "cannot listen on {host}:{port} (settings http.host and http.port): {error}"
        ))
    })?;
    if settings.admin.key == DEFAULT_ADMIN_KEY {
        tracing::warn!(
            "the admin key is the default one: set ADMIN_KEY before anybody else can reach this server"
        );
    }
    let background = Background::start(&app, &settings);
    announce(&addresses);
    let outcome = server.await;
    background.stop().await;
    outcome.map_err(|error| Failure::new(format!("the server failed: {error}")))
}

/// Tells on standard output where the server listens, for people and scripts.
fn announce(addresses: &[std::net::SocketAddr]) {
    let mut out = std::io::stdout().lock();
    for address in addresses {
        // Whoever started the server may have closed its standard output.
        let _ = writeln!(out, "listening on http://{address}");
    }
    let _ = out.flush();
}
