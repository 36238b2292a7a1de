//! The description of the interface. Each handler describes itself; what all
//! of them share is added here: invalid input, limits, trouble and the key.

use domain::model::Scope;
use utoipa::openapi::header::{Header, HeaderBuilder};
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::response::ResponseBuilder;
use utoipa::openapi::schema::Type;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{
    ContentBuilder, Object, ObjectBuilder, OpenApi as Document, Ref, RefOr, Schema,
    SecurityRequirement,
};
use utoipa::{Modify, OpenApi};

use super::access::{self, Access};
use super::problem::{FieldError, MEDIA_TYPE, ProblemBody};
use super::{account, admin, cursor, public};
use crate::auth::credentials;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Utsavam",
        description = "Sells seats to events: never one twice, never a booking lost.\n\n\
            Times are RFC 3339 in UTC. Lists are paged: follow the `Link` with `rel=\"next\"`. \
            Every error is `application/problem+json` (RFC 9457) with a stable `code`. \
            Users log in and send `Authorization: Bearer`, services send `X-API-Key`, \
            the admin `X-Admin-Key`; one of them: press Authorize. In open mode, which is meant \
            for development, strangers may book and read for anybody.",
    ),
    paths(
        public::list_events::list_events,
        public::view_event::view_event,
        public::register_user::register_user,
        public::book::book,
        public::view_booking::view_booking,
        public::cancel_booking::cancel_booking,
        public::booking_history::booking_history,
        account::login::login,
        account::refresh::refresh,
        account::logout::logout,
        account::set_password::set_password,
        account::view_me::view_me,
        account::change_me::change_me,
        account::my_bookings::my_bookings,
        account::export_me::export_me,
        account::erase_me::erase_me,
        admin::publish_event::publish_event,
        admin::change_event::change_event,
        admin::delete_event::delete_event,
        admin::event_bookings::event_bookings,
        admin::pause_event::pause_event,
        admin::resume_event::resume_event,
        admin::pause_all_sales::pause_all_sales,
        admin::resume_all_sales::resume_all_sales,
        admin::paused_sales::paused_sales,
        admin::list_users::list_users,
        admin::view_user::view_user,
        admin::suspend_user::suspend_user,
        admin::reinstate_user::reinstate_user,
        admin::erase_user::erase_user,
        admin::issue_password_token::issue_password_token,
        admin::create_api_key::create_api_key,
        admin::list_api_keys::list_api_keys,
        admin::rotate_api_key::rotate_api_key,
        admin::revoke_api_key::revoke_api_key,
        admin::list_audit::list_audit,
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
        (name = "accounts", description = "What users do about their own accounts"),
        (name = "admin", description = "For organisers: with X-Admin-Key, or X-API-Key of a service with the scope"),
        (name = "operations", description = "For whoever runs the service"),
    ),
)]
struct Interface;

/// The description, complete.
pub(crate) fn document() -> Document {
    Interface::openapi()
}

/// The names of all calls.
#[cfg(test)]
pub(crate) fn operation_ids() -> impl Iterator<Item = String> {
    let paths = document().paths.paths.into_values();
    paths.flat_map(|mut item| {
        operations(&mut item)
            .filter_map(|o| o.operation_id.take())
            .collect::<Vec<_>>()
    })
}

struct Shared;

impl Modify for Shared {
    fn modify(&self, document: &mut Document) {
        if let Some(components) = document.components.as_mut() {
            let header = |name| SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::new(name)));
            components.add_security_scheme("admin_key", header(credentials::ADMIN_KEY));
            components.add_security_scheme("api_key", header(credentials::API_KEY));
            let bearer = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
            components.add_security_scheme("access_token", bearer);
            for (name, schema) in &mut components.schemas {
                describe_members(schema, name.ends_with("Request"));
            }
        }
        for item in document.paths.paths.values_mut() {
            for operation in operations(item) {
                if operation
                    .tags
                    .iter()
                    .flatten()
                    .any(|tag| tag == "operations")
                {
                    continue;
                }
                describe_cursor(operation);
                add_shared_responses(operation);
                let id = operation.operation_id.as_deref();
                if let Some(call) = access::ALL.iter().find(|call| Some(call.operation) == id) {
                    add_access(operation, call.access);
                }
            }
        }
    }
}

/// Who may make the call, and what others are told.
fn add_access(operation: &mut Operation, access: Access) {
    let (schemes, scope): (&[&str], _) = match access {
        Access::Unasked => return,
        Access::Everybody(scope) => (&["", "access_token", "api_key", "admin_key"], Some(scope)),
        // In open mode strangers are welcome.
        Access::Owner(scope) => (&["", "access_token", "api_key", "admin_key"], Some(scope)),
        Access::Myself => (&["access_token"], None),
        Access::Organiser(scope) => (&["admin_key", "api_key"], Some(scope)),
        Access::Admin => (&["admin_key"], None),
    };
    let requirements = schemes.iter().map(|scheme| match *scheme {
        "" => SecurityRequirement::default(),
        scheme => SecurityRequirement::new(scheme, Vec::<String>::new()),
    });
    operation.security = Some(requirements.collect());
    add(
        operation,
        400,
        "More than one credential was shown (`invalid_input`)",
    );
    add(
        operation,
        401,
        match access {
            Access::Organiser(_) | Access::Admin => {
                "Nobody, or nobody who is known, is calling (`admin_key_required`, `invalid_api_key`, `invalid_token`)"
            }
            _ => {
                "Nobody who is known is calling (`authentication_required`, `invalid_token`, `invalid_api_key`, `admin_key_required`)"
            }
        },
    );
    add(
        operation,
        403,
        &match scope {
            Some(scope) => format!(
                "The key lacks the scope `{scope}`, or users may not do that (`missing_scope`, `admins_only`)",
                scope = scope.as_str()
            ),
            None => "Whoever is calling may not do that (`users_only`, `admins_only`)".to_owned(),
        },
    );
}

/// Names, after the rule of `domain::model::text`: not blank, and no control
/// characters but around them, where white space is trimmed.
const NAME_PATTERN: &str =
    r"^\s*[^\s\x00-\x1F\x7F-\x9F]([^\x00-\x1F\x7F-\x9F]*[^\s\x00-\x1F\x7F-\x9F])?\s*$";

/// Members that mean the same wherever they occur, so that clients can check
/// them beforehand.
fn describe_members(schema: &mut RefOr<Schema>, is_request: bool) {
    let RefOr::T(Schema::Object(object)) = schema else {
        return;
    };
    for (name, member) in &mut object.properties {
        match (name.as_str(), member) {
            ("name" | "venue", RefOr::T(Schema::Object(text))) if is_request => {
                text.min_length = Some(1);
                text.max_length = Some(255);
                text.pattern = Some(NAME_PATTERN.to_owned());
            }
            ("scopes", RefOr::T(Schema::Array(list))) => {
                let scopes = Scope::ALL.iter().map(|scope| scope.as_str());
                let scope = ObjectBuilder::new().schema_type(Type::String);
                let scope = scope.enum_values(Some(scopes));
                list.items = scope.build().into();
            }
            _ => {}
        }
    }
}

/// What every cursor looks like. Text that looks so and comes from elsewhere
/// is 400 all the same.
fn describe_cursor(operation: &mut Operation) {
    for parameter in operation.parameters.iter_mut().flatten() {
        let RefOr::T(cursor) = parameter else {
            continue;
        };
        if cursor.name != "cursor" {
            continue;
        }
        let text = ObjectBuilder::new()
            .schema_type(Type::String)
            .min_length(Some(1))
            .max_length(Some(cursor::CHARACTERS_MAX))
            .pattern(Some("^[A-Za-z0-9_-]+$"));
        cursor.schema = Some(text.build().into());
    }
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [
        &mut item.get,
        &mut item.post,
        &mut item.put,
        &mut item.patch,
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
        414,
        "Path and query are longer than 8,192 bytes (`uri_too_long`)",
    );
    add(
        operation,
        500,
        "A defect; the log has more under the request's id (`internal`)",
    );
    add(
        operation,
        503,
        "Too busy, cut off or too slow, try again (`overloaded`, `unavailable`, `timed_out`)",
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
        let (field, message) = match description.contains("credential") {
            true => (credentials::ADMIN_KEY, "is one credential too many"),
            false => ("limit", "must be between 1 and 100"),
        };
        problem["errors"] = serde_json::json!([{"field": field, "message": message}]);
    }
    problem
}
