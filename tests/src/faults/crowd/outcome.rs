//! What an answer means.

use serde_json::Value;

use crate::client::Answer;
use crate::faults::history::{Ask, Outcome};
use crate::problem::NOBODY_KNOWS;

pub(super) fn outcome(ask: &Ask, answer: Result<Answer, reqwest::Error>) -> Outcome {
    match answer {
        // Nobody heard it.
        Err(error) if error.is_connect() => Outcome::NothingDone,
        Err(_) => Outcome::Unknown,
        Ok(answer) => {
            let told = told(ask, &answer);
            told.unwrap_or_else(|| Outcome::Unexpected(answer.to_string()))
        }
    }
}

fn told(ask: &Ask, answer: &Answer) -> Option<Outcome> {
    let json: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let code = json["code"].as_str().unwrap_or_default();
    let outcome = match (ask, answer.status, code) {
        (Ask::Book { .. }, 201, _) => Outcome::Booked {
            booking: json["booking_id"].as_i64()?,
            replayed: answer.header("idempotency-replayed").is_some(),
        },
        (Ask::Book { .. }, 409, "not_enough_seats") => Outcome::NotEnoughSeats,
        (Ask::Book { .. }, 409, "event_started") => Outcome::Started,
        (Ask::Cancel { .. }, 200, _) if json["status"] == "CANCELLED" => Outcome::Cancelled,
        (Ask::Resize { capacity, .. }, 200, _) if json["capacity"] == *capacity => {
            Outcome::Resized {
                available: json["seats_available"].as_i64()?,
            }
        }
        (Ask::Resize { .. }, 400, "invalid_input") => Outcome::BelowConfirmed,
        (Ask::Delete { .. }, 204, _) => Outcome::Deleted,
        (Ask::Read { .. }, 200, _) => Outcome::Seen {
            capacity: json["capacity"].as_i64()?,
            available: json["seats_available"].as_i64()?,
        },
        (Ask::ReadBooking { .. }, 200, _) => Outcome::SeenBooking {
            confirmed: match json["status"].as_str()? {
                "CONFIRMED" => true,
                "CANCELLED" => false,
                _ => return None,
            },
        },
        (Ask::Cancel { .. } | Ask::ReadBooking { .. }, 404, "booking_not_found")
        | (
            Ask::Book { .. } | Ask::Resize { .. } | Ask::Delete { .. } | Ask::Read { .. },
            404,
            "event_not_found",
        ) => Outcome::NotFound,
        // A clock that was put back leaves a client with an empty bucket for a while.
        (_, 429, "rate_limited") => {
            answer.header("retry-after")?;
            Outcome::NothingDone
        }
        // 502 and 504 come from a balancer.
        (_, 502..=504, "overloaded" | "unavailable" | "timed_out") => {
            // Who is told to come again is told when.
            answer.header("retry-after")?;
            let detail = json["detail"].as_str()?;
            let is_change = !matches!(ask, Ask::Read { .. } | Ask::ReadBooking { .. });
            if is_change && detail.contains(NOBODY_KNOWS) {
                Outcome::Unknown
            } else {
                Outcome::NothingDone
            }
        }
        _ => return None,
    };
    Some(outcome)
}
