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
