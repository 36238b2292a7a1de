//! Short names for the values that promises speak of.

use chrono::{DateTime, TimeDelta, Utc};
use domain::model::{
    BookingId, Capacity, Email, EventId, EventName, EventSeats, IdempotencyKey, NewUser, PageLimit,
    PasswordHash, PublishEvent, ReservationId, SeatCount, Timeline, UserId, UserName, Venue,
};

pub(crate) fn seats(count: i64) -> SeatCount {
    SeatCount::try_new(count).expect("a number of seats")
}

pub(crate) fn capacity(count: i64) -> Capacity {
    Capacity::try_new(count).expect("a capacity")
}

pub(crate) fn limit(entries: usize) -> PageLimit {
    let entries = i64::try_from(entries).expect("small");
    PageLimit::try_new(entries).expect("1 to 100")
}

pub(crate) fn key(text: &str) -> IdempotencyKey {
    IdempotencyKey::parse(text).expect("a key")
}

pub(crate) fn name(text: &str) -> EventName {
    EventName::parse(text).expect("a name")
}

pub(crate) fn venue(text: &str) -> Venue {
    Venue::parse(text).expect("a venue")
}

pub(crate) fn new_user(email: &str, name: Option<&str>) -> NewUser {
    NewUser {
        email: Email::parse(email).expect("an address"),
        name: name.map(|name| UserName::parse(name).expect("a name")),
        password: None,
    }
}

/// The hash of a password; which one, the text says.
pub(crate) fn password(text: &str) -> PasswordHash {
    PasswordHash::from_phc(format!("$argon2id$v=19$m=19456,t=2,p=1$c2FsdA${text}"))
}

/// The hash that [`Bench::user`](crate::Bench::user) registers people with.
pub(crate) fn first_password() -> PasswordHash {
    password("registered")
}

/// Ids that no store gives out.
pub(crate) fn nobody() -> UserId {
    UserId::try_new(i64::MAX).expect("positive")
}

pub(crate) fn no_event() -> EventId {
    EventId::try_new(i64::MAX).expect("positive")
}

pub(crate) fn no_booking() -> BookingId {
    BookingId::try_new(i64::MAX).expect("positive")
}

/// The first instant of a year.
pub(crate) fn year(year: i32) -> DateTime<Utc> {
    let day = chrono::NaiveDate::from_ymd_opt(year, 1, 1).expect("a year of the calendar");
    day.and_time(chrono::NaiveTime::MIN).and_utc()
}

/// To come for as long as this suite is run.
pub(crate) fn future() -> DateTime<Utc> {
    year(2100)
}

/// Over.
pub(crate) fn past() -> DateTime<Utc> {
    year(2000)
}

pub(crate) fn later(seconds: i64) -> DateTime<Utc> {
    future() + TimeDelta::seconds(seconds)
}

pub(crate) fn details(text: &str, start_at: DateTime<Utc>, seats: i64) -> PublishEvent {
    PublishEvent {
        name: name(text),
        venue: None,
        start_at,
        capacity: capacity(seats),
    }
}

/// Before and behind everything in a list ordered by time, either way.
pub(crate) fn first_place() -> Timeline {
    Timeline {
        at: year(0),
        id: i64::MIN,
    }
}

/// See [`first_place`].
pub(crate) fn last_place() -> Timeline {
    Timeline {
        at: year(10_000) - TimeDelta::microseconds(1),
        id: i64::MAX,
    }
}

/// Texts that a store may stumble over: scripts, signs beyond 16 bits, letters
/// that combine or that have no or several other cases, what SQL, patterns and
/// formats mean something by, and the longest ones.
pub(crate) fn odd_texts() -> Vec<String> {
    let mut texts: Vec<String> = [
        "ಉತ್ಸವ 🎉",
        "Ünïcødé — ÄÖÜß ẞ",
        "e\u{301}te\u{301} été",
        "İstanbul ıI",
        "עברית والعربية",
        "日本語　フェス",
        "👩‍👩‍👧‍👦 zero\u{200d}width\u{feff}",
        "𐍈\u{10ffff}",
        "o'neil \"quoted\" `tick`",
        "'; DROP TABLE events; --",
        "100 % _like_ \\ backslash",
        "{\"json\": [1, null]} $1 ?1 :a @b",
        "NULL",
        "0",
        "-1e309",
    ]
    .map(str::to_owned)
    .to_vec();
    texts.push("x".repeat(255));
    texts.push("🎟".repeat(255));
    texts
}

pub(crate) fn event_id(id: i64) -> EventId {
    EventId::try_new(id).expect("positive")
}

pub(crate) fn reservation(bits: u128) -> ReservationId {
    ReservationId::from_random_bits(bits)
}

/// An upcoming event with so many seats left.
pub(crate) fn seats_of(event: i64, left: i64) -> EventSeats {
    EventSeats {
        event_id: event_id(event),
        seats_available: capacity(left),
        start_at: future(),
    }
}
