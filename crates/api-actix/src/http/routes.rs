//! All paths, and which handler answers which method.

use actix_web::http::StatusCode;
use actix_web::middleware::from_fn;
use actix_web::{Handler, HttpResponse, Resource, Responder, Route, guard, web};

use super::access::{self, *};
use super::problem::Problem;
use super::status::method_not_allowed;
use super::{account, admin, docs, public};

/// Registers everything. Paths are tried in this order, so those of an on-sale
/// come first, and `me` before the ids of others.
pub(crate) fn configure(service: &mut web::ServiceConfig) {
    use public::*;
    service
        .service(resource("/bookings", vec![post(BOOK, book::book)]))
        .service(resource(
            "/events/{event_id}",
            vec![get(VIEW_EVENT, view_event::view_event)],
        ))
        .service(resource(
            "/bookings/{booking_id}",
            vec![
                get(VIEW_BOOKING, view_booking::view_booking),
                delete(CANCEL_BOOKING, cancel_booking::cancel_booking),
            ],
        ))
        .service(resource(
            "/events",
            vec![get(LIST_EVENTS, list_events::list_events)],
        ))
        .service(resource("/health", vec![get(HEALTH, health::health)]))
        .service(resource("/ready", vec![get(READY, ready::ready)]))
        .service(resource(
            "/users",
            vec![post(REGISTER_USER, register_user::register_user)],
        ))
        .configure(accounts)
        .service(resource(
            "/users/{user_id}/bookings",
            vec![get(BOOKING_HISTORY, booking_history::booking_history)],
        ))
        .service(admin())
        .service(resource(
            "/openapi.json",
            vec![get(DOCS, docs::description)],
        ))
        .service(resource("/docs", vec![get(DOCS, docs::page)]))
        .service(resource("/docs/{file:.*}", vec![get(DOCS, docs::asset)]))
        .default_service(web::to(not_found));
}

fn accounts(service: &mut web::ServiceConfig) {
    use account::*;
    service
        .service(resource(
            "/users/me",
            vec![
                get(VIEW_ME, view_me::view_me),
                patch(CHANGE_ME, change_me::change_me),
                delete(ERASE_ME, erase_me::erase_me),
            ],
        ))
        .service(resource(
            "/users/me/bookings",
            vec![get(MY_BOOKINGS, my_bookings::my_bookings)],
        ))
        .service(resource(
            "/users/me/export",
            vec![get(EXPORT_ME, export_me::export_me)],
        ))
        .service(resource("/auth/login", vec![post(LOGIN, login::login)]))
        .service(resource(
            "/auth/refresh",
            vec![post(REFRESH, refresh::refresh)],
        ))
        .service(resource("/auth/logout", vec![post(LOGOUT, logout::logout)]))
        .service(resource(
            "/auth/password",
            vec![post(SET_PASSWORD, set_password::set_password)],
        ));
}

/// Strangers do not learn what exists below `/admin`, nor by which methods.
fn admin() -> impl actix_web::dev::HttpServiceFactory {
    use admin::*;
    web::scope("/admin")
        .service(admin_resource(
            "/users",
            vec![get(LIST_USERS, list_users::list_users)],
        ))
        .service(admin_resource(
            "/users/{user_id}",
            vec![
                get(VIEW_USER, view_user::view_user),
                delete(ERASE_USER, erase_user::erase_user),
            ],
        ))
        .service(admin_resource(
            "/users/{user_id}/suspend",
            vec![post(SUSPEND_USER, suspend_user::suspend_user)],
        ))
        .service(admin_resource(
            "/users/{user_id}/reinstate",
            vec![post(REINSTATE_USER, reinstate_user::reinstate_user)],
        ))
        .service(admin_resource(
            "/users/{user_id}/password-token",
            vec![post(
                ISSUE_PASSWORD_TOKEN,
                issue_password_token::issue_password_token,
            )],
        ))
        .service(admin_resource(
            "/events",
            vec![post(PUBLISH_EVENT, publish_event::publish_event)],
        ))
        .service(admin_resource(
            "/events/{event_id}",
            vec![
                put(CHANGE_EVENT, change_event::change_event),
                delete(DELETE_EVENT, delete_event::delete_event),
            ],
        ))
        .service(admin_resource(
            "/events/{event_id}/bookings",
            vec![get(EVENT_BOOKINGS, event_bookings::event_bookings)],
        ))
        .service(admin_resource(
            "/analytics",
            vec![get(ANALYTICS, analytics::analytics)],
        ))
        .service(admin_resource(
            "/seed_demo_data",
            vec![post(SEED_DEMO_DATA, seed_demo_data::seed_demo_data)],
        ))
        .service(admin_resource(
            "/api-keys",
            vec![
                post(CREATE_API_KEY, create_api_key::create_api_key),
                get(LIST_API_KEYS, list_api_keys::list_api_keys),
            ],
        ))
        .service(admin_resource(
            "/api-keys/{api_key_id}",
            vec![delete(REVOKE_API_KEY, revoke_api_key::revoke_api_key)],
        ))
        .service(admin_resource(
            "/api-keys/{api_key_id}/rotate",
            vec![post(ROTATE_API_KEY, rotate_api_key::rotate_api_key)],
        ))
        .service(admin_resource(
            "/audit",
            vec![get(LIST_AUDIT, list_audit::list_audit)],
        ))
        .default_service(guarded(NO_ADMIN_CALL, web::route().to(not_found)))
}

async fn not_found() -> HttpResponse {
    Problem::of_status(StatusCode::NOT_FOUND).into_response()
}

/// A method and the route that answers it.
struct Method {
    name: &'static str,
    route: Route,
}

/// GET, and HEAD alike: the server leaves the body away by itself.
fn get<F, Args>(call: Call, handler: F) -> Method
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
        route: guarded(call, route),
    }
}

macro_rules! method {
    ($function:ident, $name:literal) => {
        fn $function<F, Args>(call: Call, handler: F) -> Method
        where
            F: Handler<Args>,
            Args: actix_web::FromRequest + 'static,
            F::Output: Responder + 'static,
        {
            Method {
                name: $name,
                route: guarded(call, web::$function().to(handler)),
            }
        }
    };
}

method!(post, "POST");
method!(put, "PUT");
method!(patch, "PATCH");
method!(delete, "DELETE");

/// Puts the call's guard before the route.
fn guarded(call: Call, route: Route) -> Route {
    route.wrap(from_fn(move |request, next| {
        access::guard(call, request, next)
    }))
}

/// A path with its methods; any other is answered 405 with `Allow`.
fn resource(path: &str, methods: Vec<Method>) -> Resource {
    with_default(path, methods, |route| route)
}

/// The same for the admin alone.
fn admin_resource(path: &str, methods: Vec<Method>) -> Resource {
    with_default(path, methods, |route| guarded(NO_ADMIN_CALL, route))
}

fn with_default(path: &str, methods: Vec<Method>, wrap: impl Fn(Route) -> Route) -> Resource {
    let allow = methods
        .iter()
        .map(|method| method.name)
        .collect::<Vec<_>>()
        .join(", ");
    let not_allowed = web::route().to(move || {
        let allow = allow.clone();
        async move { method_not_allowed(allow).into_response() }
    });
    let resource = web::resource(path).default_service(wrap(not_allowed));
    methods
        .into_iter()
        .fold(resource, |resource, method| resource.route(method.route))
}
