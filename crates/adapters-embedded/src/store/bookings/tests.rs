use std::collections::{BTreeMap, HashSet};
use std::pin::Pin;
use std::sync::{LazyLock, Mutex};

use diesel::connection::SimpleConnection;
use diesel::sql_types::BigInt;
use domain::model::{Capacity, EventId, IdempotencyKey, SeatCount, UserId};
use domain::ports::BookingRecords;
use futures::future::{join_all, poll_immediate};
use tokio::runtime::{Builder, Runtime};

use super::*;
use crate::database::tests::keep_busy;
use crate::error::before_commit;
use crate::prepared::{exactly_one, prepared};
use crate::{SqliteBookingRecords, SqliteLocation, SqliteSettings};

mod trouble;

prepared!(
    /// The first event's version, seats left and figure, the bookings that hold
    /// seats of it, and the total.
    Look {} -> (BigInt, BigInt, BigInt, BigInt, BigInt),
    "SELECT version, seats_available,
            coalesce((SELECT confirmed_bookings FROM event_sales WHERE event_id = 1), -1),
            (SELECT count(*) FROM bookings WHERE event_id = 1 AND status = 'CONFIRMED'),
            (SELECT confirmed_bookings FROM booking_totals)
     FROM events WHERE id = 1"
);

/// Ten users and an event of 1,000 seats.
const SHOP: &str = "
    INSERT INTO users (email) VALUES ('0@x.in'), ('1@x.in'), ('2@x.in'), ('3@x.in'), ('4@x.in'),
        ('5@x.in'), ('6@x.in'), ('7@x.in'), ('8@x.in'), ('9@x.in');
    INSERT INTO events (name, start_at, capacity, seats_available)
    VALUES ('Concert', 4000000000000000, 1000, 1000);
    INSERT INTO event_sales (event_id) VALUES (1);";

/// The version goes up with every batch that sells or returns seats.
#[derive(Debug, PartialEq)]
struct Seen {
    version: i64,
    seats_available: i64,
    figure: i64,
    confirmed: i64,
    total: i64,
}

/// On a runtime that outlives every future here: whoever waits has a timer in it.
pub(in crate::store) fn block_on<T>(future: impl Future<Output = T>) -> T {
    static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
        let mut builder = Builder::new_multi_thread();
        let builder = builder.worker_threads(1).enable_time();
        builder.build().expect("a runtime can be built")
    });
    RUNTIME.block_on(future)
}

struct Shop {
    database: Database,
    store: SqliteBookingStore,
}

type Waiting<'s> = Vec<Pin<Box<dyn Future<Output = Answer> + 's>>>;

impl Shop {
    fn open(settings: &SqliteSettings) -> Self {
        let database = Database::open(settings).expect("opened");
        let store = SqliteBookingStore::new(database.clone());
        Self { database, store }
    }

    fn in_memory() -> Self {
        let shop = Self::open(&SqliteSettings::new(SqliteLocation::Memory));
        shop.by_hand(SHOP);
        shop
    }

    fn by_hand(&self, statements: &'static str) {
        block_on(self.database.write("by_hand", move |connection| {
            connection.batch_execute(statements).map_err(before_commit)
        }))
        .expect("done by hand");
    }

    fn look(&self) -> Seen {
        let (version, seats_available, figure, confirmed, total) = block_on(
            self.database
                .read(|connection| exactly_one(connection, Look {})),
        )
        .expect("looked");
        Seen {
            version,
            seats_available,
            figure,
            confirmed,
            total,
        }
    }

    /// Submits commands while the writer is kept busy.
    fn submit(&self, commands: impl IntoIterator<Item = SaleCommand>) -> Waiting<'_> {
        let mut waiting: Waiting<'_> = Vec::new();
        for command in commands {
            let mut answer: Pin<Box<dyn Future<Output = Answer>>> =
                Box::pin(self.store.run(command));
            assert!(block_on(poll_immediate(&mut answer)).is_none(), "it waits");
            waiting.push(answer);
        }
        waiting
    }

    /// Runs commands in one batch.
    fn together(&self, commands: impl IntoIterator<Item = SaleCommand>) -> Vec<Answer> {
        let release = keep_busy(&self.database);
        let waiting = self.submit(commands);
        drop(release);
        block_on(join_all(waiting))
    }
}

fn command(user: i64, event: i64, seats: i64) -> BookSeats {
    BookSeats {
        user_id: UserId::try_new(user).expect("positive"),
        event_id: EventId::try_new(event).expect("positive"),
        seats: SeatCount::try_new(seats).expect("in range"),
        idempotency_key: None,
    }
}

fn book(user: i64, event: i64, seats: i64) -> SaleCommand {
    SaleCommand::Book(command(user, event, seats))
}

fn book_as(key: &str, user: i64, event: i64, seats: i64) -> SaleCommand {
    SaleCommand::Book(BookSeats {
        idempotency_key: Some(IdempotencyKey::parse(key).expect("a key")),
        ..command(user, event, seats)
    })
}

fn cancel(booking_id: i64) -> SaleCommand {
    SaleCommand::Cancel(BookingId::try_new(booking_id).expect("positive"))
}

fn booked(answer: &Answer) -> &Booked {
    match answer {
        Ok(SaleAnswer::Book(Ok(booked))) => booked,
        other => panic!("not booked: {other:?}"),
    }
}

fn returned(answer: &Answer) -> Option<u32> {
    match answer {
        Ok(SaleAnswer::Cancel(Some(cancelled))) => cancelled.seats_returned.map(SeatCount::get),
        other => panic!("not cancelled: {other:?}"),
    }
}

fn has_failed(answer: &Answer) -> bool {
    matches!(answer, Err(StoreError::Failed(_)))
}

#[test]
fn those_who_wait_share_a_transaction() {
    let shop = Shop::in_memory();
    let answers = shop.together((0..100).map(|n| book(1 + n % 10, 1, 1 + n % 3)));
    let records = SqliteBookingRecords::new(shop.database.clone());
    let mut ids = HashSet::new();
    for (n, answer) in (0..).zip(&answers) {
        let booked = booked(answer);
        assert!(ids.insert(booked.booking_id), "an id twice");
        let stored = block_on(records.find(booked.booking_id)).expect("stored");
        let asked = command(1 + n % 10, 1, 1 + n % 3);
        assert_eq!((stored.user_id, stored.seats), (asked.user_id, asked.seats));
    }
    let seen = Seen {
        version: 1,
        seats_available: 1_000 - 199,
        figure: 100,
        confirmed: 100,
        total: 100,
    };
    assert_eq!(shop.look(), seen);
}

#[test]
fn duplicates_of_a_key_in_a_batch_make_one_booking() {
    let shop = Shop::in_memory();
    let answers = shop.together([
        book_as("k", 1, 1, 2),
        book_as("k", 1, 1, 2),
        book_as("k", 2, 1, 2),
        book_as("k", 1, 1, 3),
    ]);
    let again = shop.together([book_as("k", 1, 1, 2)]);
    let [first, second, other] = [0, 1, 2].map(|n| booked(&answers[n]));
    assert_eq!((first.replayed, second.replayed), (false, true));
    assert_eq!(first.booking_id, second.booking_id);
    assert_ne!(first.booking_id, other.booking_id, "another user's key");
    assert_eq!(booked(&again[0]), second);
    assert!(
        matches!(
            answers[3],
            Ok(SaleAnswer::Book(Err(domain::rules::Refusal::KeyReused(_))))
        ),
        "{:?}",
        answers[3]
    );
    assert_eq!(shop.look().confirmed, 2);
}

#[test]
fn seats_given_back_in_a_batch_are_sold_again_in_it() {
    let shop = Shop::in_memory();
    let first = shop.together([book(1, 1, 999)]);
    let id = booked(&first[0]).booking_id.get();
    let answers = shop.together([
        book(2, 1, 900),
        cancel(id),
        cancel(id),
        book(2, 1, 900),
        cancel(id + 7),
    ]);
    assert!(matches!(answers[0], Ok(SaleAnswer::Book(Err(_)))));
    assert_eq!(returned(&answers[1]), Some(999));
    assert_eq!(returned(&answers[2]), None);
    booked(&answers[3]);
    assert!(matches!(answers[4], Ok(SaleAnswer::Cancel(None))));
    let seen = Seen {
        version: 2,
        seats_available: 100,
        figure: 1,
        confirmed: 1,
        total: 1,
    };
    assert_eq!(shop.look(), seen);
}

/// The seats of a booking inserted by hand were never taken. Alone it cannot be
/// cancelled, and it must not be sold in the same batch.
#[test]
fn seats_that_were_never_taken_are_not_sold() {
    let shop = Shop::in_memory();
    shop.by_hand("INSERT INTO bookings (id, user_id, event_id, seats) VALUES (5, 1, 1, 10)");
    let answers = shop.together([cancel(5), book(1, 1, 1_000), book(1, 1, 10)]);
    assert!(has_failed(&answers[0]), "{:?}", answers[0]);
    booked(&answers[1]);
    assert!(matches!(answers[2], Ok(SaleAnswer::Book(Err(_)))));
    assert_eq!(shop.look().seats_available, 0);
}

#[test]
fn what_was_inserted_by_hand_without_figures_is_sold_and_cancelled() {
    let shop = Shop::in_memory();
    shop.by_hand(
        "DELETE FROM event_sales;
         UPDATE events SET seats_available = 990;
         INSERT INTO bookings (id, user_id, event_id, seats) VALUES (5, 1, 1, 10);",
    );
    assert_eq!(returned(&shop.together([cancel(5)])[0]), Some(10));
    let seen = shop.look();
    assert_eq!(
        (seen.seats_available, seen.figure, seen.total),
        (1_000, 0, 0)
    );
    shop.by_hand("DELETE FROM event_sales");
    booked(&shop.together([book(1, 1, 1)])[0]);
    let seen = shop.look();
    assert_eq!((seen.figure, seen.total), (1, 1));
}

#[test]
fn cancelling_what_was_never_counted_leaves_the_total_the_sum_of_the_figures() {
    let shop = Shop::in_memory();
    shop.by_hand(
        "INSERT INTO events (name, start_at, capacity, seats_available)
         VALUES ('Play', 4000000000000000, 100, 100);
         UPDATE events SET seats_available = 990 WHERE id = 1;
         INSERT INTO bookings (id, user_id, event_id, seats) VALUES (5, 1, 1, 10);",
    );
    for answer in shop.together((0..5).map(|_| book(1, 2, 1))) {
        booked(&answer);
    }
    assert_eq!(returned(&shop.together([cancel(5)])[0]), Some(10));
    let seen = shop.look();
    assert_eq!((seen.seats_available, seen.figure), (1_000, 0));
    assert_eq!(seen.total, 5, "the other event's bookings");
}

#[test]
fn an_id_is_never_given_out_twice() {
    let shop = Shop::in_memory();
    let first = shop.together([book(1, 1, 1), book(1, 1, 1)]);
    let last = booked(&first[1]).booking_id.get();
    shop.by_hand("DELETE FROM bookings WHERE id = (SELECT max(id) FROM bookings)");
    let next = booked(&shop.together([book(1, 1, 1)])[0]).booking_id.get();
    assert_eq!(next, last + 1, "although the row was removed");
    shop.by_hand("DELETE FROM sqlite_sequence");
    let next_again = booked(&shop.together([book(1, 1, 1)])[0]).booking_id.get();
    assert_eq!(next_again, next + 1, "although the counter was removed");
}

#[derive(Debug, Default)]
struct Told(Mutex<Vec<(i64, u32)>>);

impl SeatsWatch for Told {
    fn seats_left(&self, seats_left: &BTreeMap<EventId, Capacity>) {
        let mut told = self.0.lock().expect("not poisoned");
        told.extend(seats_left.iter().map(|(id, left)| (id.get(), left.get())));
    }
}

#[test]
fn whoever_watches_is_told_what_each_batch_left_before_its_buyers_are() {
    let told = Arc::new(Told::default());
    let database = Database::open(&SqliteSettings::new(SqliteLocation::Memory)).expect("opened");
    let watch: Arc<dyn SeatsWatch> = told.clone();
    let store = SqliteBookingStore::observed(database.clone(), None, Some(watch));
    let shop = Shop { database, store };
    shop.by_hand(SHOP);
    let now = || std::mem::take(&mut *told.0.lock().expect("not poisoned"));

    let answers = shop.together([book(1, 1, 900), book(2, 1, 101), book(3, 1, 99)]);
    assert_eq!(now(), [(1, 1)], "after all of them");
    shop.together([book(1, 1, 5)]);
    assert_eq!(now(), [(1, 1)], "also if nothing was sold");
    let first = booked(&answers[0]).booking_id.get();
    shop.together([cancel(first)]);
    assert_eq!(now(), [(1, 901)]);
    shop.together([book(1, 99, 1)]);
    assert_eq!(now(), [], "there is no such event");
    // What was undone left nothing.
    shop.by_hand(
        "CREATE TRIGGER unlucky BEFORE INSERT ON bookings
         BEGIN SELECT RAISE(ABORT, 'unlucky'); END",
    );
    assert!(has_failed(&shop.together([book(1, 1, 1)])[0]));
    assert_eq!(now(), []);
}

#[test]
fn a_batch_that_changes_nothing_waits_for_no_disk() {
    let shop = Shop::in_memory();
    let sold = block_on(shop.database.write("by_hand", |connection| {
        let commands = [book(99, 1, 1), book(1, 99, 1), cancel(99)];
        let commands: Vec<&SaleCommand> = commands.iter().collect();
        Ok::<_, StoreError>(batch::sell(connection, &commands))
    }));
    let ending = sold.expect("ran");
    assert!(
        matches!(&ending, Err(batch::Ending::NothingToWrite(sold)) if sold.answers.len() == 3),
        "{ending:?}"
    );
}
