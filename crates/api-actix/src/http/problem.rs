//! Errors as clients see them: problem details by RFC 9457.

use std::fmt;
use std::sync::{Arc, Mutex};

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, ResponseError};
use domain::model::Invalid;
use serde::Serialize;
use utoipa::ToSchema;

/// The media type of a problem.
pub(crate) const MEDIA_TYPE: &str = "application/problem+json";

/// Seconds after which trying again makes sense when the service is busy.
const RETRY_AFTER_SECONDS: u32 = 1;

/// One field that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(example = json!({"field": "seats", "message": "must be at least 1"}))]
pub(crate) struct FieldError {
    /// Name of the body member, query parameter, header or path id.
    pub(crate) field: String,
    /// What is wrong with it.
    pub(crate) message: String,
}

/// The JSON of an error.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem, example = json!({
    "type": "urn:utsavam:problem:not_enough_seats",
    "title": "Not enough seats",
    "status": 409,
    "detail": "event 1 has 0 seats left, 1 requested",
    "code": "not_enough_seats",
    "request_id": "7f9c0f9e3c8f4a0e9d5a1f0a6d3b2c11"
}))]
pub(crate) struct ProblemBody {
    /// A URI that stands for the kind of error.
    pub(crate) r#type: String,
    /// The kind of error in words, always the same for one `code`.
    pub(crate) title: &'static str,
    /// The HTTP status.
    pub(crate) status: u16,
    /// What went wrong this time.
    pub(crate) detail: String,
    /// The kind of error for programs; stable.
    pub(crate) code: &'static str,
    /// The id under which the log knows this request.
    pub(crate) request_id: String,
    /// The fields that are wrong, when input was invalid.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub(crate) errors: Vec<FieldError>,
}

/// Marks an error response whose handler wrote the body itself.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Written;

/// An error on its way to the client. What the client must not see stays in
/// `cause`, for the log.
#[derive(Debug, Clone)]
pub(crate) struct Problem {
    pub(crate) status: StatusCode,
    pub(crate) code: &'static str,
    pub(crate) title: &'static str,
    pub(crate) detail: String,
    pub(crate) errors: Vec<FieldError>,
    pub(crate) headers: Vec<(&'static str, String)>,
    /// Shared, because a response's extensions are cloned out of it once.
    pub(crate) cause: Arc<Mutex<Option<domain::ports::Cause>>>,
}

impl Problem {
    pub(crate) fn new(
        status: StatusCode,
        code: &'static str,
        title: &'static str,
        detail: impl Into<String>,
    ) -> Self {
        Self {
            status,
            code,
            title,
            detail: detail.into(),
            errors: Vec::new(),
            headers: Vec::new(),
            cause: Arc::default(),
        }
    }

    pub(crate) fn with_header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(crate) fn caused_by(self, cause: domain::ports::Cause) -> Self {
        if let Ok(mut slot) = self.cause.lock() {
            *slot = Some(cause);
        }
        self
    }

    /// Names a field that has to do with it.
    pub(crate) fn with_field(mut self, field: &str, message: &str) -> Self {
        self.errors.push(FieldError {
            field: field.to_owned(),
            message: message.to_owned(),
        });
        self
    }

    /// Asks the client to try again shortly.
    pub(crate) fn try_again(self) -> Self {
        self.with_header("Retry-After", RETRY_AFTER_SECONDS.to_string())
    }

    /// One or more fields are wrong.
    pub(crate) fn invalid(errors: Vec<FieldError>) -> Self {
        let listed: Vec<_> = errors
            .iter()
            .map(|error| format!("{} {}", error.field, error.message))
            .collect();
        let mut problem = Self::new(
            StatusCode::BAD_REQUEST,
            "invalid_input",
            "Invalid input",
            listed.join("; "),
        );
        problem.errors = errors;
        problem
    }

    /// One field is wrong.
    pub(crate) fn invalid_field(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::invalid(vec![FieldError {
            field: field.into(),
            message: message.into(),
        }])
    }

    /// More work is under way than the server takes on.
    pub(crate) fn overloaded() -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "overloaded",
            "Overloaded",
            "the server has more to do than it can, please try again",
        )
        .try_again()
    }

    /// A defect. The client learns nothing about it but the request id.
    pub(crate) fn internal(cause: domain::ports::Cause) -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "Internal error",
            "something went wrong on our side",
        )
        .caused_by(cause)
    }

    /// What stands for an answer of the HTTP library that has no problem yet.
    pub(crate) fn of_status(status: StatusCode) -> Self {
        let (code, title, detail) = match status {
            StatusCode::NOT_FOUND => ("not_found", "Not found", "there is nothing at this path"),
            StatusCode::METHOD_NOT_ALLOWED => (
                "method_not_allowed",
                "Method not allowed",
                "this path does not take this method",
            ),
            StatusCode::NOT_ACCEPTABLE => (
                "not_acceptable",
                "Not acceptable",
                "none of the content codings in Accept-Encoding can be had",
            ),
            StatusCode::PAYLOAD_TOO_LARGE => {
                ("body_too_large", "Body too large", "the body is too large")
            }
            StatusCode::REQUEST_TIMEOUT => (
                "request_timeout",
                "Request timeout",
                "the request took too long to arrive",
            ),
            status if status.is_server_error() => (
                "internal",
                "Internal error",
                "something went wrong on our side",
            ),
            _ => (
                "bad_request",
                "Bad request",
                "the request is not well-formed",
            ),
        };
        Self::new(status, code, title, detail)
    }

    /// This problem as a response, for services that cannot fail.
    pub(crate) fn into_response(self) -> HttpResponse {
        self.error_response()
    }

    /// The JSON of this problem.
    pub(crate) fn body(&self, request_id: &str) -> ProblemBody {
        ProblemBody {
            r#type: format!("urn:utsavam:problem:{}", self.code),
            title: self.title,
            status: self.status.as_u16(),
            detail: self.detail.clone(),
            code: self.code,
            request_id: request_id.to_owned(),
            errors: self.errors.clone(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.status
    }

    /// An empty response that carries the problem; the outermost middleware
    /// writes the body, because it knows the request's id.
    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::new(self.status);
        response.extensions_mut().insert(self.clone());
        response
    }
}

/// Collects the fields of a request that are wrong, so that the client learns
/// of all of them at once.
#[derive(Debug, Default)]
pub(crate) struct Fields(Vec<FieldError>);

impl Fields {
    /// Notes a field that is wrong.
    pub(crate) fn wrong(&mut self, field: &str, message: impl Into<String>) {
        self.0.push(FieldError {
            field: field.to_owned(),
            message: message.into(),
        });
    }

    /// The value, or a note that the field is wrong.
    pub(crate) fn take<T>(&mut self, field: &str, parsed: Result<T, Invalid>) -> Option<T> {
        parsed
            .map_err(|invalid| self.wrong(field, invalid.to_string()))
            .ok()
    }

    /// As [`take`](Self::take) for a field that may be absent.
    pub(crate) fn take_option<T>(
        &mut self,
        field: &str,
        parsed: Option<Result<T, Invalid>>,
    ) -> Option<Option<T>> {
        match parsed {
            None => Some(None),
            Some(parsed) => self.take(field, parsed).map(Some),
        }
    }

    /// What `parsed` holds if all its fields were right.
    ///
    /// # Errors
    /// A problem that lists every wrong field.
    pub(crate) fn finish<T>(self, parsed: Option<T>) -> Result<T, Problem> {
        match parsed {
            Some(parsed) if self.0.is_empty() => Ok(parsed),
            _ => Err(Problem::invalid(self.0)),
        }
    }
}
