//! Buys two seats from Utsavam, looks at them, and gives them back: the same as
//! `docs/examples/buy.py`, for clients in Rust.
//!
//! Run it with `cargo run -p utsavam-tests --example buy -- http://127.0.0.1:8000`.

use std::time::{Duration, Instant};

use reqwest::header::RETRY_AFTER;
use reqwest::{Client, Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};

/// How long one answer may take: the server finds one within a minute.
const ANSWER_MAX: Duration = Duration::from_secs(65);

/// When this client gives up.
const PATIENCE: Duration = Duration::from_secs(120);

/// Why there is nothing to show for a call.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The answer is no. Programs decide by `code`, which stays as it is.
    Refused { code: String, detail: String },
    /// There was no answer, or always "not now", for as long as we wait.
    #[expect(dead_code, reason = "it is for who reads it")]
    Away(String),
}

/// A user who is logged in.
pub(crate) struct Buyer {
    http: Client,
    base: String,
    token: String,
}

impl Buyer {
    /// Registers, unless somebody has, and logs in.
    pub(crate) async fn log_in(base: &str, email: &str, password: &str) -> Result<Self, Failure> {
        let mut buyer = Self {
            http: Client::builder().timeout(ANSWER_MAX).build()?,
            base: base.to_owned(),
            token: String::new(),
        };
        let account = json!({ "email": email, "password": password });
        match buyer
            .ask(Method::POST, "/users", Some(&account), None)
            .await
        {
            // Taken also when the first answer was lost and this is the second try.
            Err(Failure::Refused { code, .. }) if code == "email_taken" => {}
            other => drop(other?),
        }
        let session = buyer.ask(Method::POST, "/auth/login", Some(&account), None);
        buyer.token = text(&session.await?["access_token"]);
        Ok(buyer)
    }

    /// Books under a key that stands for this wish alone, and is to be kept with
    /// the order: however often it is asked, the booking is made once.
    pub(crate) async fn book(
        &self,
        event_id: i64,
        seats: u32,
        key: &str,
    ) -> Result<Value, Failure> {
        let wish = json!({ "event_id": event_id, "seats": seats });
        self.ask(Method::POST, "/bookings", Some(&wish), Some(key))
            .await
    }

    /// Makes a request until it is answered with yes or no; returns what the
    /// answer holds.
    pub(crate) async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        key: Option<&str>,
    ) -> Result<Value, Failure> {
        let url = format!("{}{path}", self.base);
        let give_up = Instant::now() + PATIENCE;
        loop {
            let mut request = self.http.request(method.clone(), &url);
            if !self.token.is_empty() {
                request = request.bearer_auth(&self.token);
            }
            if let Some(body) = body {
                request = request.json(body);
            }
            if let Some(key) = key {
                request = request.header("Idempotency-Key", format!("\"{key}\""));
            }
            let (wait, trouble) = match ask_once(request).await? {
                Answer::Final(answer) => return answer,
                Answer::NotNow { wait, trouble } => (wait, trouble),
            };
            if Instant::now() + wait > give_up {
                return Err(Failure::Away(trouble));
            }
            tokio::time::sleep(wait).await;
        }
    }
}

enum Answer {
    Final(Result<Value, Failure>),
    /// A connection that broke, or a server that cannot answer now.
    NotNow {
        wait: Duration,
        trouble: String,
    },
}

async fn ask_once(request: RequestBuilder) -> Result<Answer, Failure> {
    let answer = match request.send().await {
        Ok(answer) => answer,
        Err(error) if error.is_builder() => return Err(error.into()),
        Err(error) => return Ok(not_now(1, error.to_string())),
    };
    let status = answer.status();
    let wait = answer.headers().get(RETRY_AFTER);
    let wait = wait.and_then(|seconds| seconds.to_str().ok()?.parse().ok());
    if [429, 502, 503, 504].contains(&status.as_u16()) {
        return Ok(not_now(wait.unwrap_or(1), status.to_string()));
    }
    if status == StatusCode::NO_CONTENT {
        return Ok(Answer::Final(Ok(Value::Null)));
    }
    // What broke off may have been a yes.
    let content: Value = match answer.json().await {
        Ok(content) => content,
        Err(error) => return Ok(not_now(1, error.to_string())),
    };
    Ok(Answer::Final(if status.is_success() {
        Ok(content)
    } else {
        Err(Failure::Refused {
            code: text(&content["code"]),
            detail: text(&content["detail"]),
        })
    }))
}

fn not_now(seconds: u64, trouble: String) -> Answer {
    let wait = Duration::from_secs(seconds);
    Answer::NotNow { wait, trouble }
}

fn text(member: &Value) -> String {
    member.as_str().unwrap_or_default().to_owned()
}

impl From<reqwest::Error> for Failure {
    fn from(error: reqwest::Error) -> Self {
        Self::Away(error.to_string())
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let base = std::env::args().nth(1);
    let base = base.expect("the first argument is the server, as in http://127.0.0.1:8000");
    for line in buy_and_give_back(&base).await? {
        println!("{line}");
    }
    Ok(())
}

/// Tells what it did, line by line.
pub(crate) async fn buy_and_give_back(base: &str) -> Result<Vec<String>, Failure> {
    let me = format!("{:016x}", fastrand::u64(..));
    let buyer = Buyer::log_in(base, &format!("{me}@example.com"), "correct horse battery").await?;

    let events = buyer.ask(Method::GET, "/events", None, None).await?;
    let event = events.as_array().into_iter().flatten();
    let event = event
        .into_iter()
        .find(|event| event["seats_available"].as_i64() >= Some(2));
    let Some(event) = event else {
        return Ok(vec!["nothing is on sale".to_owned()]);
    };
    let mut told = vec![format!(
        "{}: {} seats left",
        text(&event["name"]),
        event["seats_available"]
    )];

    let event_id = event["id"].as_i64().unwrap_or_default();
    let booking = match buyer.book(event_id, 2, &format!("order-{me}")).await {
        Ok(booking) => booking,
        // not_enough_seats, event_started, sales_paused …: docs/api.md has all of them.
        Err(Failure::Refused { code, detail }) => {
            told.push(format!("no seats for us ({code}): {detail}"));
            return Ok(told);
        }
        Err(away) => return Err(away),
    };
    let id = &booking["booking_id"];
    told.push(format!(
        "booking {id}: {} seats, {}",
        booking["seats"],
        text(&booking["status"])
    ));

    let mine = buyer
        .ask(Method::GET, "/users/me/bookings", None, None)
        .await?;
    assert_eq!(mine[0]["id"], *id, "one's own bookings have it");

    let path = format!("/bookings/{id}");
    let cancelled = buyer.ask(Method::DELETE, &path, None, None).await?;
    told.push(format!("booking {id}: {}", text(&cancelled["status"])));
    Ok(told)
}
