//! Ids in paths.

use actix_web::HttpRequest;
use domain::model::Invalid;

use crate::http::problem::Problem;

/// The id that stands in the path under this name.
///
/// # Errors
/// 400 when it is not a positive 64-bit integer.
pub(crate) fn path_id<T>(request: &HttpRequest, name: &str) -> Result<T, Problem>
where
    T: TryFrom<i64, Error = Invalid>,
{
    let text = request.match_info().get(name).unwrap_or_default();
    // Rust's parser would take a plus sign.
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = if digits {
        text.parse::<i64>().ok()
    } else {
        None
    };
    let invalid = || Problem::invalid_field(name, "must be a positive integer");
    T::try_from(number.ok_or_else(invalid)?).map_err(|_| invalid())
}
