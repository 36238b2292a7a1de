//! Many buyers at once for few seats: the run behind `make concurrency`, also
//! used by the race tests.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::json;
use tokio::sync::Barrier;

use crate::client::{Answer, Call, Client, FUTURE, PASSWORD};

/// What to do.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Seats of the event.
    pub capacity: usize,
    /// Bookings of one seat each.
    pub requests: usize,
    /// How many buyers ask at the same time; each asks again when answered.
    pub concurrency: usize,
}

/// How the bookings were answered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Bookings made: 201.
    pub success: usize,
    /// Bookings refused for lack of seats: 409.
    pub conflict: usize,
    /// Every other answer, and none at all.
    pub errors: usize,
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            success,
            conflict,
            errors,
        } = self;
        let total = success + conflict + errors;
        write!(
            f,
            "total: {total} success: {success} conflict: {conflict} errors: {errors}"
        )
    }
}

/// A run that is over.
#[derive(Debug)]
pub struct Run {
    /// The event that everybody wanted.
    pub event_id: i64,
    /// The answers, counted.
    pub tally: Tally,
    /// The ids of the bookings that were made.
    booking_ids: Vec<i64>,
    /// The first answer that is neither a booking nor a refusal.
    first_error: Option<String>,
}

/// Makes an event and a user, then fires the bookings at the servers in turn.
///
/// # Errors
/// A sentence when the event or the user cannot be made.
pub async fn run(servers: &[Client], plan: Plan) -> Result<Run, String> {
    let first = servers.first().ok_or("there is no server to ask")?;
    let event = json!({ "name": "Concurrency", "start_at": FUTURE, "capacity": plan.capacity });
    let event_id = made(first.post("/admin/events", &event).admin(), "event").await?;
    let email = unique_email();
    let user = json!({ "email": email, "password": PASSWORD });
    let user_id = made(first.post("/users", &user), "user").await?;
    let access_token = logged_in(first, &email).await?;

    let workers = plan.concurrency.min(plan.requests);
    let together = Arc::new(Barrier::new(workers.max(1)));
    let asked = Arc::new(AtomicUsize::new(0));
    let answers = Arc::new(Mutex::new(Vec::with_capacity(plan.requests)));
    let workers: Vec<_> = (0..workers)
        .map(|worker| {
            let server = servers[worker % servers.len()].clone();
            let (together, asked) = (Arc::clone(&together), Arc::clone(&asked));
            let (answers, access_token) = (Arc::clone(&answers), access_token.clone());
            tokio::spawn(async move {
                together.wait().await;
                while asked.fetch_add(1, Ordering::Relaxed) < plan.requests {
                    let call = server.book(user_id, event_id, 1).bearer(&access_token);
                    let answer = call.try_send().await;
                    answers
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .push(answer);
                }
            })
        })
        .collect();
    for worker in workers {
        worker
            .await
            .map_err(|error| format!("a buyer failed: {error}"))?;
    }
    let answers = std::mem::take(&mut *answers.lock().unwrap_or_else(PoisonError::into_inner));
    Ok(count(event_id, answers))
}

/// Users have to be, on servers that others can reach.
async fn logged_in(server: &Client, email: &str) -> Result<String, String> {
    let answer = server.login(email, PASSWORD).try_send().await;
    let answer = answer.map_err(|error| root_cause(&error))?;
    if answer.status != 200 {
        return Err(format!("the user could not log in: {answer}"));
    }
    let token = answer.json()["access_token"].as_str().map(str::to_owned);
    token.ok_or_else(|| format!("there is no token: {answer}"))
}

async fn made(call: Call, what: &str) -> Result<i64, String> {
    let answer = call
        .try_send()
        .await
        .map_err(|error| format!("the server is not reachable: {}", root_cause(&error)))?;
    match answer.status {
        201 => Ok(answer.id("id")),
        401 => Err(format!(
            "the {what} was not created: set ADMIN_KEY to the key of that server"
        )),
        status => {
            let body = String::from_utf8_lossy(&answer.body);
            Err(format!("the {what} was not created: {status} {body}"))
        }
    }
}

fn unique_email() -> String {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or(Duration::ZERO);
    let nanoseconds = now.as_nanos();
    format!("buyer-{nanoseconds}-{}@example.com", std::process::id())
}

fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}

fn count(event_id: i64, answers: Vec<Result<Answer, reqwest::Error>>) -> Run {
    let mut run = Run {
        event_id,
        tally: Tally::default(),
        booking_ids: Vec::new(),
        first_error: None,
    };
    for answer in answers {
        match answer {
            Ok(answer) if answer.status == 201 => {
                run.tally.success += 1;
                run.booking_ids.push(answer.id("booking_id"));
            }
            Ok(answer) if answer.status == 409 => run.tally.conflict += 1,
            Ok(answer) => run.note_error(answer.to_string()),
            Err(error) => run.note_error(root_cause(&error)),
        }
    }
    run
}

impl Run {
    fn note_error(&mut self, error: String) {
        self.tally.errors += 1;
        self.first_error.get_or_insert(error);
    }

    /// Checks that exactly the seats there were have been sold, by the answers
    /// and by what the API says afterwards.
    ///
    /// # Errors
    /// A sentence that says what differs.
    pub async fn verify(&self, server: &Client, plan: Plan) -> Result<(), String> {
        let sold = plan.capacity.min(plan.requests);
        let expected = Tally {
            success: sold,
            conflict: plan.requests - sold,
            errors: 0,
        };
        if self.tally != expected {
            let hint = self.first_error.as_deref();
            let hint = hint.map_or(String::new(), |error| format!("; first error: {error}"));
            return Err(format!("expected {expected}, got {}{hint}", self.tally));
        }

        let path = format!("/events/{}", self.event_id);
        let left = &fetch(server.get(&path)).await?.json()["seats_available"];
        if *left != json!(plan.capacity - sold) {
            return Err(format!(
                "event {} has {left} seats left, expected {}",
                self.event_id,
                plan.capacity - sold
            ));
        }

        let mut confirmed = self.confirmed(server).await?;
        let mut booked = self.booking_ids.clone();
        confirmed.sort_unstable();
        booked.sort_unstable();
        if confirmed != booked {
            return Err(format!(
                "event {} lists the confirmed bookings {confirmed:?}, but {booked:?} were made",
                self.event_id
            ));
        }
        Ok(())
    }

    /// The confirmed bookings of the event, by the admin's list.
    async fn confirmed(&self, server: &Client) -> Result<Vec<i64>, String> {
        let mut confirmed = Vec::new();
        let mut next = Some(format!(
            "/admin/events/{}/bookings?limit=100",
            self.event_id
        ));
        while let Some(path) = next {
            let answer = fetch(server.get(&path).admin()).await?;
            let page = answer.json();
            let ids = page
                .as_array()
                .into_iter()
                .flatten()
                .filter(|booking| booking["status"] == "CONFIRMED")
                .filter_map(|booking| booking["booking_id"].as_i64());
            confirmed.extend(ids);
            next = answer.next();
        }
        Ok(confirmed)
    }
}

async fn fetch(call: Call) -> Result<Answer, String> {
    match call.try_send().await {
        Ok(answer) if answer.status == 200 => Ok(answer),
        Ok(answer) => Err(format!("the result cannot be checked: {answer}")),
        Err(error) => Err(format!(
            "the server went away before the result was checked: {}",
            root_cause(&error)
        )),
    }
}

/// Reads the plan and the server from environment variables.
///
/// # Errors
/// A sentence that names a variable with an impossible value.
pub fn from_environment(
    variable: impl Fn(&str) -> Option<String>,
) -> Result<(Client, Plan), String> {
    let text = |name: &str, default: &str| {
        variable(name)
            .filter(|value| !value.is_empty())
            .unwrap_or_else(|| default.to_owned())
    };
    let number = |name: &str, default: usize, least: usize| {
        let value = text(name, &default.to_string());
        match value.parse() {
            Ok(number) if number >= least => Ok(number),
            _ => Err(format!(
                "{name} must be a whole number of at least {least}, not {value:?}"
            )),
        }
    };
    let base = text("BASE", "http://127.0.0.1:8000");
    if !base.starts_with("http://") {
        return Err(format!("BASE must start with http://, not be {base:?}"));
    }
    let requests = number("REQUESTS", 50, 1)?;
    let plan = Plan {
        capacity: number("CAPACITY", 5, 0)?,
        requests,
        concurrency: number("CONCURRENCY", requests, 1)?,
    };
    let client = Client::new(&base, &text("ADMIN_KEY", "change_me_admin_key"));
    Ok((client, plan))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tally_reads_as_operators_know_it() {
        let tally = Tally {
            success: 5,
            conflict: 45,
            errors: 0,
        };
        assert_eq!(
            tally.to_string(),
            "total: 50 success: 5 conflict: 45 errors: 0"
        );
    }

    #[test]
    fn impossible_settings_are_named() {
        for (name, value) in [
            ("REQUESTS", "0"),
            ("REQUESTS", "many"),
            ("CONCURRENCY", "0"),
            ("CAPACITY", "-1"),
            ("BASE", "localhost:8000"),
        ] {
            let refused = from_environment(|asked| (asked == name).then(|| value.to_owned()));
            let sentence = refused.expect_err("impossible");
            assert!(sentence.contains(name), "{sentence}");
        }
    }

    #[test]
    fn everybody_asks_at_once_unless_told_otherwise() {
        let (_, plan) = from_environment(|name| (name == "REQUESTS").then(|| "70".to_owned()))
            .expect("possible");
        assert_eq!(
            (plan.capacity, plan.requests, plan.concurrency),
            (5, 70, 70)
        );
    }
}
