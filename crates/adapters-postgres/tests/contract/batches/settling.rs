//! A connection that breaks at COMMIT costs nobody an answer: what became of the
//! batch is found out, and what did not happen is done.

use std::pin::pin;
use std::time::Duration;

use adapters_postgres::PgSettings;
use domain::model::{Booked, BookingId, Cancelled, SeatCount};
use domain::ports::{BookError, BookingStore, CancelError, EventStore, StoreError};
use futures::poll;
use tokio_postgres::Client;

use crate::line::Line;
use crate::shop::{Shop, all, command, event, keyed};

/// What the answer to COMMIT may take where nobody is patient.
const HASTY: Duration = Duration::from_millis(500);

/// Far above all limits of whoever is not patient, far below the others'.
const SOON: Duration = Duration::from_secs(20);

/// A shop whose store is at the other end of a line, and has a session in which
/// everything is prepared, so that COMMIT is sent with the writes.
async fn shop_on_a_line(adjust: impl FnOnce(&mut PgSettings)) -> (Shop, Line) {
    let mut line = None;
    let shop = Shop::open_with(2, 10, |settings| {
        adjust(settings);
        line = Some(Line::before(settings));
    })
    .await;
    let booked = shop.store.book(command(1, 2)).await.expect("free");
    shop.store.cancel(booked.booking_id).await.expect("booked");
    (shop, line.expect("it was led over a line"))
}

async fn let_go(holder: Client) {
    holder.batch_execute("COMMIT").await.expect("let go");
}

impl Shop {
    /// Has whoever waits for a lock killed, and says how many that were.
    async fn kill_those_who_wait(&self) -> i64 {
        let kill = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
                    WHERE datname = current_database() AND wait_event_type = 'Lock'
                        AND application_name = 'utsavam'";
        self.number(kill).await
    }

    /// Of so many bookings there is everything, once, besides the first one.
    async fn assert_made(self, bookings: i64) {
        let made = "SELECT count(*) FROM bookings WHERE id > 1";
        assert_eq!(self.number(made).await, bookings);
        self.assert_sums_agree().await;
        self.close().await;
    }

    /// The COMMIT of whoever sells to user 1 waits until the session lets go.
    async fn hold_commits(&self) -> Client {
        self.sql
            .batch_execute(
                "CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS
                     $$ BEGIN PERFORM pg_advisory_xact_lock_shared(7); RETURN NULL; END $$;
                 CREATE CONSTRAINT TRIGGER wait AFTER INSERT ON bookings
                 DEFERRABLE INITIALLY DEFERRED
                 FOR EACH ROW WHEN (NEW.user_id = 1) EXECUTE FUNCTION wait()",
            )
            .await
            .expect("a trap");
        let holder = self.session().await;
        let hold = "BEGIN; SELECT pg_advisory_xact_lock(7)";
        holder.batch_execute(hold).await.expect("held");
        holder
    }
}

fn is_unknown(answer: &Result<Booked, BookError>) -> bool {
    matches!(answer, Err(BookError::Store(StoreError::OutcomeUnknown(_))))
}

/// The writes wait, and COMMIT is behind them already, when the line breaks: the store
/// must wait for it, and say what came of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_that_still_runs_when_its_connection_breaks_is_waited_for() {
    let (shop, line) = shop_on_a_line(|_| {}).await;
    let holder = shop.hold_totals().await;
    let booked = shop.book(command(1, 1));
    shop.until_waiting(1).await;
    line.lose();
    // The first one, and who looks after it.
    shop.until_waiting(2).await;
    assert!(!booked.is_finished());
    let_go(holder).await;
    let booked = booked.await.expect("no panic").expect("booked");
    assert!(!booked.replayed);
    let made = shop.number("SELECT max(id) FROM bookings").await;
    assert_eq!(booked.booking_id.get(), made);
    shop.assert_made(1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_committed_although_the_answer_was_lost_is_told_to_everybody() {
    let (shop, line) = shop_on_a_line(|_| {}).await;
    let first = shop.store.book(command(2, 1)).await.expect("free");
    let commits = shop.hold_commits().await;
    let holder = shop.hold(1).await;
    let before = shop.book(command(2, 1));
    shop.until_waiting(1).await;
    // All of them in the next batch.
    let mut booked: Vec<_> = (0..4).map(|_| shop.book(command(1, 1))).collect();
    booked.extend((0..2).map(|_| shop.book(keyed(3, 1, "k"))));
    let nobody = shop.book(command(777, 1));
    let cancelled = shop.cancel(first.booking_id.get());
    shop.until_queued(8).await;
    let_go(holder).await;
    before.await.expect("no panic").expect("booked");
    shop.until_waiting(1).await;
    line.lose();
    shop.until_waiting(2).await;
    let_go(commits).await;
    let booked = all(booked).await;
    let booked: Vec<Booked> = booked.into_iter().map(|b| b.expect("booked")).collect();
    let replayed = booked.iter().filter(|booked| booked.replayed).count();
    assert_eq!(replayed, 1, "{booked:?}");
    let nobody = nobody.await.expect("no panic");
    assert!(
        matches!(nobody, Err(BookError::UserNotFound(_))),
        "{nobody:?}"
    );
    let cancelled = cancelled.await.expect("no panic");
    assert_eq!(cancelled.seats_returned, Some(SeatCount::ONE));
    shop.assert_made(7).await;
}

/// Wherever a session is killed, between its first lock and the end of its COMMIT.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_is_killed_costs_nobody_a_booking() {
    let (shop, _line) = shop_on_a_line(|_| {}).await;
    for (sold, hold) in ["events", "users", "booking_totals", "COMMIT"]
        .iter()
        .enumerate()
    {
        let holder = match *hold {
            "COMMIT" => shop.hold_commits().await,
            table => {
                let holder = shop.session().await;
                let lock = format!("BEGIN; SELECT FROM {table} FOR UPDATE");
                holder.batch_execute(&lock).await.expect("locked");
                holder
            }
        };
        let booked = shop.book(keyed(1, 1, hold));
        shop.until_waiting(1).await;
        assert_eq!(shop.kill_those_who_wait().await, 1, "{hold}");
        shop.until_waiting_or(1, || booked.is_finished()).await;
        let_go(holder).await;
        let booked = booked.await.expect("no panic");
        let booked = booked.unwrap_or_else(|error| panic!("{hold}: {error:?}"));
        assert!(!booked.replayed, "{hold}");
        let made = shop.number("SELECT count(*) FROM bookings").await;
        assert_eq!(made, sold as i64 + 2, "{hold}");
    }
    shop.assert_made(4).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_line_that_is_cut_at_commit_costs_nobody_a_booking() {
    let (shop, line) = shop_on_a_line(|_| {}).await;
    for round in 0..3 {
        let holder = shop.hold_totals().await;
        // One after the other: those that come together share a transaction.
        let first = shop.book(command(1, 1));
        shop.until_waiting(1).await;
        let booked = [first, shop.book(command(2, 2))];
        shop.until_waiting(2).await;
        line.cut();
        // The server may notice before it commits, or not.
        let_go(holder).await;
        for booked in all(booked).await {
            booked.unwrap_or_else(|error| panic!("{round}: {error:?}"));
        }
    }
    shop.assert_made(6).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_that_takes_longer_than_locks_are_waited_for_is_looked_after_again() {
    let hasty = Duration::from_millis(200);
    let (shop, line) = shop_on_a_line(|settings| settings.lock_timeout = hasty).await;
    shop.sql
        .batch_execute(
            "CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS
                 $$ BEGIN PERFORM pg_sleep(1.5); RETURN NULL; END $$;
             CREATE CONSTRAINT TRIGGER dawdle AFTER INSERT ON bookings
             DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION dawdle()",
        )
        .await
        .expect("a trap");
    let booked = shop.book(command(1, 1));
    let dawdling = "SELECT count(*) FROM pg_stat_activity
                    WHERE datname = current_database() AND wait_event = 'PgSleep'";
    while shop.number(dawdling).await == 0 {
        tokio::task::yield_now().await;
    }
    line.lose();
    booked.await.expect("no panic").expect("booked");
    shop.assert_made(1).await;
}

/// As at a primary whose standby is slow: the COMMIT goes on without its connection, and
/// whoever looks after it waits for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_that_takes_longer_than_it_may_is_waited_for_by_who_looks_after_it() {
    let (shop, _line) = shop_on_a_line(|settings| settings.commit_timeout = HASTY).await;
    let commits = shop.hold_commits().await;
    let booked = shop.book(command(1, 1));
    // The COMMIT, and who looks after it.
    let looked = tokio::time::timeout(SOON, shop.until_waiting(2));
    looked.await.expect("somebody looks");
    assert!(!booked.is_finished());
    let_go(commits).await;
    booked.await.expect("no panic").expect("booked");
    shop.assert_made(1).await;
}

/// And nothing else notices: the server is not lost. The answer to the writes may be gone
/// with it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_of_commit_that_never_comes_costs_nobody_a_booking() {
    let (shop, line) = shop_on_a_line(|settings| {
        settings.commit_timeout = HASTY;
        settings.statement_timeout = Duration::from_secs(3);
    })
    .await;
    for (user, held) in [(1, "COMMIT"), (2, "writes")] {
        let holder = match held {
            "COMMIT" => shop.hold_commits().await,
            _ => shop.hold_totals().await,
        };
        let booked = shop.book(keyed(user, 1, "k"));
        shop.until_waiting(1).await;
        line.hush();
        let_go(holder).await;
        let booked = tokio::time::timeout(SOON, booked);
        let booked = booked.await.expect("an answer").expect("no panic");
        assert!(!booked.expect("booked").replayed, "{held}");
        // The silent connection is not used again.
        for user in 3..=5 {
            let booked = tokio::time::timeout(SOON, shop.store.book(command(user, 1)));
            booked.await.expect("an answer").expect("booked");
        }
    }
    shop.assert_made(8).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_of_rollback_that_never_comes_keeps_nobody_waiting() {
    let (shop, line) = shop_on_a_line(|settings| settings.commit_timeout = HASTY).await;
    line.hush_after("ROLLBACK", 0);
    let refused = tokio::time::timeout(SOON, shop.store.book(command(777, 1)));
    let refused = refused.await.expect("an answer");
    let unknown_user = matches!(refused, Err(BookError::UserNotFound(_)));
    assert!(unknown_user, "{refused:?}");
    assert_eq!(line.hushed(), 1);
    let booked = tokio::time::timeout(SOON, shop.store.book(command(1, 1)));
    booked.await.expect("an answer").expect("booked");
    shop.assert_made(1).await;
}

/// As after a failover to a server that had not heard of the last ids.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_booking_of_somebody_else_under_the_same_id_is_not_taken_for_ones_own() {
    let (shop, _line) = shop_on_a_line(|_| {}).await;
    let holder = shop.hold_totals().await;
    let booked = shop.book(command(1, 1));
    shop.until_waiting(1).await;
    let other = shop.hold_next(1);
    shop.until_waiting(2).await;
    // Only the one that sells: the other is no session of the store's.
    assert_eq!(shop.kill_those_who_wait().await, 1);
    let other = other.await.expect("no panic");
    other
        .batch_execute(
            "INSERT INTO bookings (id, user_id, event_id, seats, request_id)
             SELECT last_value, 2, 1, 1, gen_random_uuid() FROM bookings_id_seq;
             UPDATE events SET seats_available = seats_available - 1 WHERE id = 1;
             UPDATE event_sales SET confirmed_bookings = confirmed_bookings + 1
             WHERE event_id = 1",
        )
        .await
        .expect("given again");
    let_go(holder).await;
    other
        .batch_execute(
            "UPDATE booking_totals SET confirmed_bookings = confirmed_bookings + 1
             WHERE slot = 0",
        )
        .await
        .expect("counted");
    let_go(other).await;
    let booked = booked.await.expect("no panic").expect("booked");
    let owner = format!(
        "SELECT user_id FROM bookings WHERE id = {}",
        booked.booking_id
    );
    assert_eq!(shop.number(&owner).await, 1);
    shop.assert_made(2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn seats_of_a_cancellation_come_back_once_whatever_became_of_its_connection() {
    let (shop, line) = shop_on_a_line(|_| {}).await;
    let mut bookings = Vec::new();
    for _ in 0..2 {
        let booked = shop.store.book(command(1, 1)).await.expect("free");
        bookings.push(booked.booking_id.get());
    }
    let holder = shop.hold_totals().await;
    let cancelled = shop.cancel(bookings[0]);
    shop.until_waiting(1).await;
    line.lose();
    shop.until_waiting(2).await;
    let_go(holder).await;
    assert_returned(cancelled.await.expect("no panic"));

    let holder = shop.hold_totals().await;
    let cancelled = shop.cancel(bookings[1]);
    shop.until_waiting(1).await;
    assert_eq!(shop.kill_those_who_wait().await, 1);
    shop.until_waiting(1).await;
    let_go(holder).await;
    assert_returned(cancelled.await.expect("no panic"));

    for booking_id in bookings {
        let again = shop.cancel(booking_id).await.expect("no panic");
        assert_eq!(again.seats_returned, None);
    }
    let free = "SELECT seats_available::bigint FROM events WHERE id = 1";
    assert_eq!(shop.number(free).await, 10);
    shop.assert_made(2).await;
}

fn assert_returned(cancelled: Cancelled) {
    assert_eq!(cancelled.seats_returned, Some(SeatCount::ONE));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_booking_that_others_cancel_before_anybody_looks_was_made_all_the_same() {
    let (shop, line) = shop_on_a_line(|_| {}).await;
    let commits = shop.hold_commits().await;
    let booked = shop.book(command(1, 1));
    shop.until_waiting(1).await;
    line.lose();
    shop.until_waiting(2).await;
    let other = shop.store_on(&tokio::runtime::Handle::current()).await;
    line.open(false);
    line.cut();
    let_go(commits).await;
    let made = loop {
        let made = shop.number("SELECT max(id) FROM bookings").await;
        if made > 1 {
            break made;
        }
        tokio::task::yield_now().await;
    };
    let booking_id = BookingId::try_new(made).expect("positive");
    assert_returned(other.cancel(booking_id).await.expect("cancelled"));
    line.open(true);
    let booked = booked.await.expect("no panic").expect("booked");
    assert_eq!(booked.booking_id, booking_id);
    shop.assert_made(1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_known_in_time_is_settled_by_the_same_key() {
    let patience = Duration::from_secs(2);
    let (shop, line) = shop_on_a_line(|settings| settings.acquire_timeout = patience).await;
    for (key, committed) in [("rolled back", false), ("committed", true)] {
        let commits = shop.hold_commits().await;
        let booked = shop.book(keyed(1, 1, key));
        shop.until_waiting(1).await;
        line.open(false);
        match committed {
            true => line.lose(),
            false => assert_eq!(shop.kill_those_who_wait().await, 1),
        }
        let_go(commits).await;
        let unknown = booked.await.expect("no panic");
        assert!(is_unknown(&unknown), "{key}: {unknown:?}");
        line.open(true);
        let again = loop {
            match shop.store.book(keyed(1, 1, key)).await {
                Ok(booked) => break booked,
                // Nobody has found out yet that the server is back.
                Err(BookError::Store(StoreError::Unavailable(_))) => {}
                Err(error) => panic!("{key}: {error:?}"),
            }
        };
        assert_eq!(again.replayed, committed, "{key}");
        shop.sql
            .batch_execute("DROP TRIGGER wait ON bookings; DROP FUNCTION wait")
            .await
            .expect("no trap");
    }
    shop.assert_made(2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_end_of_a_store_waits_for_what_is_not_settled() {
    let (shop, line) = shop_on_a_line(|_| {}).await;
    let holder = shop.hold_totals().await;
    let booked = shop.book(command(1, 1));
    shop.until_waiting(1).await;
    line.lose();
    shop.until_waiting(2).await;
    let store = shop.store.clone();
    let mut drained = pin!(store.drain());
    assert!(poll!(&mut drained).is_pending(), "a booking is under way");
    let_go(holder).await;
    drained.await;
    assert!(booked.await.expect("no panic").is_ok());
    shop.assert_made(1).await;
}

/// Somebody else locks the totals first and the event then. PostgreSQL ends the
/// transaction that is the first to look for a circle, which is the store's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_circle_of_waiting_is_nobodys_concern() {
    let shop = Shop::open(2, 10).await;
    let look_soon = format!("ALTER DATABASE {} SET deadlock_timeout = '3s'", shop.name);
    shop.sql.batch_execute(&look_soon).await.expect("set");
    let first = shop.store.book(command(1, 1)).await.expect("free");
    let broken = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()";
    for round in 1..=3 {
        let holder = shop.hold_totals().await;
        let (booked, cancelled, deleted) = match round {
            1 => (Some(shop.book(command(2, 1))), None, None),
            2 => (None, Some(shop.cancel(first.booking_id.get())), None),
            _ => {
                let events = shop.events.clone();
                let delete = async move { events.delete(event(1)).await };
                (None, None, Some(tokio::spawn(delete)))
            }
        };
        shop.until_waiting(1).await;
        holder
            .batch_execute(
                "SET deadlock_timeout = '1min'; SELECT FROM events WHERE id = 1 FOR UPDATE; COMMIT",
            )
            .await
            .expect("the other one is ended");
        if let Some(booked) = booked {
            booked.await.expect("no panic").expect("booked");
        }
        if let Some(cancelled) = cancelled {
            assert_returned(cancelled.await.expect("no panic"));
        }
        if let Some(deleted) = deleted {
            deleted.await.expect("no panic").expect("deleted");
        }
        while shop.number(broken).await < round {
            tokio::task::yield_now().await;
        }
    }
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_that_is_not_had_in_time_is_not_waited_for_again() {
    const LOCK_TIMEOUT: Duration = Duration::from_secs(1);
    let shop = Shop::open_with(1, 10, |settings| settings.lock_timeout = LOCK_TIMEOUT).await;
    let first = shop.store.book(command(1, 1)).await.expect("free");
    let holder = shop.hold(1).await;
    let asked = std::time::Instant::now();
    let answer = shop.store.cancel(first.booking_id).await;
    let busy = matches!(answer, Err(CancelError::Store(StoreError::Busy(_))));
    assert!(busy, "{answer:?}");
    assert!(asked.elapsed() < 2 * LOCK_TIMEOUT, "{:?}", asked.elapsed());
    drop(holder);
    shop.close().await;
}
