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

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;
    use domain::model::EventId;
    use proptest::prelude::*;

    use super::*;

    fn of_path(text: &str) -> Result<EventId, Problem> {
        let request = TestRequest::default().param("event_id", text.to_owned());
        path_id(&request.to_http_request(), "event_id")
    }

    proptest! {
        #[test]
        fn any_text_is_a_positive_number_of_digits_or_refused_by_name(
            text in prop_oneof![".{0,30}", "[-+]?[0-9]{0,20}", "922337203685477580[0-9]"],
        ) {
            let is_number = !text.is_empty() && text.chars().all(|c| c.is_ascii_digit());
            let number = text.parse::<u128>().ok().filter(|_| is_number);
            let fits = number.filter(|number| (1..=i64::MAX as u128).contains(number));
            match of_path(&text) {
                Ok(id) => prop_assert_eq!(Some(id.get() as u128), fits),
                Err(problem) => {
                    prop_assert_eq!(fits, None);
                    prop_assert_eq!(problem.errors[0].field.as_str(), "event_id");
                }
            }
        }

        #[test]
        fn every_id_comes_back_as_it_went(id in 1..=i64::MAX) {
            let read = of_path(&id.to_string()).map(EventId::get);
            prop_assert_eq!(read.ok(), Some(id));
        }
    }
}
