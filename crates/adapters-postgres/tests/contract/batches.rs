//! What callers may rely on because their commands share transactions, and
//! although they do.

use std::num::NonZeroUsize;
use std::time::Duration;

use adapters_postgres::Limits;
use domain::model::{BookSeats, BookingId, SeatCount};
use domain::ports::{BookError, BookingStore, EventCatalogue, FindEventError, StoreError};
use tokio::task::JoinHandle;

use super::shop::{Shop, USERS, all, command, event, keyed};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_that_wait_for_one_event_share_the_next_transaction() {
    let shop = Shop::open(1, 50).await;
    let holder = shop.hold(1).await;
    let first = shop.book(command(1, 1));
    shop.until_waiting(1).await;
    let rest: Vec<_> = (0..60)
        .map(|n| shop.book(command(n % USERS + 1, 1)))
        .collect();
    // All of them are queued when every task has run once.
    while shop.store.load().waiting < 60 {
        tokio::task::yield_now().await;
    }
    holder.batch_execute("COMMIT").await.expect("let go");
    assert!(first.await.expect("no panic").is_ok());
    let answers = all(rest).await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 49);
    let full = |answer: &&Result<_, _>| matches!(answer, Err(BookError::NotEnoughSeats { .. }));
    assert_eq!(answers.iter().filter(full).count(), 11);
    // Rows of one transaction have its id.
    let transactions = "SELECT count(DISTINCT xmin::text) FROM bookings";
    assert_eq!(shop.number(transactions).await, 2);
    shop.assert_sums_agree().await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_that_is_held_up_holds_up_no_other() {
    let shop = Shop::open(8, 5).await;
    let holder = shop.hold(3).await;
    let mut tasks: Vec<_> = (0..32).map(|n| shop.book(command(1, n % 8 + 1))).collect();
    let held: Vec<_> = (0..4).map(|n| tasks.remove(2 + 8 * n - n)).collect();
    for answer in all(tasks).await {
        let booked = answer.expect("seats are free");
        assert_ne!(booked.event_id, event(3));
    }
    assert!(held.iter().all(|task| !task.is_finished()));
    holder.batch_execute("COMMIT").await.expect("let go");
    assert!(all(held).await.iter().all(Result::is_ok));
    shop.assert_sums_agree().await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_that_are_held_up_hold_up_no_other_however_many_they_are() {
    let shop = Shop::open(12, 5).await;
    let mut holders = Vec::new();
    let mut held = Vec::new();
    // More of them than there are batches at a time, and one after the other,
    // so that each gets a batch to itself.
    for event_id in 1..=6 {
        holders.push(shop.hold(event_id).await);
        held.push(shop.book(command(1, event_id)));
        while shop.store.load().waiting + 1 < held.len() {
            tokio::task::yield_now().await;
        }
    }
    shop.until_waiting(1).await;
    let free = (0..24).map(|n| shop.book(command(1, n % 6 + 7)));
    for answer in all(free.collect::<Vec<_>>()).await {
        answer.expect("seats are free");
    }
    assert!(held.iter().all(|task| !task.is_finished()));
    for holder in holders {
        holder.batch_execute("COMMIT").await.expect("let go");
    }
    assert!(all(held).await.iter().all(Result::is_ok));
    shop.assert_sums_agree().await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_that_cannot_be_served_fails_alone() {
    let shop = Shop::open(4, 10).await;
    // No value of the model: whoever wants seats of it meets a defect.
    shop.sql
        .batch_execute(
            "INSERT INTO bookings (user_id, event_id, seats) VALUES (1, 2, 1);
             ALTER TABLE bookings DROP CONSTRAINT bookings_status_check;
             UPDATE bookings SET status = 'LOST'",
        )
        .await
        .expect("spoilt");
    let holders = [shop.hold(1).await, shop.hold(2).await];
    let mut tasks: Vec<_> = (0..12).map(|n| shop.book(command(1, n % 3 + 1))).collect();
    let store = shop.store.clone();
    let broken = tokio::spawn(async move {
        let booking_id = BookingId::try_new(1).expect("positive");
        store.cancel(booking_id).await
    });
    tasks.push(shop.book(command(2, 2)));
    shop.until_waiting(1).await;
    for holder in holders {
        holder.batch_execute("COMMIT").await.expect("let go");
    }
    assert!(all(tasks).await.iter().all(Result::is_ok));
    let error = broken.await.expect("no panic").expect_err("a defect");
    let defect = matches!(
        error,
        domain::ports::CancelError::Store(StoreError::Failed(_))
    );
    assert!(defect, "{error:?}");
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_that_does_not_begin_binds_no_key() {
    let shop = Shop::open_with(1, 10, |settings| settings.pool_size = 1).await;
    // The session forgets how to begin, but not how to bind keys.
    shop.sql
        .batch_execute(
            r#"CREATE FUNCTION forget() RETURNS trigger LANGUAGE plpgsql AS $$
             DECLARE begin_name text;
             BEGIN
                 SELECT name INTO STRICT begin_name FROM pg_prepared_statements
                 WHERE statement = 'BEGIN';
                 EXECUTE format('DEALLOCATE %I', begin_name);
                 RETURN NEW;
             END $$;
             CREATE TRIGGER forget BEFORE INSERT ON bookings
             FOR EACH ROW EXECUTE FUNCTION forget()"#,
        )
        .await
        .expect("a trap");
    let first = shop.store.book(keyed(1, 1, "first")).await;
    assert!(first.is_ok(), "{first:?}");
    let second = shop.store.book(keyed(1, 1, "second")).await;
    let failed = matches!(second, Err(BookError::Store(StoreError::Failed(_))));
    assert!(failed, "{second:?}");
    let keys = "SELECT count(*) FROM idempotency_keys";
    assert_eq!(shop.number(keys).await, 1);
    shop.assert_sums_agree().await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_that_writes_other_rows_than_were_decided_on_writes_none() {
    let shop = Shop::open(1, 10).await;
    shop.sql
        .batch_execute(
            "CREATE FUNCTION swallow() RETURNS trigger LANGUAGE plpgsql AS
                 $$ BEGIN RETURN NULL; END $$;
             CREATE TRIGGER swallow BEFORE INSERT ON bookings
             FOR EACH ROW WHEN (NEW.user_id = 2) EXECUTE FUNCTION swallow()",
        )
        .await
        .expect("a trap");
    let swallowed = shop.store.book(keyed(2, 1, "k")).await;
    let failed = matches!(swallowed, Err(BookError::Store(StoreError::Failed(_))));
    assert!(failed, "{swallowed:?}");
    let keys = "SELECT count(*) FROM idempotency_keys";
    assert_eq!(shop.number(keys).await, 0);
    let other = shop.store.book(command(1, 1)).await;
    assert!(other.is_ok(), "{other:?}");
    shop.assert_sums_agree().await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_in_one_batch_for_two_events_makes_one_booking() {
    let shop = Shop::open(2, 10).await;
    let tasks = (0..20).map(|n| shop.book(keyed(1, n % 2 + 1, "k")));
    let answers = all(tasks.collect::<Vec<_>>()).await;
    assert_eq!(shop.number("SELECT count(*) FROM bookings").await, 1);
    let same = answers.iter().flatten().filter(|booked| booked.replayed);
    assert_eq!(same.count(), 9);
    let reused = |answer: &&Result<_, _>| matches!(answer, Err(BookError::KeyReused(_)));
    assert_eq!(answers.iter().filter(reused).count(), 10);
    shop.assert_sums_agree().await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refused_commands_leave_no_key_behind() {
    let shop = Shop::open(2, 3).await;
    let two = |user, key: &str| BookSeats {
        seats: SeatCount::try_new(2).expect("in range"),
        ..keyed(user, 1, key)
    };
    let holder = shop.hold(1).await;
    let first = shop.book(command(1, 1));
    shop.until_waiting(1).await;
    // In one batch: a sale, a refusal, and a refusal whose key is used again.
    let tasks = vec![
        shop.book(two(1, "sold")),
        shop.book(two(2, "refused")),
        shop.book(two(3, "second try")),
    ];
    while shop.store.load().waiting < 3 {
        tokio::task::yield_now().await;
    }
    holder.batch_execute("COMMIT").await.expect("let go");
    assert!(first.await.expect("no panic").is_ok());
    let sold = all(tasks)
        .await
        .iter()
        .filter(|answer| answer.is_ok())
        .count();
    assert_eq!(sold, 1);
    assert_eq!(
        shop.number("SELECT count(*) FROM idempotency_keys").await,
        1
    );
    let agree = "SELECT count(*) FROM idempotency_keys k JOIN bookings b ON b.id = k.booking_id
                 AND b.user_id = k.user_id AND b.event_id = k.event_id AND b.seats = k.seats";
    assert_eq!(shop.number(agree).await, 1);
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_whose_first_command_was_refused_says_what_was_sold_under_it() {
    let shop = Shop::open(1, 1).await;
    let holder = shop.hold(1).await;
    let first = shop.book(keyed(2, 1, "other"));
    shop.until_waiting(1).await;
    let two = BookSeats {
        seats: SeatCount::try_new(2).expect("in range"),
        ..keyed(1, 1, "k")
    };
    let refused = shop.book(two);
    while shop.store.load().waiting < 1 {
        tokio::task::yield_now().await;
    }
    let sold = shop.book(keyed(1, 1, "k"));
    while shop.store.load().waiting < 2 {
        tokio::task::yield_now().await;
    }
    holder
        .batch_execute("UPDATE events SET capacity = 2, seats_available = 2 WHERE id = 1; COMMIT")
        .await
        .expect("let go");
    assert!(first.await.expect("no panic").is_ok());
    let refusal = refused.await.expect("no panic");
    assert!(
        matches!(refusal, Err(BookError::NotEnoughSeats { .. })),
        "{refusal:?}"
    );
    let booked = sold.await.expect("no panic").expect("a seat is free");
    let bound = "SELECT booking_id FROM idempotency_keys WHERE key = 'k' AND seats = 1";
    assert_eq!(shop.number(bound).await, booked.booking_id.get());
    let replayed = shop
        .book(keyed(1, 1, "k"))
        .await
        .expect("no panic")
        .expect("a replay");
    assert_eq!(
        (replayed.booking_id, replayed.replayed),
        (booked.booking_id, true)
    );
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cancellations_and_bookings_of_one_batch_follow_their_order() {
    let shop = Shop::open(1, 2).await;
    let first = shop
        .book(command(1, 1))
        .await
        .expect("no panic")
        .expect("free");
    let second = shop
        .book(command(2, 1))
        .await
        .expect("no panic")
        .expect("free");
    let holder = shop.hold(1).await;
    let waits = shop.book(command(3, 1));
    shop.until_waiting(1).await;
    let cancelled = shop.cancel(first.booking_id.get());
    while shop.store.load().waiting < 1 {
        tokio::task::yield_now().await;
    }
    let booked = shop.book(command(4, 1));
    let again = shop.cancel(first.booking_id.get());
    while shop.store.load().waiting < 3 {
        tokio::task::yield_now().await;
    }
    holder.batch_execute("COMMIT").await.expect("let go");
    assert!(waits.await.expect("no panic").is_err(), "sold out");
    assert_eq!(
        cancelled.await.expect("no panic").seats_returned,
        Some(SeatCount::ONE)
    );
    assert!(booked.await.expect("no panic").is_ok(), "a seat came back");
    assert_eq!(again.await.expect("no panic").seats_returned, None);
    shop.cancel(second.booking_id.get())
        .await
        .expect("no panic");
    assert_eq!(
        shop.number("SELECT seats_available::bigint FROM events")
            .await,
        1
    );
    shop.assert_sums_agree().await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_queue_refuses_at_once_and_the_rest_is_served() {
    let three = NonZeroUsize::new(3).expect("not zero");
    let shop = Shop::open_with(1, 50, |settings| {
        settings.batches = Limits {
            waiting_per_key_max: three,
            ..settings.batches
        };
    })
    .await;
    let holder = shop.hold(1).await;
    let first = shop.book(command(1, 1));
    shop.until_waiting(1).await;
    let waiting: Vec<_> = (0..3).map(|_| shop.book(command(1, 1))).collect();
    while shop.store.load().waiting < 3 {
        tokio::task::yield_now().await;
    }
    let refused = shop.store.book(command(1, 1)).await;
    let busy = matches!(refused, Err(BookError::Store(StoreError::Busy(_))));
    assert!(busy, "{refused:?}");
    holder.batch_execute("COMMIT").await.expect("let go");
    assert!(first.await.expect("no panic").is_ok());
    assert!(all(waiting).await.iter().all(Result::is_ok));
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_that_waits_too_long_never_runs() {
    let shop = Shop::open_with(1, 50, |settings| {
        settings.acquire_timeout = Duration::from_millis(300);
    })
    .await;
    let holder = shop.hold(1).await;
    let first = shop.book(command(1, 1));
    shop.until_waiting(1).await;
    let late = shop.store.book(command(2, 1)).await;
    let busy = matches!(late, Err(BookError::Store(StoreError::Busy(_))));
    assert!(busy, "{late:?}");
    holder.batch_execute("COMMIT").await.expect("let go");
    assert!(first.await.expect("no panic").is_ok());
    shop.store.drain().await;
    assert_eq!(shop.number("SELECT count(*) FROM bookings").await, 1);
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_whose_callers_went_away_run_all_the_same() {
    let shop = Shop::open(1, 50).await;
    let holder = shop.hold(1).await;
    let first = shop.book(command(1, 1));
    shop.until_waiting(1).await;
    let left: Vec<_> = (0..10).map(|_| shop.book(command(1, 1))).collect();
    while shop.store.load().waiting < 10 {
        tokio::task::yield_now().await;
    }
    left.iter().for_each(JoinHandle::abort);
    first.abort();
    holder.batch_execute("COMMIT").await.expect("let go");
    shop.store.drain().await;
    assert_eq!(shop.number("SELECT count(*) FROM bookings").await, 11);
    shop.assert_sums_agree().await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_asks_for_an_event_gets_no_older_answer_than_a_query_of_their_own_gives() {
    let shop = Shop::open(2, 1_000).await;
    for round in 0..50_u32 {
        let asked_before: Vec<_> = (0..20)
            .map(|n| {
                let events = shop.events.clone();
                tokio::spawn(async move { events.find(event(n % 2 + 1)).await })
            })
            .collect();
        shop.book(command(1, 1))
            .await
            .expect("no panic")
            .expect("free");
        let seen = shop.events.find(event(1)).await.expect("there");
        assert_eq!(seen.seats_available().get(), 999 - round);
        for found in all(asked_before).await {
            let found = found.expect("there");
            let sold = 1_000 - found.seats_available().get();
            let expected = if found.id() == event(1) {
                round..=round + 1
            } else {
                0..=0
            };
            assert!(expected.contains(&sold), "round {round}: {found:?}");
        }
    }
    let missing = shop.events.find(event(99)).await;
    assert!(
        matches!(missing, Err(FindEventError::EventNotFound(_))),
        "{missing:?}"
    );
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_that_do_not_exist_wait_for_nobody() {
    let shop = Shop::open(1, 50).await;
    // The one batch that may wait for a lock does.
    let holder = shop.hold(1).await;
    let first = shop.book(command(1, 1));
    shop.until_waiting(1).await;
    let tasks: Vec<_> = (0..200).map(|n| shop.book(command(1, 1_000 + n))).collect();
    for refused in all(tasks).await {
        let unknown = matches!(refused, Err(BookError::EventNotFound(_)));
        assert!(unknown, "{refused:?}");
    }
    assert!(!first.is_finished());
    holder.batch_execute("COMMIT").await.expect("let go");
    assert!(first.await.expect("no panic").is_ok());
    shop.close().await;
}
