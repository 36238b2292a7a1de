//! A client of the HTTP interface that keeps whatever comes back, good or bad.

use std::future::IntoFuture;
use std::time::Duration;

use futures::future::BoxFuture;
use reqwest::Method;
use reqwest::header::HeaderMap;
use serde_json::{Value, json};

use crate::problem::Problem;

/// When the events of the tests begin, unless they say otherwise.
pub const FUTURE: &str = "2099-06-01T18:00:00Z";

/// A beginning that is over.
pub const PAST: &str = "2020-06-01T18:00:00Z";

/// Longer than any answer may take, so that a hanging server fails the test.
const DEADLINE: Duration = Duration::from_secs(120);

/// Pages of one list that [`Client::pages`] follows at most.
const PAGES_MAX: usize = 1000;

/// Talks to one server.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    base: String,
    admin_key: String,
}

/// A password that will do.
pub const PASSWORD: &str = "correct horse battery";

/// Somebody who is logged in.
#[derive(Debug, Clone)]
pub struct Person {
    /// Their id.
    pub id: i64,
    /// Proves who they are.
    pub access_token: String,
    /// Is exchanged for the next tokens.
    pub refresh_token: String,
}

/// A request that is not sent yet; awaiting it sends it.
#[derive(Debug)]
pub struct Call {
    request: reqwest::RequestBuilder,
    shown: String,
    admin_key: String,
}

/// A response, read to its end.
#[derive(Debug, Clone)]
pub struct Answer {
    shown: String,
    /// The status code.
    pub status: u16,
    /// The header fields.
    pub headers: HeaderMap,
    /// The body as it came.
    pub body: Vec<u8>,
}

impl Client {
    /// A client of the server at that address, such as `http://127.0.0.1:8000`.
    pub fn new(base: &str, admin_key: &str) -> Self {
        Self::with(reqwest::Client::builder(), base, admin_key)
    }

    /// As `new`, with a connection for each request.
    pub(crate) fn hanging_up(base: &str, admin_key: &str) -> Self {
        let http = reqwest::Client::builder().pool_max_idle_per_host(0);
        Self::with(http, base, admin_key)
    }

    fn with(http: reqwest::ClientBuilder, base: &str, admin_key: &str) -> Self {
        let http = http
            .timeout(DEADLINE)
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .expect("a client without TLS needs nothing");
        Self {
            http,
            base: base.trim_end_matches('/').to_owned(),
            admin_key: admin_key.to_owned(),
        }
    }

    /// Any request.
    pub fn call(&self, method: Method, path: &str) -> Call {
        Call {
            shown: format!("{method} {path}"),
            request: self.http.request(method, format!("{}{path}", self.base)),
            admin_key: self.admin_key.clone(),
        }
    }

    /// A GET request.
    pub fn get(&self, path: &str) -> Call {
        self.call(Method::GET, path)
    }

    /// A POST request with a JSON body.
    pub fn post(&self, path: &str, body: &Value) -> Call {
        self.call(Method::POST, path).json(body)
    }

    /// A PUT request with a JSON body.
    pub fn put(&self, path: &str, body: &Value) -> Call {
        self.call(Method::PUT, path).json(body)
    }

    /// A PATCH request with a JSON body.
    pub fn patch(&self, path: &str, body: &Value) -> Call {
        self.call(Method::PATCH, path).json(body)
    }

    /// A DELETE request.
    pub fn delete(&self, path: &str) -> Call {
        self.call(Method::DELETE, path)
    }

    /// Registers somebody and returns their id.
    pub async fn register(&self, email: &str) -> i64 {
        let answer = self.post("/users", &json!({ "email": email })).await;
        answer.expect(201).id("id")
    }

    /// Registers somebody with a password and logs them in.
    pub async fn signed_up(&self, email: &str) -> Person {
        let user = json!({ "email": email, "password": PASSWORD });
        let id = self.post("/users", &user).await.expect(201).id("id");
        let session = self.login(email, PASSWORD).await;
        let session = session.expect(200).json();
        let text = |member: &str| session[member].as_str().expect("a token").to_owned();
        Person {
            id,
            access_token: text("access_token"),
            refresh_token: text("refresh_token"),
        }
    }

    /// Tries to log in.
    pub fn login(&self, email: &str, password: &str) -> Call {
        self.post(
            "/auth/login",
            &json!({ "email": email, "password": password }),
        )
    }

    /// Makes a key for a service and returns its id and itself.
    pub async fn api_key(&self, scopes: &[&str]) -> (i64, String) {
        let wanted = json!({ "name": "Web shop", "scopes": scopes });
        let answer = self.post("/admin/api-keys", &wanted).admin().await;
        let key = answer.expect(201).json()["key"].clone();
        (answer.id("id"), key.as_str().expect("a key").to_owned())
    }

    /// Puts an upcoming event with that many seats on sale and returns its id.
    pub async fn publish(&self, capacity: i64) -> i64 {
        let event = json!({ "name": "Concert", "start_at": FUTURE, "capacity": capacity });
        self.publish_event(&event).await
    }

    /// Puts an event on sale and returns its id.
    pub async fn publish_event(&self, event: &Value) -> i64 {
        let answer = self.post("/admin/events", event).admin().await;
        answer.expect(201).id("id")
    }

    /// Asks for seats.
    pub fn book(&self, user_id: i64, event_id: i64, seats: i64) -> Call {
        let booking = json!({ "user_id": user_id, "event_id": event_id, "seats": seats });
        self.post("/bookings", &booking)
    }

    /// Books seats that are there and returns the booking's id.
    pub async fn booked(&self, user_id: i64, event_id: i64, seats: i64) -> i64 {
        let answer = self.book(user_id, event_id, seats).await;
        answer.expect(201).id("booking_id")
    }

    /// Cancels a booking.
    pub fn cancel(&self, booking_id: i64) -> Call {
        self.delete(&format!("/bookings/{booking_id}"))
    }

    /// Changes an event.
    pub fn change(&self, event_id: i64, change: &Value) -> Call {
        self.put(&format!("/admin/events/{event_id}"), change)
            .admin()
    }

    /// Deletes an event.
    pub fn delete_event(&self, event_id: i64) -> Call {
        self.delete(&format!("/admin/events/{event_id}")).admin()
    }

    /// An event that is there.
    pub async fn event(&self, event_id: i64) -> Value {
        let answer = self.get(&format!("/events/{event_id}")).await;
        answer.expect(200).json()
    }

    /// How many seats an event has left.
    pub async fn seats_available(&self, event_id: i64) -> i64 {
        self.event(event_id).await["seats_available"]
            .as_i64()
            .expect("seats_available is a number")
    }

    /// Follows a list from this path to its end, as the admin where the path
    /// needs one. Panics on a page that is neither full nor the last.
    pub async fn pages(&self, path: &str) -> Vec<Value> {
        let mut pages: Vec<Value> = Vec::new();
        let mut next = Some(path.to_owned());
        while let Some(path) = next {
            let call = self.get(&path);
            let answer = if path.starts_with("/admin") {
                call.admin().await
            } else {
                call.await
            };
            pages.push(answer.expect(200).json());
            next = answer.next();
            assert!(pages.len() < PAGES_MAX, "{path} never ends");
        }
        pages
    }

    /// All entries of a list that is an array, from this path to its end.
    pub async fn entries(&self, path: &str) -> Vec<Value> {
        let pages = self.pages(path).await;
        pages
            .into_iter()
            .flat_map(|page| match page {
                Value::Array(entries) => entries,
                other => panic!("{path} is no array: {other}"),
            })
            .collect()
    }
}

impl Call {
    /// Adds a header field. A value that is no text may be given as bytes.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.request = self.request.header(name, value.as_ref());
        self
    }

    /// Speaks as the user who has this access token.
    #[must_use]
    pub fn bearer(self, access_token: &str) -> Self {
        self.header("Authorization", format!("Bearer {access_token}"))
    }

    /// Speaks as the service that has this key.
    #[must_use]
    pub fn api_key(self, key: &str) -> Self {
        self.header("X-API-Key", key)
    }

    /// Speaks as the admin.
    #[must_use]
    pub fn admin(self) -> Self {
        let key = self.admin_key.clone();
        self.header("X-Admin-Key", key)
    }

    /// Sends JSON.
    #[must_use]
    pub fn json(self, body: &Value) -> Self {
        self.raw(body.to_string())
    }

    /// Sends these bytes as if they were JSON.
    #[must_use]
    pub fn raw(self, body: impl Into<Vec<u8>>) -> Self {
        self.header("Content-Type", "application/json")
            .untyped(body)
    }

    /// Sends these bytes without a media type.
    #[must_use]
    pub fn untyped(mut self, body: impl Into<Vec<u8>>) -> Self {
        let body = body.into();
        let head = String::from_utf8_lossy(&body[..body.len().min(300)]).into_owned();
        self.shown = format!("{} {head}", self.shown);
        self.request = self.request.body(body);
        self
    }

    /// Sends the request and reads the whole answer.
    ///
    /// # Errors
    /// No complete answer came.
    pub async fn try_send(self) -> Result<Answer, reqwest::Error> {
        let response = self.request.send().await?;
        Ok(Answer {
            shown: self.shown,
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            body: response.bytes().await?.to_vec(),
        })
    }
}

impl IntoFuture for Call {
    type Output = Answer;
    type IntoFuture = BoxFuture<'static, Answer>;

    /// Sends the request; panics when no answer comes.
    fn into_future(self) -> Self::IntoFuture {
        let shown = self.shown.clone();
        Box::pin(async move {
            self.try_send()
                .await
                .unwrap_or_else(|error| panic!("{shown}: {error:?}"))
        })
    }
}

impl Answer {
    /// Panics, showing the answer, unless it has this status.
    pub fn expect(&self, status: u16) -> &Self {
        assert_eq!(self.status, status, "{self}");
        self
    }

    /// The body, which must be JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self}"))
    }

    /// A member of the body that is a positive whole number.
    pub fn id(&self, member: &str) -> i64 {
        let id = self.json()[member].as_i64().unwrap_or_default();
        assert!(id > 0, "`{member}` is no id: {self}");
        id
    }

    /// A header field, if it is there and text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// Where the next page is, by `Link: </path?…>; rel="next"`.
    pub fn next(&self) -> Option<String> {
        let link = self.header("link")?;
        let target = link
            .strip_prefix('<')
            .and_then(|rest| rest.strip_suffix(">; rel=\"next\""))
            .unwrap_or_else(|| panic!("Link {link:?} is not one next page: {self}"));
        assert!(target.starts_with('/'), "{target:?} is no absolute path");
        Some(target.to_owned())
    }

    /// Checks that this is a complete problem of that status and code.
    pub fn problem(&self, status: u16, code: &str) -> Problem {
        Problem::of(self, status, code)
    }

    /// Checks that this is a 400 about exactly that field.
    pub fn refuses(&self, field: &str) {
        self.problem(400, "invalid_input").names(field);
    }
}

impl std::fmt::Display for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} answered {} {:?}\n{}",
            self.shown,
            self.status,
            self.headers,
            String::from_utf8_lossy(&self.body)
        )
    }
}
