//! What every refusal looks like: RFC 9457 with our members.

use serde_json::Value;

use crate::client::Answer;

/// How a problem says that nobody knows what became of a change.
pub const NOBODY_KNOWS: &str = "may or may not have been made";

/// A problem+json body that has been checked to be a whole one.
#[derive(Debug)]
pub struct Problem {
    body: Value,
    shown: String,
}

impl Problem {
    /// Panics unless the answer is a complete problem of that status and code.
    pub(crate) fn of(answer: &Answer, status: u16, code: &str) -> Self {
        let shown = answer.to_string();
        assert_eq!(answer.status, status, "{shown}");
        assert_eq!(
            answer.header("content-type"),
            Some("application/problem+json"),
            "{shown}"
        );
        let body = answer.json();
        for member in ["type", "title", "detail", "code", "request_id"] {
            let text = body[member].as_str().unwrap_or_default();
            assert!(!text.is_empty(), "`{member}` is no text: {shown}");
        }
        assert_eq!(body["status"], status, "`status` differs: {shown}");
        assert_eq!(body["code"], code, "{shown}");
        assert_eq!(
            body["request_id"].as_str(),
            answer.header("x-request-id"),
            "`request_id` differs from the header: {shown}"
        );
        if let Some(errors) = body.get("errors") {
            for error in errors.as_array().expect("`errors` is an array") {
                assert!(error["field"].is_string(), "{shown}");
                assert!(error["message"].is_string(), "{shown}");
            }
        }
        if matches!(status, 429 | 503) {
            let seconds = answer.header("retry-after").unwrap_or_default();
            assert!(seconds.parse::<u32>().is_ok(), "Retry-After: {shown}");
        }
        Self { body, shown }
    }

    /// The fields that are at fault, in the order in which they are listed.
    pub fn fields(&self) -> Vec<&str> {
        self.body["errors"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|error| error["field"].as_str())
            .collect()
    }

    /// Panics unless that field, and no other, is said to be at fault.
    pub fn names(&self, field: &str) {
        assert_eq!(self.fields(), [field], "{}", self.shown);
    }

    /// The text for people.
    pub fn detail(&self) -> &str {
        self.body["detail"].as_str().unwrap_or_default()
    }
}
