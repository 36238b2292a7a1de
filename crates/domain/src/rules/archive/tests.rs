use chrono::DateTime;

use super::*;
use crate::model::{
    Actor, ApiKey, ApiKeyId, ApiKeyName, AuditEntry, AuditId, AuditRecord, Booking, Email, Event,
    EventName, KeyedBooking, PublishEvent, Scope, Scopes, SeatCount, User, UserRecord,
};

fn user(id: i64) -> Record {
    Record::User(UserRecord::Registered {
        user: User {
            id: UserId::try_new(id).expect("positive"),
            email: Email::parse(&format!("{id}@example.com")).expect("an address"),
            name: None,
            created_at: DateTime::UNIX_EPOCH,
        },
        password: None,
        suspended_at: None,
    })
}

fn erased(id: i64) -> Record {
    Record::User(UserRecord::Erased {
        id: UserId::try_new(id).expect("positive"),
        created_at: DateTime::UNIX_EPOCH,
        erased_at: DateTime::UNIX_EPOCH,
    })
}

fn event(id: i64, capacity: i64, left: i64) -> EventRecord {
    let details = PublishEvent {
        name: EventName::parse("Concert").expect("not empty"),
        venue: None,
        start_at: DateTime::UNIX_EPOCH,
        capacity: Capacity::try_new(capacity).expect("in range"),
    };
    let left = Capacity::try_new(left).expect("in range");
    EventRecord {
        event: Event::try_new(EventId::try_new(id).expect("positive"), details, left)
            .expect("consistent"),
        version: 0,
        created_at: DateTime::UNIX_EPOCH,
        updated_at: DateTime::UNIX_EPOCH,
        deleted_at: None,
        sales_paused_at: None,
    }
}

fn live(id: i64, capacity: i64, left: i64) -> Record {
    Record::Event(event(id, capacity, left))
}

fn deleted(id: i64, capacity: i64, left: i64) -> Record {
    Record::Event(EventRecord {
        deleted_at: Some(DateTime::UNIX_EPOCH),
        ..event(id, capacity, left)
    })
}

fn booking(id: i64, user_id: i64, event_id: i64, seats: i64, status: BookingStatus) -> Record {
    Record::Booking(BookingRecord {
        booking: Booking {
            id: BookingId::try_new(id).expect("positive"),
            user_id: UserId::try_new(user_id).expect("positive"),
            event_id: EventId::try_new(event_id).expect("positive"),
            seats: SeatCount::try_new(seats).expect("in range"),
            status,
            created_at: DateTime::UNIX_EPOCH,
        },
        updated_at: DateTime::UNIX_EPOCH,
    })
}

fn confirmed(id: i64, user_id: i64, event_id: i64, seats: i64) -> Record {
    booking(id, user_id, event_id, seats, BookingStatus::Confirmed)
}

fn cancelled(id: i64, user_id: i64, event_id: i64, seats: i64) -> Record {
    booking(id, user_id, event_id, seats, BookingStatus::Cancelled)
}

fn key(user_id: i64, key: &str, booking_id: i64, event_id: i64) -> Record {
    Record::Key(KeyRecord {
        user_id: UserId::try_new(user_id).expect("positive"),
        key: IdempotencyKey::parse(key).expect("a key"),
        first: KeyedBooking {
            booking_id: BookingId::try_new(booking_id).expect("positive"),
            event_id: EventId::try_new(event_id).expect("positive"),
            seats: SeatCount::ONE,
        },
        created_at: DateTime::UNIX_EPOCH,
    })
}

fn api_key(id: i64, secret: u8) -> Record {
    Record::ApiKey(ApiKeyRecord {
        key: ApiKey {
            id: ApiKeyId::try_new(id).expect("positive"),
            name: ApiKeyName::parse("till").expect("a name"),
            scopes: Scopes::try_new(vec![Scope::BookingsRead]).expect("one"),
            created_at: DateTime::UNIX_EPOCH,
            rotated_at: None,
            last_used_at: None,
            revoked_at: None,
        },
        secret: SecretDigest::from_bytes([secret; 32]),
    })
}

/// By a service that need not be there.
fn audit(id: i64) -> Record {
    Record::Audit(AuditRecord {
        id: AuditId::try_new(id).expect("positive"),
        at: DateTime::UNIX_EPOCH,
        entry: AuditEntry {
            actor: Actor::Service(ApiKeyId::try_new(99).expect("positive")),
            action: "book".to_owned(),
            object: None,
            refused: None,
            request_id: "r".to_owned(),
        },
    })
}

fn check(records: &[Record]) -> Result<ArchiveSums, Inconsistency> {
    let mut check = ArchiveCheck::default();
    for record in records {
        check.accept(record)?;
    }
    check.finish()
}

#[test]
fn nothing_at_all_is_consistent() {
    let sums = check(&[]).expect("consistent");
    assert_eq!(sums.counts.total(), 0);
    assert_eq!(sums.confirmed_bookings, 0);
}

#[test]
fn a_consistent_archive_is_added_up() {
    let sums = check(&[
        user(3),
        erased(41),
        live(7, 10, 7),
        deleted(8, 5, 5),
        live(9, 0, 0),
        confirmed(20, 3, 7, 2),
        confirmed(21, 41, 7, 1),
        cancelled(22, 41, 7, 400),
        // Deleted, and not marked yet: 6 seats of an event that has 5.
        confirmed(23, 3, 8, 6),
        key(3, "b", 20, 7),
        key(3, "a", 23, 8),
        key(41, "a", 21, 7),
        api_key(2, 1),
        api_key(5, 2),
        audit(1),
        audit(4),
        audit(6),
    ])
    .expect("consistent");
    assert_eq!(
        sums,
        ArchiveSums {
            counts: ArchiveCounts {
                users: 2,
                events: 3,
                bookings: 4,
                keys: 3,
                api_keys: 2,
                audit: 3,
            },
            confirmed_bookings: 2,
        }
    );
}

#[test]
fn what_does_not_fit_is_refused_at_its_record() {
    let base = [
        user(1),
        live(1, 5, 3),
        confirmed(1, 1, 1, 2),
        key(1, "k", 1, 1),
        api_key(1, 1),
        audit(1),
    ];
    for (at, record, clue) in [
        (1, user(1), "user 1 is out of order"),
        (1, user(2), ""),
        (2, live(1, 5, 5), "event 1 is out of order"),
        (2, user(2), "user 2 is out of order"),
        (2, erased(2), "user 2 is out of order"),
        (2, deleted(2, 5, 4), "deleted event 2 has 5 seats"),
        (3, live(2, 5, 5), "event 2 is out of order"),
        (3, confirmed(1, 1, 1, 1), "booking 1 is out of order"),
        (3, confirmed(2, 2, 1, 1), "booking 2 refers to user 2"),
        (3, cancelled(2, 1, 2, 1), "booking 2 refers to event 2"),
        (
            3,
            confirmed(2, 1, 1, 4),
            "event 1 hold 6 seats, more than its 5",
        ),
        (4, confirmed(2, 1, 1, 1), "booking 2 is out of order"),
        (4, key(2, "k", 1, 1), "key \"k\" of user 2 refers to user 2"),
        (4, key(1, "l", 2, 1), "refers to booking 2"),
        (4, key(1, "l", 1, 2), "refers to event 2"),
        (4, key(1, "k", 1, 1), "key \"k\" of user 1 is there twice"),
        (5, api_key(1, 2), "API key 1 is out of order"),
        (5, key(1, "l", 1, 1), "key of user 1 is out of order"),
        (5, api_key(2, 1), "API key 2 has the secret of another one"),
        (5, api_key(2, 2), ""),
        (6, audit(1), "audit entry 1 is out of order"),
        (6, api_key(2, 2), "API key 2 is out of order"),
        (6, audit(9), ""),
    ] {
        let mut records = base.to_vec();
        records.truncate(at);
        records.push(record);
        let mut check = ArchiveCheck::default();
        let (last, before) = records.split_last().expect("not empty");
        for record in before {
            check.accept(record).expect("fits");
        }
        match check.accept(last) {
            Ok(()) => assert_eq!(clue, "", "{last:?}"),
            Err(refusal) => {
                assert!(
                    !clue.is_empty() && refusal.to_string().contains(clue),
                    "{refusal}"
                );
                assert_eq!(refusal.record(), Some(at as u64 + 1), "{refusal}");
            }
        }
    }
}

#[test]
fn seats_that_do_not_add_up_name_the_event() {
    for (left, bookings, sentence) in [
        (
            4,
            vec![confirmed(1, 1, 7, 2)],
            "event 7 has 5 seats, 2 of them confirmed, but 4 left instead of 3",
        ),
        (
            3,
            vec![cancelled(1, 1, 7, 2)],
            "event 7 has 5 seats, 0 of them confirmed, but 3 left instead of 5",
        ),
    ] {
        let mut records = vec![user(1), live(6, 1, 1), live(7, 5, left)];
        records.extend(bookings);
        let refusal = check(&records).expect_err("does not add up");
        assert_eq!(refusal.to_string(), sentence);
        assert_eq!(refusal.record(), None);
    }
}

#[test]
fn seats_beyond_every_integer_are_counted() {
    let most = i64::from(i32::MAX);
    let refusal = check(&[
        user(1),
        live(1, most, 0),
        confirmed(1, 1, 1, most),
        confirmed(2, 1, 1, most),
    ])
    .expect_err("more than there are");
    assert!(refusal.to_string().contains("4294967294"), "{refusal}");
}
