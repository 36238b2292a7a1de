use std::path::Path;

use chrono::TimeDelta;
use domain::model::{
    BookSeats, Capacity, EventChange, EventId, EventName, IdempotencyKey, NewUser, PublishEvent,
    SeatCount,
};
use domain::ports::{BookingStore, EventStore, UserStore};

use super::*;
use crate::prepared::exactly_one;
use crate::store::bookings::tests::block_on;
use crate::{
    Database, SqliteBookingStore, SqliteEventStore, SqliteLocation, SqliteSettings, SqliteUserStore,
};

prepared!(
    /// Erased users whose bookings are looked for.
    CountQueue {} -> (BigInt,),
    "SELECT count(*) FROM erasures_pending"
);

struct Shop {
    database: Database,
    accounts: SqliteAccountStore,
    events: SqliteEventStore,
}

impl Shop {
    fn open() -> Self {
        Self::open_at(SqliteLocation::Memory)
    }

    fn open_at(location: SqliteLocation) -> Self {
        let settings = SqliteSettings::new(location);
        let database = Database::open(&settings).expect("opened");
        Self {
            accounts: SqliteAccountStore::new(database.clone()),
            events: SqliteEventStore::new(database.clone()),
            database,
        }
    }

    fn register(&self, email: &str) -> UserId {
        let user = NewUser {
            email: Email::parse(email).expect("an address"),
            name: None,
            password: None,
        };
        let users = SqliteUserStore::new(self.database.clone());
        block_on(users.register(user)).expect("registered").id
    }

    /// An event to come.
    fn publish(&self) -> EventId {
        let event = PublishEvent {
            name: EventName::parse("Concert").expect("a name"),
            venue: None,
            start_at: in_days(1),
            capacity: Capacity::try_new(100).expect("in range"),
        };
        let published = block_on(self.events.publish(event));
        published.expect("published").id()
    }

    /// Somebody who was erased and has a booking of an event to come.
    fn erased_buyer(&self) -> (UserId, EventId, BookingId) {
        let user_id = self.register("buyer@x.in");
        let event_id = self.publish();
        let command = BookSeats {
            user_id,
            event_id,
            seats: SeatCount::ONE,
            idempotency_key: None,
        };
        let bookings = SqliteBookingStore::new(self.database.clone());
        let booking_id = block_on(bookings.book(command)).expect("booked").booking_id;
        block_on(self.accounts.erase(user_id)).expect("erased");
        (user_id, event_id, booking_id)
    }

    fn move_to(&self, event_id: EventId, start_at: DateTime<Utc>) {
        let change = EventChange {
            start_at: Some(start_at),
            ..EventChange::default()
        };
        block_on(self.events.change(event_id, change)).expect("moved");
    }

    fn to_be_cancelled(&self) -> Vec<BookingId> {
        block_on(self.accounts.bookings_of_erased(10)).expect("found")
    }

    fn in_queue(&self) -> i64 {
        let (users,) = block_on(
            self.database
                .read(|connection| exactly_one(connection, CountQueue {})),
        )
        .expect("counted");
        users
    }
}

fn in_days(days: i64) -> DateTime<Utc> {
    clock::now() + TimeDelta::days(days)
}

#[test]
fn an_event_that_is_put_off_has_the_bookings_of_erased_users_found_again() {
    let shop = Shop::open();
    let (_, event_id, booking_id) = shop.erased_buyer();
    assert_eq!(shop.to_be_cancelled(), [booking_id]);
    shop.move_to(event_id, in_days(-1));
    assert_eq!(shop.to_be_cancelled(), []);
    shop.move_to(event_id, in_days(2));
    assert_eq!(shop.to_be_cancelled(), [booking_id]);
}

#[test]
fn erased_users_are_looked_at_until_nothing_is_left_to_be_cancelled() {
    let shop = Shop::open();
    let (_, _, booking_id) = shop.erased_buyer();
    let none = block_on(shop.accounts.bookings_of_erased(0)).expect("found");
    assert_eq!((none, shop.in_queue()), (Vec::new(), 1));
    assert_eq!(
        (shop.to_be_cancelled(), shop.in_queue()),
        (vec![booking_id], 1)
    );
    let bookings = SqliteBookingStore::new(shop.database.clone());
    block_on(bookings.cancel(booking_id)).expect("cancelled");
    assert_eq!((shop.to_be_cancelled(), shop.in_queue()), (Vec::new(), 0));
}

/// Somebody with that number, who can be found in a file by their [`MARK`].
fn marked(n: usize) -> NewUser {
    let phc = format!("$argon2id${MARK}{n:05}{}", "x".repeat(80));
    NewUser {
        email: Email::parse(&format!("{MARK}{n:05}@x.in")).expect("an address"),
        name: Some(UserName::parse(&format!("{MARK}{n:05} the Erased")).expect("a name")),
        password: Some(PasswordHash::from_phc(phc)),
    }
}

const MARK: &str = "zqperson";

/// How often the mark is in the files of that folder.
fn marks(folder: &Path) -> usize {
    let files = std::fs::read_dir(folder).expect("a folder");
    let files = files.map(|file| std::fs::read(file.expect("a file").path()).expect("read"));
    let marks = files.map(|bytes| {
        let windows = bytes.windows(MARK.len());
        windows.filter(|window| *window == MARK.as_bytes()).count()
    });
    marks.sum()
}

#[test]
fn nothing_of_an_erased_user_stays_in_the_file() {
    // So many that pages of the tables and of their indexes split and merge.
    const PEOPLE: usize = 150;
    let folder = tempfile::tempdir().expect("a folder");
    let location = SqliteLocation::File(folder.path().join("shop.db"));
    let shop = Shop::open_at(location);
    let event_id = shop.publish();
    let users = SqliteUserStore::new(shop.database.clone());
    let bookings = SqliteBookingStore::new(shop.database.clone());
    let mut registered = Vec::new();
    for n in 0..PEOPLE {
        // In no order, and with somebody who stays beside each.
        let user = block_on(users.register(marked(n * 7 % PEOPLE)));
        let user_id = user.expect("registered").id;
        registered.push(user_id);
        shop.register(&format!("neighbour{n}@x.in"));
        if n % 10 == 0 {
            let key = format!("{MARK} {n} books");
            let command = BookSeats {
                user_id,
                event_id,
                seats: SeatCount::ONE,
                idempotency_key: Some(IdempotencyKey::parse(&key).expect("a key")),
            };
            block_on(bookings.book(command)).expect("booked");
        }
        if n % 3 == 0 {
            block_on(shop.accounts.rename(user_id, None)).expect("renamed");
        }
    }
    assert!(marks(folder.path()) > PEOPLE);
    for user_id in registered {
        block_on(shop.accounts.erase(user_id)).expect("erased");
    }
    assert_eq!(marks(folder.path()), 0, "while the file is open");
    drop((shop, users, bookings));
    assert_eq!(marks(folder.path()), 0, "when it is closed");
}

/// Whoever registered the address that stands for an erased user loses nothing,
/// and stops nobody from being erased.
#[test]
fn what_stands_for_an_erased_user_is_nobodys_address() {
    let shop = Shop::open();
    let user_id = shop.register("alice@x.in");
    let shown = Email::of_erased(user_id);
    let other_id = shop.register(shown.as_str());
    block_on(shop.accounts.erase(user_id)).expect("erased");
    let found = block_on(shop.accounts.credentials(&shown)).expect("looked");
    assert_eq!(found.map(|found| found.user_id), Some(other_id));
    assert_ne!(shop.register("alice@x.in"), user_id);
}
