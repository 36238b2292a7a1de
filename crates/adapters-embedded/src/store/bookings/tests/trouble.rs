//! What becomes of commands when the store, another command or somebody outside
//! makes trouble.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use diesel::{Connection, SqliteConnection};
use domain::model::{Email, NewUser};
use domain::ports::UserStore;

use super::*;
use crate::SqliteUserStore;
use crate::database::migrated;
use crate::session::{Recipe, Session};

fn somebody(n: u8) -> NewUser {
    NewUser {
        email: Email::parse(&format!("new{n}@x.in")).expect("an address"),
        name: None,
        password: None,
    }
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
    let nothing = || shop.database.write("by_hand", |_| Ok::<_, StoreError>(()));
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
    sell: impl Fn(&mut SqliteConnection, &[&SaleCommand]) -> Result<batch::Sold, batch::Ending>,
) -> Vec<Answer> {
    let slots = std::sync::Arc::new(Mutex::new(Vec::new()));
    let kept = slots.clone();
    let counter = GroupCommit::new(Limits::default(), move |slot| {
        kept.lock().expect("not poisoned").push(slot);
    });
    let waiting = commands.map(|command| counter.submit((), command, None).expect("room"));
    let slot = slots.lock().expect("not poisoned").pop().expect("started");
    let batch = slot.take().expect("something to do");
    batch::run(session, batch, sell, None);
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
        let sold = batch::sell(connection, batch)?;
        assert!(!batch.contains(&&commands[1]), "on purpose");
        Ok(sold)
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
        session.write("by_hand", |_| -> Result<(), StoreError> {
            panic!("on purpose")
        })
    }));
    assert!(panicked.is_err());
    let answers = run_batch(&mut session, [book(1, 1, 1), book(1, 1, 2)], batch::sell);
    for answer in &answers {
        booked(answer);
    }
}

/// Each of the writes in front of a booking waits in vain for the lock, one after
/// the other.
#[test]
fn a_writer_outside_makes_a_booking_busy_however_much_waits_in_front_of_it() {
    const PATIENCE: Duration = Duration::from_secs(1);
    let folder = tempfile::tempdir().expect("a folder");
    let shop = Shop::open(&SqliteSettings {
        busy_timeout: PATIENCE,
        ..SqliteSettings::new(SqliteLocation::File(folder.path().join("shop.db")))
    });
    shop.by_hand(SHOP);
    let path = shop.database.path().and_then(Path::to_str).expect("a file");
    let mut prompt = SqliteConnection::establish(path).expect("a prompt");
    prompt
        .batch_execute("BEGIN IMMEDIATE")
        .expect("it is writing");
    let users = SqliteUserStore::new(shop.database.clone());
    for n in 0..10 {
        let registering = block_on(poll_immediate(users.register(somebody(n))));
        assert!(registering.is_none(), "it waits");
    }
    let asked = Instant::now();
    let answer = block_on(shop.store.book(command(1, 1, 1)));
    assert!(
        matches!(answer, Err(BookError::Store(StoreError::Busy(_)))),
        "{answer:?}"
    );
    let waited = asked.elapsed();
    assert!((PATIENCE..3 * PATIENCE).contains(&waited), "{waited:?}");
    prompt.batch_execute("COMMIT").expect("it is done");
    // Behind all that waits.
    shop.by_hand("UPDATE users SET name = 'A'");
    assert_eq!(shop.look().confirmed, 0, "it never ran");
    booked(&block_on(shop.store.run(book(1, 1, 1))));
}

#[test]
fn a_booking_waits_for_its_turn_where_nothing_waits_for_a_writer_outside() {
    let shop = Shop::open(&SqliteSettings {
        busy_timeout: Duration::ZERO,
        ..SqliteSettings::new(SqliteLocation::Memory)
    });
    shop.by_hand(SHOP);
    booked(&shop.together([book(1, 1, 1)])[0]);
}
