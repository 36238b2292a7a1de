//! Query parameters.

use std::collections::BTreeMap;

use actix_web::{HttpRequest, web};
use domain::model::{Invalid, Page, PageLimit};

use crate::http::cursor::Cursor;
use crate::http::problem::{Fields, Problem};

/// The query parameters of a request, taken out one by one; what is left at
/// the end does not exist.
pub(crate) struct Query {
    parameters: BTreeMap<String, String>,
    /// Those that were taken out for the links to other pages.
    taken: Vec<(String, String)>,
    fields: Fields,
}

impl Query {
    /// Reads the query of a request.
    ///
    /// # Errors
    /// 400 when a parameter occurs twice or the query cannot be decoded.
    pub(crate) fn parse(request: &HttpRequest) -> Result<Self, Problem> {
        let pairs = web::Query::<Vec<(String, String)>>::from_query(request.query_string())
            .map_err(|_| Problem::invalid_field("query", "cannot be decoded"))?;
        let mut fields = Fields::default();
        let mut parameters = BTreeMap::new();
        for (name, value) in pairs.into_inner() {
            if parameters.insert(name.clone(), value).is_some() {
                fields.wrong(&name, "must not be given twice");
            }
        }
        Ok(Self {
            parameters,
            taken: Vec::new(),
            fields,
        })
    }

    /// A boolean in any of the spellings that clients use.
    pub(crate) fn boolean(&mut self, name: &str, default: bool) -> bool {
        match self.parameters.remove(name).as_deref() {
            None => default,
            Some("true" | "True" | "1") => true,
            Some("false" | "False" | "0") => false,
            Some(_) => {
                self.fields.wrong(name, "must be true or false");
                default
            }
        }
    }

    /// A parameter that may be absent, if it is right.
    pub(crate) fn parsed<T>(
        &mut self,
        name: &str,
        parse: impl FnOnce(&str) -> Result<T, Invalid>,
    ) -> Option<T> {
        let text = self.parameters.remove(name)?;
        let parsed = self.fields.take(name, parse(&text));
        self.taken.push((name.to_owned(), text));
        parsed
    }

    /// A boolean that may be absent.
    pub(crate) fn parsed_boolean(&mut self, name: &str) -> Option<bool> {
        self.parsed(name, |text| match text {
            "true" | "True" | "1" => Ok(true),
            "false" | "False" | "0" => Ok(false),
            _ => Err(Invalid::new("must be true or false")),
        })
    }

    /// The parameters that were [`parsed`](Self::parsed), as a query for the
    /// links to other pages.
    pub(crate) fn taken(&self) -> Option<String> {
        let query = serde_urlencoded::to_string(&self.taken).unwrap_or_default();
        (!query.is_empty()).then_some(query)
    }

    /// `limit` and `cursor`; nothing but them may be left.
    ///
    /// # Errors
    /// 400 that lists every parameter that is wrong, these and earlier ones.
    pub(crate) fn page<C: Cursor>(mut self, default: PageLimit) -> Result<Page<C>, Problem> {
        let limit = self
            .parameters
            .remove("limit")
            .map(|text| PageLimit::try_new(digits(&text).unwrap_or(-1)));
        let limit = self
            .fields
            .take_option("limit", limit)
            .flatten()
            .unwrap_or(default);
        let after = self
            .parameters
            .remove("cursor")
            .map(|text| C::decode(&text));
        let after = self.fields.take_option("cursor", after).flatten();
        for name in self.parameters.keys() {
            self.fields.wrong(name, "is not a parameter of this call");
        }
        self.fields.finish(Some(Page { limit, after }))
    }
}

/// Rust's parser would take a plus sign.
fn digits(text: &str) -> Option<i64> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    if digits { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;
    use proptest::prelude::*;

    use super::*;
    use crate::http::cursor::EventsCursor;

    /// The page, one more text and one more boolean of a query, as the lists
    /// of the administration read them; and what goes into their links.
    type Read = (
        Page<EventsCursor>,
        Option<String>,
        Option<bool>,
        Option<String>,
    );

    fn read(query: &str) -> Result<Read, Problem> {
        let uri = format!("/?{query}");
        // What is no URI does not come this far.
        let Ok(uri) = uri.parse::<actix_web::http::Uri>() else {
            return Err(Problem::invalid_field("query", "cannot be decoded"));
        };
        let request = TestRequest::default()
            .uri(&uri.to_string())
            .to_http_request();
        let mut query = Query::parse(&request)?;
        let text = query.parsed("text", |text| Ok(text.to_owned()));
        let flag = query.parsed_boolean("flag");
        let taken = query.taken();
        Ok((query.page(PageLimit::DEFAULT)?, text, flag, taken))
    }

    fn any_query() -> impl Strategy<Value = String> {
        let name = prop_oneof!["limit|cursor|text|flag", "[a-z%=&+;\\[\\]]{0,8}"];
        let value = prop_oneof![
            "[0-9]{0,4}",
            "[+-]?[0-9]{1,20}",
            "true|false|True|0|1",
            "(%[0-9A-Fa-f]{0,2}|[!-~]){0,12}",
        ];
        prop::collection::vec((name, value), 0..5).prop_map(|pairs| {
            let pairs = pairs
                .into_iter()
                .map(|(name, value)| format!("{name}={value}"));
            pairs.collect::<Vec<_>>().join("&")
        })
    }

    proptest! {
        #[test]
        fn any_query_is_read_or_refused_by_the_names_of_parameters(query in any_query()) {
            match read(&query) {
                Ok((page, text, flag, taken)) => {
                    prop_assert!((1..=100).contains(&page.limit.get()));
                    // Followed, the link says the same again.
                    let again = read(taken.as_deref().unwrap_or_default());
                    let (_, text_again, flag_again, taken_again) = again.expect("a good query");
                    prop_assert_eq!((text, flag, taken), (text_again, flag_again, taken_again));
                }
                Err(problem) => {
                    prop_assert_eq!(problem.status.as_u16(), 400);
                    prop_assert!(!problem.errors.is_empty());
                }
            }
        }

        #[test]
        fn a_limit_is_a_number_of_digits_from_1_to_100(limit in "[+-]?[0-9]{0,4}") {
            let expected = limit.parse::<usize>().ok().filter(|_| !limit.starts_with('+'));
            let expected = expected.filter(|limit| (1..=100).contains(limit));
            let read = read(&format!("limit={limit}"));
            prop_assert_eq!(read.as_ref().ok().map(|(page, ..)| page.limit.get()), expected);
            if let Err(problem) = read {
                prop_assert_eq!(problem.errors[0].field.as_str(), "limit");
            }
        }

        #[test]
        fn whatever_is_searched_for_comes_back_in_links(text in any::<String>(), flag in any::<bool>()) {
            let query = serde_urlencoded::to_string([("text", &text), ("flag", &flag.to_string())]);
            let (_, found, flag_found, taken) = read(&query.expect("text")).expect("a good query");
            prop_assert_eq!((found.as_ref(), flag_found), (Some(&text), Some(flag)));
            let (_, again, ..) = read(&taken.expect("parameters")).expect("a good query");
            prop_assert_eq!(again, Some(text));
        }
    }
}
