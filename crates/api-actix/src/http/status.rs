//! Status codes: which one stands for which refusal. The only place that
//! decides.

use actix_web::http::StatusCode;
use domain::model::Scope;
use domain::ports::{
    AccountError, ApiKeyError, BeginSessionError, BookError, CancelError, ChangeEventError,
    DeleteEventError, EventBookingsError, FindBookingError, FindEventError, HistoryError,
    PauseError, RedeemError, RefreshError, RegisterError, SetPasswordError, StoreError,
};

use super::problem::Problem;
use crate::auth::PasswordTrouble;

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        let unavailable = |detail: &str| {
            Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "unavailable",
                "Temporarily unavailable",
                detail,
            )
            .try_again()
        };
        match error {
            StoreError::Busy(cause) => Self::overloaded().caused_by(cause),
            StoreError::Unavailable(cause) => {
                unavailable("the service is not available right now, please try again")
                    .caused_by(cause)
            }
            StoreError::OutcomeUnknown(cause) => unavailable(
                "the connection to the store broke before it confirmed: \
                 the change may or may not have been made",
            )
            .caused_by(cause),
            StoreError::Failed(cause) => Self::internal(cause),
        }
    }
}

impl From<BookError> for Problem {
    fn from(error: BookError) -> Self {
        let detail = error.to_string();
        match error {
            BookError::TooManySeats(too_many) => Self::invalid_field("seats", too_many.to_string()),
            BookError::UserNotFound(_) => user_not_found(detail),
            BookError::UserSuspended(_) => user_suspended(detail),
            BookError::EventNotFound(_) => event_not_found(detail),
            BookError::EventStarted(_) => Self::new(
                StatusCode::CONFLICT,
                "event_started",
                "Event started",
                detail,
            ),
            // No Retry-After: nobody knows when sales go on.
            BookError::SalesPaused(_) => {
                Self::new(StatusCode::CONFLICT, "sales_paused", "Sales paused", detail)
            }
            BookError::NotEnoughSeats { .. } => Self::new(
                StatusCode::CONFLICT,
                "not_enough_seats",
                "Not enough seats",
                detail,
            ),
            BookError::KeyReused(_) => Self::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "idempotency_key_reused",
                "Idempotency key reused",
                detail,
            ),
            BookError::Store(error) => error.into(),
        }
    }
}

impl From<CancelError> for Problem {
    fn from(error: CancelError) -> Self {
        let detail = error.to_string();
        match error {
            CancelError::BookingNotFound(_) => booking_not_found(detail),
            CancelError::Store(error) => error.into(),
        }
    }
}

impl From<FindBookingError> for Problem {
    fn from(error: FindBookingError) -> Self {
        let detail = error.to_string();
        match error {
            FindBookingError::BookingNotFound(_) => booking_not_found(detail),
            FindBookingError::Store(error) => error.into(),
        }
    }
}

impl From<HistoryError> for Problem {
    fn from(error: HistoryError) -> Self {
        let detail = error.to_string();
        match error {
            HistoryError::UserNotFound(_) => user_not_found(detail),
            HistoryError::Store(error) => error.into(),
        }
    }
}

impl From<EventBookingsError> for Problem {
    fn from(error: EventBookingsError) -> Self {
        let detail = error.to_string();
        match error {
            EventBookingsError::EventNotFound(_) => event_not_found(detail),
            EventBookingsError::Store(error) => error.into(),
        }
    }
}

impl From<FindEventError> for Problem {
    fn from(error: FindEventError) -> Self {
        let detail = error.to_string();
        match error {
            FindEventError::EventNotFound(_) => event_not_found(detail),
            FindEventError::Store(error) => error.into(),
        }
    }
}

impl From<ChangeEventError> for Problem {
    fn from(error: ChangeEventError) -> Self {
        let detail = error.to_string();
        match error {
            ChangeEventError::EventNotFound(_) => event_not_found(detail),
            ChangeEventError::CapacityBelowConfirmed(below) => {
                Self::invalid_field("capacity", below.to_string())
            }
            ChangeEventError::Store(error) => error.into(),
        }
    }
}

impl From<DeleteEventError> for Problem {
    fn from(error: DeleteEventError) -> Self {
        let detail = error.to_string();
        match error {
            DeleteEventError::EventNotFound(_) => event_not_found(detail),
            DeleteEventError::Store(error) => error.into(),
        }
    }
}

impl From<PauseError> for Problem {
    fn from(error: PauseError) -> Self {
        let detail = error.to_string();
        match error {
            PauseError::EventNotFound(_) => event_not_found(detail),
            PauseError::Store(error) => error.into(),
        }
    }
}

impl From<RegisterError> for Problem {
    fn from(error: RegisterError) -> Self {
        let detail = error.to_string();
        match error {
            RegisterError::EmailTaken(_) => Self::new(
                StatusCode::CONFLICT,
                "email_taken",
                "Email already registered",
                detail,
            ),
            RegisterError::Store(error) => error.into(),
        }
    }
}

impl From<AccountError> for Problem {
    fn from(error: AccountError) -> Self {
        let detail = error.to_string();
        match error {
            AccountError::UserNotFound(_) => user_not_found(detail),
            AccountError::Store(error) => error.into(),
        }
    }
}

impl From<SetPasswordError> for Problem {
    fn from(error: SetPasswordError) -> Self {
        let detail = error.to_string();
        match error {
            SetPasswordError::UserNotFound(_) => user_not_found(detail),
            // Between the check of who is calling and now.
            SetPasswordError::SessionEnded(_) => invalid_token(),
            SetPasswordError::PasswordChanged(_) => wrong_password(),
            SetPasswordError::Store(error) => error.into(),
        }
    }
}

impl From<BeginSessionError> for Problem {
    fn from(error: BeginSessionError) -> Self {
        let detail = error.to_string();
        match error {
            // Erased, or their password changed, between the check of it and now.
            BeginSessionError::UserNotFound(_) | BeginSessionError::PasswordChanged(_) => {
                login_failed()
            }
            BeginSessionError::UserSuspended(_) => user_suspended(detail),
            BeginSessionError::Store(error) => error.into(),
        }
    }
}

impl From<RefreshError> for Problem {
    fn from(error: RefreshError) -> Self {
        match error {
            RefreshError::Unknown => invalid_refresh_token(),
            RefreshError::Reused(user_id) => {
                tracing::warn!(%user_id, "a refresh token was used twice: its session has ended");
                invalid_refresh_token()
            }
            RefreshError::Store(error) => error.into(),
        }
    }
}

impl From<RedeemError> for Problem {
    fn from(error: RedeemError) -> Self {
        match error {
            RedeemError::Unknown => invalid_password_token(),
            RedeemError::Store(error) => error.into(),
        }
    }
}

impl From<ApiKeyError> for Problem {
    fn from(error: ApiKeyError) -> Self {
        let detail = error.to_string();
        match error {
            ApiKeyError::KeyNotFound(_) => Self::new(
                StatusCode::NOT_FOUND,
                "api_key_not_found",
                "API key not found",
                detail,
            ),
            ApiKeyError::Store(error) => error.into(),
        }
    }
}

impl From<PasswordTrouble> for Problem {
    fn from(trouble: PasswordTrouble) -> Self {
        match trouble {
            PasswordTrouble::Busy => Self::overloaded().caused_by(Box::new(trouble)),
            PasswordTrouble::Failed(_) => Self::internal(Box::new(trouble)),
        }
    }
}

/// The system gave no randomness for a secret.
impl From<getrandom::Error> for Problem {
    fn from(error: getrandom::Error) -> Self {
        Self::internal(Box::new(error))
    }
}

/// The address is unknown or the password is wrong; nobody learns which.
pub(crate) fn login_failed() -> Problem {
    not_proven(
        "login_failed",
        "Login failed",
        "the email or the password is wrong",
    )
}

/// The refresh token is not good.
pub(crate) fn invalid_refresh_token() -> Problem {
    not_proven(
        "invalid_refresh_token",
        "Invalid refresh token",
        "the refresh token is not good, or not any more: log in",
    )
}

/// The token that sets a password is not good.
pub(crate) fn invalid_password_token() -> Problem {
    not_proven(
        "invalid_password_token",
        "Invalid password token",
        "the token is not good, or not any more: ask for another one",
    )
}

fn not_proven(code: &'static str, title: &'static str, detail: &'static str) -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, code, title, detail)
        .with_header("WWW-Authenticate", r#"Bearer realm="utsavam""#)
}

/// The current password is another one.
pub(crate) fn wrong_password() -> Problem {
    Problem::new(
        StatusCode::FORBIDDEN,
        "wrong_password",
        "Wrong password",
        "the current password is another one",
    )
    .with_field("current_password", "is not the password of this account")
}

/// Nobody says who is calling.
pub(crate) fn authentication_required() -> Problem {
    Problem::new(
        StatusCode::UNAUTHORIZED,
        "authentication_required",
        "Authentication required",
        "log in and send the access token as Authorization: Bearer, or send X-API-Key",
    )
    .with_header("WWW-Authenticate", r#"Bearer realm="utsavam""#)
}

/// The access token is not good.
pub(crate) fn invalid_token() -> Problem {
    Problem::new(
        StatusCode::UNAUTHORIZED,
        "invalid_token",
        "Invalid token",
        "the access token is not good, or not any more: refresh it or log in",
    )
    .with_header(
        "WWW-Authenticate",
        r#"Bearer realm="utsavam", error="invalid_token""#,
    )
}

/// The service's key is not good.
pub(crate) fn invalid_api_key() -> Problem {
    Problem::new(
        StatusCode::UNAUTHORIZED,
        "invalid_api_key",
        "Invalid API key",
        "the key in X-API-Key is not good, or not any more",
    )
    .with_header(
        "WWW-Authenticate",
        r#"ApiKey realm="utsavam", header="X-API-Key""#,
    )
}

/// The service may not do that.
pub(crate) fn missing_scope(scope: Scope) -> Problem {
    let scope = scope.as_str();
    Problem::new(
        StatusCode::FORBIDDEN,
        "missing_scope",
        "Missing scope",
        format!("the key in X-API-Key lacks the scope {scope}"),
    )
}

/// A user asks for what only admins may do.
pub(crate) fn admins_only() -> Problem {
    Problem::new(
        StatusCode::FORBIDDEN,
        "admins_only",
        "Admins only",
        "only admins may do that",
    )
}

/// Somebody else asks for what is a user's own.
pub(crate) fn for_users_only() -> Problem {
    Problem::new(
        StatusCode::FORBIDDEN,
        "users_only",
        "Users only",
        "only a user can do that, for themselves",
    )
}

/// A request in open mode for a name that is not this machine's, or from a page
/// of somebody else's.
pub(crate) fn foreign_in_open_mode(header: &str) -> Problem {
    Problem::new(
        StatusCode::FORBIDDEN,
        "foreign_in_open_mode",
        "Foreign in open mode",
        format!(
            "the header {header} does not name this machine: this server is open to everybody on \
             its machine, and to nobody else; set auth.mode=required"
        ),
    )
}

/// A user who has a password needs no help to one.
pub(crate) fn has_password() -> Problem {
    Problem::new(
        StatusCode::CONFLICT,
        "has_password",
        "Has a password",
        "the user has a password: to replace it takes the scope admin:users",
    )
}

/// A request that came by way of somebody else, in open mode.
pub(crate) fn forwarded_in_open_mode(header: &str) -> Problem {
    Problem::new(
        StatusCode::FORBIDDEN,
        "forwarded_in_open_mode",
        "Forwarded in open mode",
        format!(
            "the request has the header {header}: this server is open to everybody on its machine, \
             and must not be reached by way of a proxy; set auth.mode=required"
        ),
    )
}

/// The admin key is missing or wrong.
pub(crate) fn admin_key_required() -> Problem {
    Problem::new(
        StatusCode::UNAUTHORIZED,
        "admin_key_required",
        "Admin key required",
        "the header X-Admin-Key is missing or wrong",
    )
    .with_header(
        "WWW-Authenticate",
        r#"ApiKey realm="admin", header="X-Admin-Key""#,
    )
}

/// The path exists, but not for this method.
pub(crate) fn method_not_allowed(allow: String) -> Problem {
    Problem::of_status(StatusCode::METHOD_NOT_ALLOWED).with_header("Allow", allow)
}

/// Somebody asked for more than a policy has.
pub(crate) fn rate_limited(policy: &str, retry_after_s: u64) -> Problem {
    Problem::new(
        StatusCode::TOO_MANY_REQUESTS,
        "rate_limited",
        "Too many requests",
        format!("too many requests for the limit \"{policy}\": try again in {retry_after_s} s"),
    )
    .with_header("Retry-After", retry_after_s.to_string())
}

/// The body is not JSON by its media type.
pub(crate) fn unsupported_media_type() -> Problem {
    Problem::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "unsupported_media_type",
        "Unsupported media type",
        "the body must be JSON, with the header Content-Type: application/json",
    )
}

/// The body is compressed.
pub(crate) fn unsupported_content_coding() -> Problem {
    Problem::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "unsupported_media_type",
        "Unsupported media type",
        "the body must not be compressed: the header Content-Encoding must be absent or identity",
    )
    .with_header("Accept-Encoding", "identity")
}

/// The body is not JSON by its text.
pub(crate) fn malformed_json(detail: String) -> Problem {
    Problem::new(
        StatusCode::BAD_REQUEST,
        "malformed_json",
        "Malformed JSON",
        detail,
    )
}

/// The body is longer than allowed.
pub(crate) fn body_too_large(bytes_max: usize) -> Problem {
    Problem::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        "body_too_large",
        "Body too large",
        format!("the body must have at most {bytes_max} bytes"),
    )
}

/// The body did not arrive in time.
pub(crate) fn body_too_slow() -> Problem {
    Problem::new(
        StatusCode::REQUEST_TIMEOUT,
        "request_timeout",
        "Request timeout",
        "the body took too long to arrive",
    )
    .with_header("Connection", "close")
}

/// The path with its query is longer than allowed.
pub(crate) fn uri_too_long(bytes_max: usize) -> Problem {
    Problem::new(
        StatusCode::URI_TOO_LONG,
        "uri_too_long",
        "URI too long",
        format!("path and query must have at most {bytes_max} bytes"),
    )
}

/// The answer was not found in time.
pub(crate) fn timed_out() -> Problem {
    Problem::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "timed_out",
        "Timed out",
        "the answer took too long to be found: a change may or may not have been made",
    )
    .try_again()
}

fn user_not_found(detail: String) -> Problem {
    Problem::new(
        StatusCode::NOT_FOUND,
        "user_not_found",
        "User not found",
        detail,
    )
}

fn user_suspended(detail: String) -> Problem {
    Problem::new(
        StatusCode::FORBIDDEN,
        "user_suspended",
        "User suspended",
        detail,
    )
}

fn event_not_found(detail: String) -> Problem {
    Problem::new(
        StatusCode::NOT_FOUND,
        "event_not_found",
        "Event not found",
        detail,
    )
}

fn booking_not_found(detail: String) -> Problem {
    Problem::new(
        StatusCode::NOT_FOUND,
        "booking_not_found",
        "Booking not found",
        detail,
    )
}
