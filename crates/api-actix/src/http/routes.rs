//! All paths, and which handler answers which method.

use actix_web::middleware::from_fn;
use actix_web::{Handler, Resource, Responder, Route, guard, web};

use super::middleware::require_admin;
use super::problem::Problem;
use super::status::method_not_allowed;
use super::{admin, docs, public};

/// Registers everything. Paths are tried in this order, so those of an on-sale
/// come first.
pub(crate) fn configure(service: &mut web::ServiceConfig) {
    service
        .service(resource("/bookings", vec![post(public::book::book)]))
        .service(resource(
            "/events/{event_id}",
            vec![get(public::view_event::view_event)],
        ))
        .service(resource(
            "/bookings/{booking_id}",
            vec![
                get(public::view_booking::view_booking),
                delete(public::cancel_booking::cancel_booking),
            ],
        ))
        .service(resource(
            "/events",
            vec![get(public::list_events::list_events)],
        ))
        .service(resource("/health", vec![get(public::health::health)]))
        .service(resource("/ready", vec![get(public::ready::ready)]))
        .service(resource(
            "/users",
            vec![post(public::register_user::register_user)],
        ))
        .service(resource(
            "/users/{user_id}/bookings",
            vec![get(public::booking_history::booking_history)],
        ))
        .service(admin())
        .service(resource("/openapi.json", vec![get(docs::description)]))
        .service(resource("/docs", vec![get(docs::page)]))
        .service(resource("/docs/{file:.*}", vec![get(docs::asset)]))
        .default_service(web::to(async || {
            Problem::of_status(actix_web::http::StatusCode::NOT_FOUND).into_response()
        }));
}

/// Everything below `/admin` needs the key, also what does not exist there.
fn admin() -> impl actix_web::dev::HttpServiceFactory {
    web::scope("/admin")
        .wrap(from_fn(require_admin::require))
        .service(resource("/users", vec![get(admin::list_users::list_users)]))
        .service(resource(
            "/events",
            vec![post(admin::publish_event::publish_event)],
        ))
        .service(resource(
            "/events/{event_id}",
            vec![
                put(admin::change_event::change_event),
                delete(admin::delete_event::delete_event),
            ],
        ))
        .service(resource(
            "/events/{event_id}/bookings",
            vec![get(admin::event_bookings::event_bookings)],
        ))
        .service(resource(
            "/analytics",
            vec![get(admin::analytics::analytics)],
        ))
        .service(resource(
            "/seed_demo_data",
            vec![post(admin::seed_demo_data::seed_demo_data)],
        ))
}

/// A method and the route that answers it.
struct Method {
    name: &'static str,
    route: Route,
}

/// GET, and HEAD alike: the server leaves the body away by itself.
fn get<F, Args>(handler: F) -> Method
where
    F: Handler<Args>,
    Args: actix_web::FromRequest + 'static,
    F::Output: Responder + 'static,
{
    let route = web::route()
        .guard(guard::Any(guard::Get()).or(guard::Head()))
        .to(handler);
    Method {
        name: "GET, HEAD",
        route,
    }
}

macro_rules! method {
    ($function:ident, $name:literal) => {
        fn $function<F, Args>(handler: F) -> Method
        where
            F: Handler<Args>,
            Args: actix_web::FromRequest + 'static,
            F::Output: Responder + 'static,
        {
            Method {
                name: $name,
                route: web::$function().to(handler),
            }
        }
    };
}

method!(post, "POST");
method!(put, "PUT");
method!(delete, "DELETE");

/// A path with its methods; any other is answered 405 with `Allow`.
fn resource(path: &str, methods: Vec<Method>) -> Resource {
    let allow = methods
        .iter()
        .map(|method| method.name)
        .collect::<Vec<_>>()
        .join(", ");
    let resource = web::resource(path).default_service(web::to(move || {
        let allow = allow.clone();
        async move { method_not_allowed(allow).into_response() }
    }));
    methods
        .into_iter()
        .fold(resource, |resource, method| resource.route(method.route))
}
