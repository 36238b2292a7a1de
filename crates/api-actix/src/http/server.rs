//! The HTTP server: its middleware, from the outside in, and its limits.

use std::net::SocketAddr;

use actix_web::dev::Server;
use actix_web::middleware::{Compress, Condition, from_fn};
use actix_web::{App as ActixApp, HttpServer, web};

use crate::app::App;
use crate::settings::HttpSettings;
use crate::traces::RequestTraces;

use super::connections::Connections;
use super::middleware::request_context::Outermost;
use super::middleware::{conditional, cors, open_mode, request_context};
use super::{limits, routes};

/// Binds the address and starts the workers. The returned future runs until
/// the server was told to stop and has answered what was under way.
///
/// # Errors
/// The address cannot be bound.
pub(crate) fn start(
    app: App,
    settings: &HttpSettings,
    traces: Option<RequestTraces>,
) -> std::io::Result<(Server, Vec<SocketAddr>)> {
    let refuses_strangers = app.is_open() && !app.auth.open_beyond_loopback;
    let requests = app.services().metrics.requests.clone();
    let data = web::Data::new(app);
    let connections = Connections::new(settings.connections_max);
    let outermost = Outermost::new(settings, connections.clone(), traces);
    let origins = settings.cors_origins.clone();
    let workers = match settings.workers {
        Some(workers) => workers,
        None => std::thread::available_parallelism()?,
    };
    let server = HttpServer::new(move || {
        let outermost = outermost.clone();
        let no_route = requests.of_no_route();
        ActixApp::new()
            .app_data(data.clone())
            .configure(|service| routes::configure(service, &requests))
            // The last one is the outermost.
            .wrap(Compress::default())
            .wrap(from_fn(conditional::answer))
            .wrap(Condition::new(
                refuses_strangers,
                from_fn(open_mode::refuse_strangers),
            ))
            .wrap(from_fn(limits::limit))
            .wrap(Condition::new(
                !origins.is_empty(),
                cors::for_origins(&origins),
            ))
            .wrap(from_fn(move |request, next| {
                request_context::wrap(outermost.clone(), no_route.clone(), request, next)
            }))
    })
    .workers(workers.get())
    .on_connect(move |_, data| {
        data.insert(connections.opened());
    })
    // For each worker. More connections wait in the system's queue.
    .max_connections(settings.connections_max.get().div_ceil(workers.get()))
    .client_request_timeout(settings.head_timeout)
    .keep_alive(settings.keep_alive)
    .shutdown_timeout(settings.shutdown_timeout.as_secs())
    // They are `stopping`'s.
    .disable_signals();
    let server = server.bind((settings.host.as_str(), settings.port))?;
    let addresses = server.addrs();
    Ok((server.run(), addresses))
}
