mod accounts;

use std::sync::{Arc, Mutex};

use chrono::{DateTime, Utc};
use domain::model::{
    Booking, BookingId, BookingRecord, BookingStatus, Capacity, Email, Event, EventId, EventName,
    EventRecord, IdempotencyKey, KeyRecord, KeyedBooking, NewUser, Page, PageLimit, PasswordHash,
    PublishEvent, SeatCount, User, UserId, UserName, UserRecord, Venue,
};
use domain::ports::{EventStore, SalesReports, UserStore};
use futures::executor::block_on;

use super::*;
use crate::store::{SqliteEventStore, SqliteSalesReports, SqliteUserStore};
use crate::{Database, SqliteLocation, SqliteSettings};

const BOOKINGS: i64 = 100_000;

fn memory() -> Database {
    Database::open(&SqliteSettings::new(SqliteLocation::Memory)).expect("opened")
}

fn at(micros: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(micros).expect("in the calendar")
}

fn seats(n: i64) -> SeatCount {
    SeatCount::try_new(n).expect("in range")
}

fn user(id: i64) -> Record {
    let name = (id % 3 > 0).then(|| UserName::parse(&format!("Käufer \"{id}\" 🎉")));
    let user_id = UserId::try_new(id).expect("positive");
    Record::User(UserRecord::Registered {
        user: User {
            id: user_id,
            email: Email::parse(&format!("buyer{id}@उदाहरण")).expect("an address"),
            name: name.transpose().expect("a name"),
            created_at: at(id),
        },
        password: (id % 2 > 0).then(|| PasswordHash::from_phc(format!("$hash${id}"))),
        suspended_at: (id % 50 == 0).then(|| at(id + 1)),
    })
}

fn event(id: i64, capacity: i64, left: i64, deleted: bool) -> Record {
    let venue = (id % 2 > 0).then(|| Venue::parse("Hall"));
    let details = PublishEvent {
        name: EventName::parse(&format!("Concert {id}")).expect("a name"),
        venue: venue.transpose().expect("a name"),
        start_at: at(4_102_444_800_000_000),
        capacity: Capacity::try_new(capacity).expect("in range"),
    };
    let left = Capacity::try_new(left).expect("in range");
    let paused = (id % 3 == 0).then(|| at(77_777));
    let id = EventId::try_new(id).expect("positive");
    Record::Event(EventRecord {
        event: Event::try_new(id, details, left).expect("no more than there are"),
        version: 5,
        created_at: at(-1),
        updated_at: at(123_456),
        deleted_at: deleted.then(|| at(999_999)),
        sales_paused_at: paused,
    })
}

fn booking(id: i64, user_id: i64, event_id: i64, status: BookingStatus) -> Record {
    Record::Booking(BookingRecord {
        booking: Booking {
            id: BookingId::try_new(id).expect("positive"),
            user_id: UserId::try_new(user_id).expect("positive"),
            event_id: EventId::try_new(event_id).expect("positive"),
            seats: seats(2),
            status,
            created_at: at(id),
        },
        updated_at: at(id + 1),
    })
}

fn key(user_id: i64, booking_id: i64, event_id: i64) -> Record {
    Record::Key(KeyRecord {
        user_id: UserId::try_new(user_id).expect("positive"),
        key: IdempotencyKey::parse(&format!("ಕೀ {booking_id:06}")).expect("a key"),
        first: KeyedBooking {
            booking_id: BookingId::try_new(booking_id).expect("positive"),
            event_id: EventId::try_new(event_id).expect("positive"),
            seats: seats(2),
        },
        created_at: at(booking_id),
    })
}

/// 1,000 users of whom every hundredth is erased, 10 events of which the last is deleted and not marked yet, every
/// fifth booking cancelled, every fifth made under a key; 5 keys of services and
/// 3,000 entries of the audit log.
fn shop(bookings: i64) -> Vec<Record> {
    use BookingStatus::{Cancelled, Confirmed};
    let of = |n: i64| (1 + n % 1000, 1 + n % 10);
    let status = |n: i64| {
        if n / 10 % 5 == 0 {
            Cancelled
        } else {
            Confirmed
        }
    };
    let mut confirmed = [0; 11];
    for n in 1..=bookings {
        let (_, event_id) = of(n);
        confirmed[event_id as usize] += i64::from(status(n) == Confirmed);
    }
    let mut records: Vec<Record> = (1..=1000)
        .map(|id| match id % 100 {
            77 => accounts::erased(id),
            _ => user(id),
        })
        .collect();
    records.extend((1..=10).map(|id| {
        let held = if id == 10 {
            0
        } else {
            2 * confirmed[id as usize]
        };
        event(id, 20_000, 20_000 - held, id == 10)
    }));
    records.extend((1..=bookings).map(|n| booking(2 * n, of(n).0, of(n).1, status(n))));
    let mut keyed: Vec<i64> = (1..=bookings).filter(|n| n % 5 == 0).collect();
    keyed.sort_by_key(|n| (of(*n).0, *n));
    records.extend(keyed.into_iter().map(|n| key(of(n).0, 2 * n, of(n).1)));
    records.extend((1..=5).map(|n| accounts::api_key(3 * n, n as u8)));
    records.extend((1..=3000).map(|n| accounts::audit(2 * n)));
    records
}

fn import(database: &Database, records: Vec<Record>) -> Result<ArchiveCounts, ImportError> {
    let archive = SqliteArchive::new(database.clone());
    block_on(archive.import(Box::new(records.into_iter().map(Ok))))
}

fn export(database: &Database) -> Vec<Record> {
    let archive = SqliteArchive::new(database.clone());
    let records = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&records);
    let counts = block_on(archive.export(Box::new(move |record| {
        sink.lock().expect("not poisoned").push(record);
        Ok(())
    })))
    .expect("exported");
    assert_eq!(block_on(archive.count()).expect("counted"), counts);
    let records = std::mem::take(&mut *records.lock().expect("not poisoned"));
    assert_eq!(records.len() as u64, counts.total());
    records
}

#[test]
fn a_hundred_thousand_bookings_go_in_and_out_unchanged() {
    let folder = tempfile::tempdir().expect("a folder");
    let location = SqliteLocation::File(folder.path().join("shop.db"));
    let file = Database::open(&SqliteSettings::new(location)).expect("opened");
    let shop = shop(BOOKINGS);
    let counts = import(&file, shop.clone()).expect("imported");
    assert_eq!(counts.bookings, BOOKINGS as u64);
    let once = export(&file);
    assert!(once == shop, "the archive changed on its way");

    let memory = memory();
    import(&memory, once).expect("imported");
    assert!(export(&memory) == shop, "the archive changed on its way");
}

#[test]
fn figures_are_worked_out_and_new_ids_come_behind_the_largest() {
    let database = memory();
    import(&database, shop(1000)).expect("imported");
    let page = Page {
        limit: PageLimit::try_new(100).expect("in range"),
        after: None,
    };
    let sales = SqliteSalesReports::new(database.clone());
    let report = block_on(sales.report(page)).expect("reported");
    // 800 confirmed bookings, 80 of them of the deleted event.
    assert_eq!(report.confirmed_bookings_total, 720);
    let listed: i64 = report
        .events
        .entries
        .iter()
        .map(|event| event.confirmed_bookings)
        .sum();
    assert_eq!((report.events.entries.len(), listed), (9, 720));
    let pending = block_on(database.read(|connection| {
        diesel::sql_query("SELECT event_id FROM deletions_pending").load::<Pending>(connection)
    }))
    .expect("read");
    assert_eq!(
        pending.iter().map(|row| row.event_id).collect::<Vec<_>>(),
        [10]
    );

    let users = SqliteUserStore::new(database.clone());
    let email = Email::parse("new@example.com").expect("an address");
    let user = block_on(users.register(NewUser {
        email,
        name: None,
        password: None,
    }))
    .expect("registered");
    assert_eq!(user.id.get(), 1001);
    let events = SqliteEventStore::new(database);
    let details = PublishEvent {
        name: EventName::parse("New").expect("a name"),
        venue: None,
        start_at: at(0),
        capacity: Capacity::NONE,
    };
    assert_eq!(
        block_on(events.publish(details))
            .expect("published")
            .id()
            .get(),
        11
    );
}

#[derive(QueryableByName)]
struct Pending {
    #[diesel(sql_type = BigInt)]
    event_id: i64,
}

#[test]
fn what_does_not_fit_together_leaves_nothing() {
    use BookingStatus::Confirmed;
    let database = memory();
    let mut same_address = user(2);
    if let Record::User(UserRecord::Registered { user, .. }) = &mut same_address {
        user.email = Email::parse("buyer1@उदाहरण").expect("an address");
    }
    let stray = [
        user(1),
        user(2),
        event(1, 5, 3, false),
        booking(1, 1, 1, Confirmed),
        key(2, 1, 1),
    ];
    for (records, clue) in [
        (vec![user(1), event(7, 5, 4, false)], "event 7"),
        (vec![user(1), user(1)], "user 1 is out of order"),
        (vec![user(1), booking(1, 1, 1, Confirmed)], "event 1"),
        (vec![user(1), same_address], "user 2 does not fit"),
        (stray.to_vec(), "another request"),
        (
            vec![accounts::api_key(1, 1), accounts::api_key(2, 1)],
            "API key 2 has the secret",
        ),
        (
            vec![accounts::audit(2), accounts::audit(1)],
            "audit entry 1",
        ),
    ] {
        let refusal = import(&database, records).expect_err("inconsistent");
        assert!(matches!(refusal, ImportError::Inconsistent(_)), "{refusal}");
        assert!(refusal.to_string().contains(clue), "{refusal}");
        assert_eq!(export(&database), []);
    }
    let archive = SqliteArchive::new(database.clone());
    let broken = [Ok(user(1)), Err("line 3: nonsense".into())];
    let refusal = block_on(archive.import(Box::new(broken.into_iter()))).expect_err("it broke off");
    assert!(matches!(refusal, ImportError::Source(_)), "{refusal}");
    assert_eq!(export(&database), []);
    // Nothing of all that took an id.
    import(&database, vec![user(1)]).expect("imported");
}

#[test]
fn a_store_with_anything_in_it_asks_for_no_record() {
    for (first, kind) in [
        (user(1), "users"),
        (accounts::erased(1), "users"),
        (event(1, 5, 5, true), "events"),
        (accounts::api_key(1, 1), "API keys"),
        (accounts::audit(1), "entries of the audit log"),
    ] {
        let database = memory();
        import(&database, vec![first.clone()]).expect("imported");
        let archive = SqliteArchive::new(database.clone());
        let records = std::iter::from_fn(|| panic!("asked for a record"));
        let refusal = block_on(archive.import(Box::new(records))).expect_err("not empty");
        assert!(
            matches!(&refusal, ImportError::NotEmpty(found) if found == kind),
            "{refusal}"
        );
        assert_eq!(export(&database), [first]);
    }
}

#[test]
fn a_sink_that_fails_ends_the_export() {
    let database = memory();
    import(&database, shop(10)).expect("imported");
    let archive = SqliteArchive::new(database);
    let mut room = 3;
    let refusal = block_on(archive.export(Box::new(move |_| {
        room -= 1;
        if room < 0 {
            Err("the disk is full".into())
        } else {
            Ok(())
        }
    })))
    .expect_err("no room");
    assert!(matches!(refusal, ExportError::Sink(_)), "{refusal}");
}
