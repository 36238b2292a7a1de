//! BEGIN, COMMIT and what travels with them, when one of them goes wrong.

use std::time::Duration;

use adapters_postgres::PgSettings;
use domain::model::Booked;
use domain::ports::{BookError, BookingStore, StoreError};

use crate::shop::{Shop, command, keyed};

/// The user whose booking is a trap.
const TRAPPER: i64 = 20;

/// A shop with one session. When it writes a booking of the [`TRAPPER`]'s it puts
/// another statement in the place of the one that looks `like` that, or none, if it
/// is prepared by then.
async fn shop_with_trap(like: &str, instead: Option<&str>) -> Shop {
    let shop = Shop::open_with(1, 10, one_hasty_session).await;
    let prepare = instead.map_or(String::new(), |statement| {
        format!("EXECUTE format('PREPARE %I {statement}', replaced);")
    });
    shop.sql
        .batch_execute(&format!(
            "CREATE FUNCTION give_up() RETURNS text LANGUAGE plpgsql AS
                 $$ BEGIN RAISE 'canceling statement on purpose'; END $$;
             CREATE FUNCTION replace() RETURNS trigger LANGUAGE plpgsql AS $$
             DECLARE replaced text;
             BEGIN
                 SELECT name INTO replaced FROM pg_prepared_statements
                 WHERE statement LIKE '{like}';
                 IF replaced IS NULL THEN RETURN NEW; END IF;
                 EXECUTE format('DEALLOCATE %I', replaced);
                 {prepare}
                 RETURN NEW;
             END $$;
             CREATE TRIGGER replace BEFORE INSERT ON bookings
             FOR EACH ROW WHEN (NEW.user_id = {TRAPPER}) EXECUTE FUNCTION replace()"
        ))
        .await
        .expect("a trap");
    // With its replay, so that every statement is prepared.
    for _ in 0..2 {
        let booked = shop.store.book(keyed(1, 1, "first")).await;
        assert!(booked.is_ok(), "{booked:?}");
    }
    shop
}

/// As [`shop_with_trap`], and the session has stepped into it.
async fn shop_that_mistakes(like: &str, instead: Option<&str>) -> Shop {
    let shop = shop_with_trap(like, instead).await;
    let booked = shop.store.book(keyed(TRAPPER, 1, "trap")).await;
    assert!(booked.is_ok(), "{booked:?}");
    shop
}

/// One session, so that it is known which one makes the next booking.
fn one_hasty_session(settings: &mut PgSettings) {
    settings.pool_size = 1;
    settings.lock_timeout = Duration::from_millis(100);
}

impl Shop {
    /// Of so many bookings there is everything, and of others nothing.
    async fn assert_sold(self, bookings: i64) {
        assert_eq!(self.number("SELECT count(*) FROM bookings").await, bookings);
        let keys = "SELECT count(*) FROM idempotency_keys";
        assert_eq!(self.number(keys).await, bookings);
        self.assert_sums_agree().await;
        self.close().await;
    }
}

fn has_failed(answer: &Result<Booked, BookError>) -> bool {
    matches!(answer, Err(BookError::Store(StoreError::Failed(_))))
}

fn is_busy(answer: &Result<Booked, BookError>) -> bool {
    matches!(answer, Err(BookError::Store(StoreError::Busy(_))))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_that_does_not_begin_binds_no_key() {
    let shop = shop_that_mistakes("BEGIN", None).await;
    let third = shop.store.book(keyed(1, 1, "third")).await;
    assert!(has_failed(&third), "{third:?}");
    shop.assert_sold(2).await;
}

/// As if COMMIT had come before what is written, or BEGIN behind the questions.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_written_outside_of_the_transaction_that_has_locked_the_event() {
    let shop = shop_that_mistakes("BEGIN", Some("AS SELECT 1")).await;
    let last_id = "SELECT last_value FROM bookings_id_seq";
    let before = shop.number(last_id).await;
    let third = shop.store.book(command(1, 1)).await.expect("booked");
    // The session is given up, and another one does it anew.
    assert_eq!(third.booking_id.get(), before + 2);
    assert_eq!(shop.number("SELECT count(*) FROM bookings").await, 3);
    shop.assert_sums_agree().await;
    shop.close().await;
}

/// The statement behind the one that was cancelled only says that the
/// transaction is aborted.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_the_questions_the_first_that_fails_says_why() {
    let shop = Shop::open_with(1, 10, one_hasty_session).await;
    let holder = shop.hold(1).await;
    let answer = shop.store.book(command(1, 1)).await;
    assert!(is_busy(&answer), "{answer:?}");
    drop(holder);
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_fails_before_the_keys_are_bound_says_why() {
    let shop = shop_that_mistakes("SELECT set_config(%", Some("AS SELECT give_up()")).await;
    let third = shop.store.book(keyed(1, 1, "third")).await;
    assert!(is_busy(&third), "{third:?}");
    shop.assert_sold(2).await;
}

/// What was to be written has failed, so nothing was; that COMMIT fails as well
/// must not make it look as if nobody knew.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_fails_before_a_commit_that_fails_says_why() {
    let shop = shop_with_trap("COMMIT", None).await;
    let holder = shop.hold_totals().await;
    let second = shop.store.book(command(TRAPPER, 1)).await;
    assert!(is_busy(&second), "{second:?}");
    drop(holder);
    shop.assert_sold(1).await;
}

/// Another session does it anew, once it is known that the first one did not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_commit_that_fails_alone_was_for_is_done() {
    let shop = shop_with_trap("COMMIT", None).await;
    let last_id = "SELECT last_value FROM bookings_id_seq";
    let before = shop.number(last_id).await;
    let second = shop.store.book(keyed(TRAPPER, 1, "trap")).await;
    let second = second.expect("booked");
    assert_eq!(second.booking_id.get(), before + 2);
    assert!(!second.replayed);
    shop.assert_sold(2).await;
}

/// It is found bound, and gone when it is asked what it stands for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_sold_under_a_key_that_is_let_go_this_very_moment() {
    let find_nothing = "(bigint[], text[]) AS
        SELECT 0::bigint, NULL::text, 0::bigint, 0::bigint, 0 WHERE false";
    let shop = shop_that_mistakes("SELECT i.user_id, i.key%", Some(find_nothing)).await;
    let third = shop.store.book(keyed(1, 1, "first")).await;
    assert!(is_busy(&third), "{third:?}");
    shop.assert_sold(2).await;
}
