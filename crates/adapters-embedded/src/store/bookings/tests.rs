use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::pin::Pin;
use std::sync::Mutex;

use diesel::SqliteConnection;
use diesel::connection::SimpleConnection;
use diesel::sql_types::BigInt;
use domain::model::{EventId, IdempotencyKey, SeatCount, UserId};
use domain::ports::{BookingRecords, UserStore};
use futures::executor::block_on;
use futures::future::{join_all, poll_immediate};

use super::*;
use crate::database::migrated;
use crate::database::tests::keep_busy;
use crate::error::before_commit;
use crate::prepared::{exactly_one, prepared};
use crate::session::{Recipe, Session};
use crate::{SqliteBookingRecords, SqliteLocation, SqliteSettings, SqliteUserStore};

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
        block_on(
            self.database.write(move |connection| {
                connection.batch_execute(statements).map_err(before_commit)
            }),
        )
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

#[test]
fn one_broken_row_fails_only_the_commands_that_speak_of_it() {
    let shop = Shop::in_memory();
    shop.by_hand(
        "INSERT INTO events (id, name, start_at, capacity, seats_available)
         VALUES (2, 'Never', 9223372036854775807, 10, 5);
         INSERT INTO bookings (id, user_id, event_id, seats) VALUES (8, 1, 2, 5);
         PRAGMA ignore_check_constraints = ON;
         INSERT INTO bookings (id, user_id, event_id, seats, status) VALUES (9, 1, 1, 5, 'LOST');
         PRAGMA ignore_check_constraints = OFF;
         INSERT INTO idempotency_keys (user_id, key, booking_id, event_id, seats)
         VALUES (1, 'broken', 0, 1, 1), (1, 'bound', 8, 2, 5);",
    );
    let answers = shop.together([
        book(1, 1, 1),
        book(1, 2, 1),
        cancel(8),
        cancel(9),
        book_as("broken", 1, 1, 1),
        book_as("new", 1, 1, 1),
        book_as("bound", 1, 2, 5),
    ]);
    booked(&answers[0]);
    for fault in &answers[1..5] {
        assert!(has_failed(fault), "{fault:?}");
    }
    booked(&answers[5]);
    assert!(booked(&answers[6]).replayed, "whatever became of its event");
    let seen = shop.look();
    assert_eq!((seen.version, seen.confirmed), (1, 2), "in one transaction");
}

#[test]
fn a_transaction_that_fails_is_tried_command_by_command() {
    let shop = Shop::in_memory();
    shop.by_hand(
        "CREATE TRIGGER unlucky BEFORE INSERT ON bookings WHEN NEW.seats = 13
         BEGIN SELECT RAISE(ABORT, 'unlucky'); END",
    );
    let answers = shop.together([book(1, 1, 1), book(2, 1, 13), book(3, 1, 2)]);
    booked(&answers[0]);
    assert!(has_failed(&answers[1]), "{:?}", answers[1]);
    booked(&answers[2]);
    let seen = shop.look();
    assert_eq!((seen.version, seen.seats_available), (2, 997));
    assert_eq!((seen.confirmed, seen.figure, seen.total), (2, 2, 2));
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

#[test]
fn a_full_disk_is_away_for_all_of_a_batch() {
    let shop = Shop::in_memory();
    shop.by_hand("PRAGMA max_page_count = 1");
    for answer in shop.together((0..400).map(|_| book(1, 1, 1))) {
        assert!(
            matches!(answer, Err(StoreError::Unavailable(_))),
            "{answer:?}"
        );
    }
    shop.by_hand("PRAGMA max_page_count = 1000000");
    booked(&shop.together([book(1, 1, 1)])[0]);
    assert_eq!(shop.look().confirmed, 1);
}

#[test]
fn a_full_queue_is_busy_at_once_and_other_writes_have_their_own() {
    let queue_max = NonZeroUsize::new(3).expect("not zero");
    let shop = Shop::open(&SqliteSettings {
        queue_max,
        ..SqliteSettings::new(SqliteLocation::Memory)
    });
    shop.by_hand(SHOP);
    let users = SqliteUserStore::new(shop.database.clone());
    let somebody = |n: u8| domain::model::NewUser {
        email: domain::model::Email::parse(&format!("new{n}@x.in")).expect("an address"),
        name: None,
    };
    let release = keep_busy(&shop.database);
    let waiting = shop.submit([book(1, 1, 1), book(2, 1, 1), cancel(99)]);
    let refused = block_on(shop.store.book(command(3, 1, 1)));
    assert!(
        matches!(refused, Err(BookError::Store(StoreError::Busy(_)))),
        "{refused:?}"
    );
    let mut registering: Vec<_> = (0..3).map(|n| users.register(somebody(n))).collect();
    for registered in &mut registering {
        assert!(block_on(poll_immediate(registered)).is_none(), "accepted");
    }
    drop(release);
    assert!(block_on(join_all(registering)).iter().all(Result::is_ok));
    assert!(block_on(join_all(waiting)).iter().all(Result::is_ok));
}

#[test]
fn a_booking_finds_room_when_other_writes_fill_the_queue() {
    let shop = Shop::open(&SqliteSettings {
        queue_max: NonZeroUsize::MIN,
        ..SqliteSettings::new(SqliteLocation::Memory)
    });
    shop.by_hand(SHOP);
    let release = keep_busy(&shop.database);
    let nothing = || shop.database.write(|_| Ok::<_, StoreError>(()));
    let mut other = Box::pin(nothing());
    assert!(block_on(poll_immediate(&mut other)).is_none());
    assert!(block_on(nothing()).is_err(), "the queue is full");
    let waiting = shop.submit([book(1, 1, 1)]);
    drop(release);
    booked(&block_on(join_all(waiting))[0]);
    block_on(other).expect("done");
}

/// More than one batch of them, so that the second begins after the end was
/// announced, if not the first.
#[test]
fn what_was_accepted_is_done_although_nobody_waits_and_the_store_is_dropped() {
    let folder = tempfile::tempdir().expect("a folder");
    let settings = SqliteSettings::new(SqliteLocation::File(folder.path().join("shop.db")));
    let shop = Shop::open(&settings);
    shop.by_hand(SHOP);
    let release = keep_busy(&shop.database);
    drop(shop.submit((0..600).map(|_| book(1, 1, 1))));
    drop(release);
    drop(shop);
    let seen = Shop::open(&settings).look();
    assert_eq!((seen.confirmed, seen.version), (600, 2));
}

fn migrated_shop() -> Session {
    let mut session = migrated(Path::new("memory"), Recipe::memory()).expect("migrated");
    session.connection().batch_execute(SHOP).expect("made");
    session
}

/// Runs commands in one batch of `sell` on this session.
fn run_batch<const N: usize>(
    session: &mut Session,
    commands: [SaleCommand; N],
    sell: impl Fn(&mut SqliteConnection, &[&SaleCommand]) -> Result<Vec<Answer>, batch::Ending>,
) -> Vec<Answer> {
    let slots = std::sync::Arc::new(Mutex::new(Vec::new()));
    let kept = slots.clone();
    let counter = GroupCommit::new(Limits::default(), move |slot| {
        kept.lock().expect("not poisoned").push(slot);
    });
    let waiting = commands.map(|command| counter.submit((), command, None).expect("room"));
    let slot = slots.lock().expect("not poisoned").pop().expect("started");
    let batch = slot.take().expect("something to do");
    batch::run(session, batch, sell);
    block_on(join_all(waiting))
        .into_iter()
        .map(|answer| answer.expect("answered"))
        .collect()
}

#[test]
fn a_panic_in_a_batch_undoes_it_and_fails_only_the_command_that_panics_alone() {
    let mut session = migrated_shop();
    let commands = [book(1, 1, 1), book(1, 1, 13), book(1, 1, 2)];
    let answers = run_batch(&mut session, commands.clone(), |connection, batch| {
        let answers = batch::sell(connection, batch)?;
        assert!(!batch.contains(&&commands[1]), "on purpose");
        Ok(answers)
    });
    booked(&answers[0]);
    assert!(has_failed(&answers[1]), "{:?}", answers[1]);
    booked(&answers[2]);
    let (_, seats_available, figure, confirmed, _): (i64, i64, i64, i64, i64) =
        exactly_one(session.connection(), Look {}).expect("looked");
    assert_eq!((seats_available, figure, confirmed), (997, 2, 2));
}

#[test]
fn a_transaction_that_was_left_open_fails_no_command() {
    let mut session = migrated_shop();
    // What a rollback that failed would leave behind, a panic outside of `sell` does.
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        session.write(|_| -> Result<(), StoreError> { panic!("on purpose") })
    }));
    assert!(panicked.is_err());
    let answers = run_batch(&mut session, [book(1, 1, 1), book(1, 1, 2)], batch::sell);
    for answer in &answers {
        booked(answer);
    }
}

#[test]
fn a_batch_that_changes_nothing_waits_for_no_disk() {
    let shop = Shop::in_memory();
    let sold = block_on(shop.database.write(|connection| {
        let commands = [book(99, 1, 1), book(1, 99, 1), cancel(99)];
        let commands: Vec<&SaleCommand> = commands.iter().collect();
        Ok::<_, StoreError>(batch::sell(connection, &commands))
    }));
    let ending = sold.expect("ran");
    assert!(
        matches!(&ending, Err(batch::Ending::NothingToWrite(answers)) if answers.len() == 3),
        "{ending:?}"
    );
}
