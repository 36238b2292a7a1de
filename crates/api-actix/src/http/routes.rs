//! All paths, and which handler answers which method.

use std::rc::Rc;

use actix_web::dev::ServiceRequest;
use actix_web::http::StatusCode;
use actix_web::middleware::from_fn;
use actix_web::{Handler, HttpRequest, HttpResponse, Resource, Responder, Route, guard, web};

use super::access::{self, *};
use super::middleware::request_context::RequestContext;
use super::problem::Problem;
use super::status::method_not_allowed;
use super::{account, admin, docs, public};
use crate::metrics::{RequestMetrics, RouteMetrics};

/// Where the calls of admins begin.
const ADMIN: &str = "/admin";

/// Registers everything. Paths are tried in this order, so those of an on-sale
/// come first, and `me` before the ids of others.
pub(crate) fn configure(service: &mut web::ServiceConfig, requests: &RequestMetrics) {
    use public::*;
    let resource = |path, methods| resource(requests, path, methods);
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
        .configure(|service| accounts(service, requests))
        .service(resource(
            "/users/{user_id}/bookings",
            vec![get(BOOKING_HISTORY, booking_history::booking_history)],
        ))
        .service(admin(requests))
        .service(resource(
            "/openapi.json",
            vec![get(DOCS, docs::description)],
        ))
        .service(resource("/docs", vec![get(DOCS, docs::page)]))
        .service(resource("/docs/{file:.*}", vec![get(DOCS, docs::asset)]))
        .default_service(web::to(not_found));
}

fn accounts(service: &mut web::ServiceConfig, requests: &RequestMetrics) {
    use account::*;
    let resource = |path, methods| resource(requests, path, methods);
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
fn admin(requests: &RequestMetrics) -> impl actix_web::dev::HttpServiceFactory + use<> {
    use admin::*;
    let resource = |path, methods| admin_resource(requests, path, methods);
    web::scope(ADMIN)
        .service(resource(
            "/admin/users",
            vec![get(LIST_USERS, list_users::list_users)],
        ))
        .service(resource(
            "/admin/users/{user_id}",
            vec![
                get(VIEW_USER, view_user::view_user),
                delete(ERASE_USER, erase_user::erase_user),
            ],
        ))
        .service(resource(
            "/admin/users/{user_id}/suspend",
            vec![post(SUSPEND_USER, suspend_user::suspend_user)],
        ))
        .service(resource(
            "/admin/users/{user_id}/reinstate",
            vec![post(REINSTATE_USER, reinstate_user::reinstate_user)],
        ))
        .service(resource(
            "/admin/users/{user_id}/password-token",
            vec![post(
                ISSUE_PASSWORD_TOKEN,
                issue_password_token::issue_password_token,
            )],
        ))
        .service(resource(
            "/admin/events",
            vec![post(PUBLISH_EVENT, publish_event::publish_event)],
        ))
        .service(resource(
            "/admin/events/{event_id}",
            vec![
                put(CHANGE_EVENT, change_event::change_event),
                delete(DELETE_EVENT, delete_event::delete_event),
            ],
        ))
        .service(resource(
            "/admin/events/{event_id}/bookings",
            vec![get(EVENT_BOOKINGS, event_bookings::event_bookings)],
        ))
        .service(resource(
            "/admin/events/{event_id}/sales/pause",
            vec![post(PAUSE_EVENT, pause_event::pause_event)],
        ))
        .service(resource(
            "/admin/events/{event_id}/sales/resume",
            vec![post(RESUME_EVENT, resume_event::resume_event)],
        ))
        .service(resource(
            "/admin/sales",
            vec![get(PAUSED_SALES, paused_sales::paused_sales)],
        ))
        .service(resource(
            "/admin/sales/pause",
            vec![post(PAUSE_ALL_SALES, pause_all_sales::pause_all_sales)],
        ))
        .service(resource(
            "/admin/sales/resume",
            vec![post(RESUME_ALL_SALES, resume_all_sales::resume_all_sales)],
        ))
        .service(resource(
            "/admin/analytics",
            vec![get(ANALYTICS, analytics::analytics)],
        ))
        .service(resource(
            "/admin/seed_demo_data",
            vec![post(SEED_DEMO_DATA, seed_demo_data::seed_demo_data)],
        ))
        .service(resource(
            "/admin/api-keys",
            vec![
                post(CREATE_API_KEY, create_api_key::create_api_key),
                get(LIST_API_KEYS, list_api_keys::list_api_keys),
            ],
        ))
        .service(resource(
            "/admin/api-keys/{api_key_id}",
            vec![delete(REVOKE_API_KEY, revoke_api_key::revoke_api_key)],
        ))
        .service(resource(
            "/admin/api-keys/{api_key_id}/rotate",
            vec![post(ROTATE_API_KEY, rotate_api_key::rotate_api_key)],
        ))
        .service(resource(
            "/admin/audit",
            vec![get(LIST_AUDIT, list_audit::list_audit)],
        ))
        .default_service(guarded(
            NO_ADMIN_CALL,
            requests.of_no_route(),
            web::route().to(not_found),
        ))
}

async fn not_found() -> HttpResponse {
    Problem::of_status(StatusCode::NOT_FOUND).into_response()
}

/// A method, the call that it makes, and the route that answers it.
struct Method {
    name: &'static str,
    call: Call,
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
        call,
        route,
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
                call,
                route: web::$function().to(handler),
            }
        }
    };
}

method!(post, "POST");
method!(put, "PUT");
method!(patch, "PATCH");
method!(delete, "DELETE");

/// Puts the call's guard before the route, and notes that it was reached.
fn guarded(call: Call, metrics: Rc<RouteMetrics>, route: Route) -> Route {
    route.wrap(from_fn(move |request: ServiceRequest, next| {
        RequestContext::reached(request.request(), &metrics);
        access::guard(call, request, next)
    }))
}

/// A path with its methods; any other is answered 405 with `Allow`.
fn resource(requests: &RequestMetrics, path: &'static str, methods: Vec<Method>) -> Resource {
    let metrics = requests.of_route(path);
    let not_allowed = not_allowed(&methods, &metrics);
    with_methods(
        web::resource(path).default_service(not_allowed),
        methods,
        &metrics,
    )
}

/// The same below `/admin`, for the admin alone. The path is a whole one.
fn admin_resource(requests: &RequestMetrics, path: &'static str, methods: Vec<Method>) -> Resource {
    let metrics = requests.of_route(path);
    let not_allowed = not_allowed(&methods, &metrics);
    let not_allowed = guarded(NO_ADMIN_CALL, Rc::clone(&metrics), not_allowed);
    let within = path.strip_prefix(ADMIN).unwrap_or(path);
    with_methods(
        web::resource(within).default_service(not_allowed),
        methods,
        &metrics,
    )
}

fn with_methods(resource: Resource, methods: Vec<Method>, metrics: &Rc<RouteMetrics>) -> Resource {
    methods.into_iter().fold(resource, |resource, method| {
        resource.route(guarded(method.call, Rc::clone(metrics), method.route))
    })
}

fn not_allowed(methods: &[Method], metrics: &Rc<RouteMetrics>) -> Route {
    let allow = methods
        .iter()
        .map(|method| method.name)
        .collect::<Vec<_>>()
        .join(", ");
    let metrics = Rc::clone(metrics);
    web::route().to(move |request: HttpRequest| {
        RequestContext::reached(&request, &metrics);
        let allow = allow.clone();
        async move { method_not_allowed(allow).into_response() }
    })
}
