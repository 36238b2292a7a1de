//! Any records that an archive may hold.

use chrono::DateTime;
use domain::model::{
    Actor, ApiKey, ApiKeyId, ApiKeyName, ApiKeyRecord, AuditEntry, AuditId, AuditObject,
    AuditRecord, Booking, BookingId, BookingRecord, BookingStatus, Capacity, Email, Event, EventId,
    EventName, EventRecord, IdempotencyKey, KeyRecord, KeyedBooking, PasswordHash, PublishEvent,
    Record, Scope, Scopes, SeatCount, SecretDigest, User, UserId, UserName, UserRecord, Venue,
};
use proptest::option;
use proptest::prelude::*;

pub(super) fn micros(at: i64) -> DateTime<chrono::Utc> {
    DateTime::from_timestamp_micros(at).expect("in the calendar")
}

/// Times of the years 0 to 9999.
fn time() -> impl Strategy<Value = DateTime<chrono::Utc>> {
    (-62_167_219_200_000_000_i64..253_402_300_800_000_000).prop_map(micros)
}

/// Names in every script, with whatever JSON has to escape.
fn text() -> impl Strategy<Value = String> {
    "[^\\p{Cc}]{1,40}".prop_filter_map("blank", |text| {
        let trimmed = text.trim();
        (!trimmed.is_empty()).then(|| trimmed.to_owned())
    })
}

/// As Argon2id gives them.
fn password() -> impl Strategy<Value = PasswordHash> {
    "[a-zA-Z0-9+/]{20}".prop_map(|text| {
        PasswordHash::from_phc(format!("$argon2id$v=19$m=19456,t=2,p=1${text}${text}"))
    })
}

prop_compose! {
    fn registered(id: i64)(
        name in option::of(text()), created_at in time(), password in option::of(password()),
        suspended_at in option::of(time()),
    ) -> Record {
        let user = User {
            id: UserId::try_new(id).expect("positive"),
            email: Email::parse(&format!("u+{id}@उदाहरण")).expect("an address"),
            name: name.map(|name| UserName::parse(&name).expect("a name")),
            created_at,
        };
        Record::User(UserRecord::Registered { user, password, suspended_at })
    }
}

prop_compose! {
    fn erased(id: i64)(created_at in time(), erased_at in time()) -> Record {
        let id = UserId::try_new(id).expect("positive");
        Record::User(UserRecord::Erased { id, created_at, erased_at })
    }
}

fn user(id: i64) -> impl Strategy<Value = Record> {
    prop_oneof![3 => registered(id), 1 => erased(id)]
}

prop_compose! {
    fn event(id: i64)(
        name in text(), venue in option::of(text()),
        capacity in 0..=i64::from(i32::MAX), taken in any::<proptest::sample::Index>(),
        version in any::<i64>(), times in (time(), time(), time()),
        deleted_at in option::of(time()),
        sales_paused_at in option::of(time()),
    ) -> Record {
        let left = taken.index(usize::try_from(capacity).expect("positive") + 1);
        let details = PublishEvent {
            name: EventName::parse(&name).expect("a name"),
            venue: venue.map(|venue| Venue::parse(&venue).expect("a name")),
            start_at: times.0,
            capacity: Capacity::try_new(capacity).expect("in range"),
        };
        let left = Capacity::try_new(left as i64).expect("in range");
        let id = EventId::try_new(id).expect("positive");
        Record::Event(EventRecord {
            event: Event::try_new(id, details, left).expect("no more than there are"),
            version,
            created_at: times.1,
            updated_at: times.2,
            deleted_at,
            sales_paused_at,
        })
    }
}

prop_compose! {
    fn booking(id: i64)(
        user_id in 1..i64::MAX, event_id in 1..i64::MAX, seats in 1..=i64::from(i32::MAX),
        confirmed in any::<bool>(), created_at in time(), updated_at in time(),
    ) -> Record {
        let status = if confirmed { BookingStatus::Confirmed } else { BookingStatus::Cancelled };
        Record::Booking(BookingRecord {
            booking: Booking {
                id: BookingId::try_new(id).expect("positive"),
                user_id: UserId::try_new(user_id).expect("positive"),
                event_id: EventId::try_new(event_id).expect("positive"),
                seats: SeatCount::try_new(seats).expect("in range"),
                status,
                created_at,
            },
            updated_at,
        })
    }
}

prop_compose! {
    fn key(user_id: i64)(
        key in "[^\\p{Cc}]{1,255}", booking_id in 1..i64::MAX, event_id in 1..i64::MAX,
        seats in 1..=i64::from(i32::MAX), created_at in time(),
    ) -> Record {
        Record::Key(KeyRecord {
            user_id: UserId::try_new(user_id).expect("positive"),
            key: IdempotencyKey::parse(&key).expect("a key"),
            first: KeyedBooking {
                booking_id: BookingId::try_new(booking_id).expect("positive"),
                event_id: EventId::try_new(event_id).expect("positive"),
                seats: SeatCount::try_new(seats).expect("in range"),
            },
            created_at,
        })
    }
}

prop_compose! {
    fn api_key(id: i64)(
        name in text(), secret in any::<[u8; 32]>(),
        scopes in proptest::sample::subsequence(Scope::ALL, 1..=Scope::ALL.len()),
        created_at in time(), others in [option::of(time()), option::of(time()), option::of(time())],
    ) -> Record {
        let [rotated_at, last_used_at, revoked_at] = others;
        Record::ApiKey(ApiKeyRecord {
            key: ApiKey {
                id: ApiKeyId::try_new(id).expect("positive"),
                name: ApiKeyName::parse(&name).expect("a name"),
                scopes: Scopes::try_new(scopes).expect("one at least"),
                created_at,
                rotated_at,
                last_used_at,
                revoked_at,
            },
            secret: SecretDigest::from_bytes(secret),
        })
    }
}

fn actor() -> impl Strategy<Value = Actor> {
    let user = (1..i64::MAX).prop_map(|id| Actor::User(UserId::try_new(id).expect("positive")));
    let service =
        (1..i64::MAX).prop_map(|id| Actor::Service(ApiKeyId::try_new(id).expect("positive")));
    let others = prop::sample::select(vec![Actor::Anonymous, Actor::Admin, Actor::System]);
    prop_oneof![user, service, others]
}

prop_compose! {
    fn audit(id: i64)(
        at in time(), actor in actor(), words in ["[a-z_]{1,20}", "[a-z_]{1,20}", "[!-~]{1,128}"],
        object in option::of(any::<i64>()), refused in option::of("[a-z_]{1,20}"),
    ) -> Record {
        let [action, kind, request_id] = words;
        Record::Audit(AuditRecord {
            id: AuditId::try_new(id).expect("positive"),
            at,
            entry: AuditEntry {
                actor,
                action,
                object: object.map(|id| AuditObject { kind, id }),
                refused,
                request_id,
            },
        })
    }
}

/// Up to five records of each kind, in order.
pub(super) fn records() -> impl Strategy<Value = Vec<Record>> {
    let ids = || proptest::collection::btree_set(1..i64::MAX, 0..5);
    let of = |ids: std::collections::BTreeSet<i64>, make: fn(i64) -> BoxedStrategy<Record>| {
        ids.into_iter().map(make).collect::<Vec<_>>()
    };
    (ids(), ids(), ids(), ids(), ids(), ids())
        .prop_flat_map(move |(users, events, bookings, keys, api_keys, audited)| {
            (
                of(users, |id| user(id).boxed()),
                of(events, |id| event(id).boxed()),
                of(bookings, |id| booking(id).boxed()),
                of(keys, |id| key(id).boxed()),
                of(api_keys, |id| api_key(id).boxed()),
                of(audited, |id| audit(id).boxed()),
            )
        })
        .prop_map(|(users, events, bookings, keys, api_keys, audited)| {
            [users, events, bookings, keys, api_keys, audited].concat()
        })
}
