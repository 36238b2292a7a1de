//! The description of the interface. Each handler describes itself; what all
//! of them share is added here: invalid input, limits, trouble and the key.

use utoipa::openapi::header::{Header, HeaderBuilder};
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::response::ResponseBuilder;
use utoipa::openapi::schema::Type;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, SecurityScheme};
use utoipa::openapi::{
    ContentBuilder, Object, OpenApi as Document, Ref, RefOr, SecurityRequirement,
};
use utoipa::{Modify, OpenApi};

use super::middleware::require_admin;
use super::problem::{FieldError, MEDIA_TYPE, ProblemBody};
use super::{admin, public};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Utsavam",
        description = "Sells seats to events: never one twice, never a booking lost.\n\n\
            Times are RFC 3339 in UTC. Lists are paged: follow the `Link` with `rel=\"next\"`. \
            Every error is `application/problem+json` (RFC 9457) with a stable `code`. \
            The admin calls need the header `X-Admin-Key`: press Authorize.",
    ),
    paths(
        public::list_events::list_events,
        public::view_event::view_event,
        public::register_user::register_user,
        public::book::book,
        public::view_booking::view_booking,
        public::cancel_booking::cancel_booking,
        public::booking_history::booking_history,
        admin::publish_event::publish_event,
        admin::change_event::change_event,
        admin::delete_event::delete_event,
        admin::event_bookings::event_bookings,
        admin::list_users::list_users,
        admin::analytics::analytics,
        admin::seed_demo_data::seed_demo_data,
        public::health::health,
        public::ready::ready,
    ),
    components(schemas(ProblemBody, FieldError)),
    modifiers(&Shared),
    tags(
        (name = "events", description = "What is on"),
        (name = "users", description = "Who may book"),
        (name = "bookings", description = "Seats that somebody booked"),
        (name = "admin", description = "For organisers; needs X-Admin-Key"),
        (name = "operations", description = "For whoever runs the service"),
    ),
)]
struct Interface;

/// The description, complete.
pub(crate) fn document() -> Document {
    Interface::openapi()
}

struct Shared;

impl Modify for Shared {
    fn modify(&self, document: &mut Document) {
        if let Some(components) = document.components.as_mut() {
            let header = ApiKeyValue::new(require_admin::HEADER);
            components
                .add_security_scheme("admin_key", SecurityScheme::ApiKey(ApiKey::Header(header)));
        }
        for (path, item) in &mut document.paths.paths {
            let admin = path.starts_with("/admin/");
            for operation in operations(item) {
                if operation
                    .tags
                    .iter()
                    .flatten()
                    .any(|tag| tag == "operations")
                {
                    continue;
                }
                add_shared_responses(operation);
                if admin {
                    operation.security = Some(vec![SecurityRequirement::new(
                        "admin_key",
                        Vec::<String>::new(),
                    )]);
                    add(
                        operation,
                        401,
                        "The admin key is missing or wrong (`admin_key_required`)",
                    );
                }
            }
        }
    }
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [
        &mut item.get,
        &mut item.post,
        &mut item.put,
        &mut item.delete,
    ]
    .into_iter()
    .flatten()
}

fn add_shared_responses(operation: &mut Operation) {
    add(
        operation,
        429,
        "Too many requests, try again later (`rate_limited`)",
    );
    for response in operation.responses.responses.values_mut() {
        if let RefOr::T(response) = response {
            for (name, description) in RATE_LIMIT_HEADERS {
                response
                    .headers
                    .insert((*name).to_owned(), header(description).into());
            }
        }
    }
    if operation.parameters.is_some() || operation.request_body.is_some() {
        add(
            operation,
            400,
            "Invalid input, field by field (`invalid_input`, `malformed_json`)",
        );
    }
    if operation.request_body.is_some() {
        add(
            operation,
            408,
            "The body took too long to arrive (`request_timeout`)",
        );
        add(operation, 413, "The body is too large (`body_too_large`)");
        add(
            operation,
            415,
            "The body is not JSON (`unsupported_media_type`)",
        );
    }
    add(
        operation,
        406,
        "None of the content codings in Accept-Encoding can be had (`not_acceptable`)",
    );
    add(
        operation,
        500,
        "A defect; the log has more under the request's id (`internal`)",
    );
    add(
        operation,
        503,
        "Too busy or cut off, try again (`overloaded`, `unavailable`)",
    );
}

fn add(operation: &mut Operation, status: u16, description: &str) {
    let content = ContentBuilder::new()
        .schema(Some(Ref::from_schema_name("Problem")))
        .example(Some(example(status, description)))
        .build();
    let mut response = ResponseBuilder::new()
        .description(description)
        .content(MEDIA_TYPE, content);
    for (name, description) in headers_of(status) {
        response = response.header(*name, header(description));
    }
    operation
        .responses
        .responses
        .entry(status.to_string())
        .or_insert_with(|| RefOr::T(response.build()));
}

fn header(description: &str) -> Header {
    HeaderBuilder::new()
        .schema(Some(Object::with_type(Type::String)))
        .description(Some(description))
        .build()
}

/// What limited calls tell, whatever else they answer.
const RATE_LIMIT_HEADERS: &[(&str, &str)] = &[
    (
        "RateLimit",
        "What is left: `r` requests, and all of them after `t` seconds; absent where nobody is limited",
    ),
    (
        "RateLimit-Policy",
        "The limit: `q` requests in `w` seconds; absent where nobody is limited",
    ),
];

/// The headers that a status brings along.
fn headers_of(status: u16) -> &'static [(&'static str, &'static str)] {
    match status {
        401 => &[("WWW-Authenticate", "How to authenticate")],
        429 | 503 => &[(
            "Retry-After",
            "Seconds after which trying again makes sense",
        )],
        _ => &[],
    }
}

/// A problem with the code that the description names first.
fn example(status: u16, description: &str) -> serde_json::Value {
    let code = description.split('`').nth(1).unwrap_or("internal");
    let mut problem = serde_json::json!({
        "type": format!("urn:utsavam:problem:{code}"),
        "title": code.replace('_', " "),
        "status": status,
        "detail": description.split(" (`").next().unwrap_or(description),
        "code": code,
        "request_id": "7f9c0f9e3c8f4a0e9d5a1f0a6d3b2c11",
    });
    if code == "invalid_input" {
        problem["errors"] =
            serde_json::json!([{"field": "limit", "message": "must be between 1 and 100"}]);
    }
    problem
}
