//! Suspending and erasing users while bookings of theirs are under way: what was
//! true when a booking's facts were read may not be when it is written.

use std::sync::Arc;
use std::time::Duration;

use adapters_postgres::{PgAccountStore, PgSessionStore};
use domain::model::{PasswordHash, SecretDigest, SessionSecrets, UserId};
use domain::ports::{
    AccountError, AccountStore, BeginSessionError, BookError, BookingStore, RefreshError,
    SessionStore, StoreError,
};
use tokio::task::JoinHandle;
use tokio_postgres::Client;

use super::shop::{Shop, all, command, keyed};
use super::support;

fn user(id: i64) -> UserId {
    UserId::try_new(id).expect("positive")
}

fn accounts(shop: &Shop) -> Arc<PgAccountStore> {
    Arc::new(PgAccountStore::new(shop.database.clone()))
}

/// A session that has done this and not committed it.
async fn holder(shop: &Shop, statements: &str) -> Client {
    let holder = support::session(Some(&shop.name)).await;
    holder
        .batch_execute(&format!("BEGIN; {statements}"))
        .await
        .expect("held");
    holder
}

/// Keeps everybody from committing a booking, at its very end.
const HOLD_TOTALS: &str = "SELECT FROM booking_totals FOR UPDATE";
/// As a suspension does before it writes.
const HOLD_USER: &str = "SELECT FROM users WHERE id = 1 FOR UPDATE";
const SUSPEND_USER: &str = "UPDATE users SET suspended_at = now() WHERE id = 1; COMMIT";

/// Waits until that many sessions wait for a lock, and fails if the task ends before.
async fn until_waiting_with<T>(shop: &Shop, sessions: i64, task: &JoinHandle<T>) {
    let waiting = "SELECT count(*) FROM pg_stat_activity
                   WHERE datname = current_database() AND wait_event_type = 'Lock'";
    while shop.number(waiting).await < sessions {
        assert!(!task.is_finished(), "did not wait for the booking");
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_buyer_who_is_suspended_after_the_facts_were_read_gets_nothing() {
    let shop = Shop::open(1, 50).await;
    let suspending = holder(&shop, HOLD_USER).await;
    let booking = shop.book(command(1, 1));
    shop.until_waiting(1).await;
    suspending
        .batch_execute(SUSPEND_USER)
        .await
        .expect("suspended");
    let refused = booking.await.expect("no panic");
    assert!(
        matches!(refused, Err(BookError::UserSuspended(id)) if id == user(1)),
        "{refused:?}"
    );
    assert_eq!(shop.number("SELECT count(*) FROM bookings").await, 0);
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_buyer_who_is_suspended_takes_nobody_else_of_the_batch_along() {
    let shop = Shop::open(1, 50).await;
    let event = shop.hold(1).await;
    let first = shop.book(command(3, 1));
    shop.until_waiting(1).await;
    let batch = [1, 2].map(|id| shop.book(command(id, 1)));
    while shop.store.load().waiting < 2 {
        tokio::task::yield_now().await;
    }
    let suspending = holder(&shop, HOLD_USER).await;
    event.batch_execute("COMMIT").await.expect("let go");
    assert!(first.await.expect("no panic").is_ok());
    shop.until_waiting(1).await;
    suspending
        .batch_execute(SUSPEND_USER)
        .await
        .expect("suspended");
    let answers = all(batch).await;
    assert!(
        matches!(answers[0], Err(BookError::UserSuspended(_))),
        "{answers:?}"
    );
    assert!(answers[1].is_ok(), "{answers:?}");
    shop.assert_sums_agree().await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_of_a_buyer_who_is_suspended_meanwhile_is_not_bound() {
    let shop = Shop::open(1, 50).await;
    let suspending = holder(&shop, HOLD_USER).await;
    let booking = shop.book(keyed(1, 1, "a key"));
    shop.until_waiting(1).await;
    suspending
        .batch_execute(SUSPEND_USER)
        .await
        .expect("suspended");
    let refused = booking.await.expect("no panic");
    assert!(
        matches!(refused, Err(BookError::UserSuspended(_))),
        "{refused:?}"
    );
    let keys = "SELECT count(*) FROM idempotency_keys";
    assert_eq!(shop.number(keys).await, 0);
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn suspending_waits_for_a_booking_that_is_about_to_be_committed() {
    let shop = Shop::open(1, 50).await;
    let accounts = accounts(&shop);
    let totals = holder(&shop, HOLD_TOTALS).await;
    let booking = shop.book(command(1, 1));
    shop.until_waiting(1).await;
    let suspending = tokio::spawn(async move { accounts.suspend(user(1)).await });
    until_waiting_with(&shop, 2, &suspending).await;
    totals.batch_execute("COMMIT").await.expect("let go");
    assert!(booking.await.expect("no panic").is_ok());
    let account = suspending.await.expect("no panic").expect("suspended");
    assert!(account.suspended_at.is_some());
    let refused = shop.store.book(command(1, 1)).await;
    assert!(
        matches!(refused, Err(BookError::UserSuspended(_))),
        "{refused:?}"
    );
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_booking_that_an_erasure_waited_for_is_to_be_cancelled() {
    let shop = Shop::open(1, 50).await;
    let accounts = accounts(&shop);
    let totals = holder(&shop, HOLD_TOTALS).await;
    let booking = shop.book(command(1, 1));
    shop.until_waiting(1).await;
    let eraser = accounts.clone();
    let erasing = tokio::spawn(async move { eraser.erase(user(1)).await });
    until_waiting_with(&shop, 2, &erasing).await;
    let nothing_yet = accounts.bookings_of_erased(10).await.expect("no trouble");
    assert!(nothing_yet.is_empty(), "{nothing_yet:?}");
    totals.batch_execute("COMMIT").await.expect("let go");
    let booked = booking.await.expect("no panic").expect("booked");
    erasing.await.expect("no panic").expect("erased");
    let left = accounts.bookings_of_erased(10).await.expect("no trouble");
    assert_eq!(left, [booked.booking_id]);
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_erasure_is_pending_until_all_its_bookings_are_cancelled() {
    let shop = Shop::open(2, 50).await;
    let accounts = accounts(&shop);
    let tasks = [1, 1, 2].map(|event_id| shop.book(command(1, event_id)));
    for booked in all(tasks).await {
        booked.expect("booked");
    }
    accounts.erase(user(1)).await.expect("erased");
    // What has started is over for them.
    shop.sql
        .batch_execute("UPDATE events SET start_at = now() WHERE id = 2")
        .await
        .expect("started");
    let pending = "SELECT count(*) FROM erasures_pending";
    for left in [2, 1, 0] {
        assert_eq!(shop.number(pending).await, 1);
        let bookings = accounts.bookings_of_erased(10).await.expect("no trouble");
        assert_eq!(bookings.len(), left);
        if let Some(booking_id) = bookings.first() {
            shop.cancel(booking_id.get()).await.expect("no panic");
        }
    }
    assert_eq!(shop.number(pending).await, 0);
    shop.assert_sums_agree().await;
    shop.close().await;
}

fn secrets(number: u64) -> SessionSecrets {
    let digest = |kind: u8| {
        let mut bytes = [kind; 32];
        bytes[..8].copy_from_slice(&number.to_be_bytes());
        SecretDigest::from_bytes(bytes)
    };
    let lasts = Duration::from_secs(600);
    SessionSecrets {
        access: digest(1),
        access_lasts: lasts,
        refresh: digest(2),
        refresh_lasts: lasts,
    }
}

fn proof() -> PasswordHash {
    PasswordHash::from_phc("$argon2id$".to_owned())
}

fn is_trouble(error: &StoreError) -> bool {
    eprintln!("{error:?}");
    true
}

/// Everything that locks a user's row or a session's, all at once: a circle of
/// waiting would be broken by PostgreSQL, and somebody told that it is busy.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bookings_logins_suspensions_and_erasures_never_wait_in_a_circle() {
    let shop = Shop::open(3, 10_000).await;
    shop.sql
        .execute("UPDATE users SET password_hash = $1", &[&proof().as_phc()])
        .await
        .expect("passwords");
    let accounts = accounts(&shop);
    let sessions = Arc::new(PgSessionStore::new(shop.database.clone()));
    let mut tasks = Vec::new();
    for client in 0..8_u64 {
        let (store, accounts, sessions) = (shop.store.clone(), accounts.clone(), sessions.clone());
        tasks.push(tokio::spawn(async move {
            for round in 0..60_u64 {
                let n = client * 60 + round;
                // Few, so that they meet.
                let id = (n % 4 + 1).cast_signed();
                let event_id = (n % 3 + 1).cast_signed();
                let trouble = match (client + round) % 8 {
                    0 => {
                        let done = accounts.suspend(user(id)).await;
                        matches!(done, Err(AccountError::Store(error)) if is_trouble(&error))
                    }
                    1 => {
                        let done = accounts.reinstate(user(id)).await;
                        matches!(done, Err(AccountError::Store(error)) if is_trouble(&error))
                    }
                    2 if n % 120 == 98 => {
                        let done = accounts.erase(user(id)).await;
                        matches!(done, Err(AccountError::Store(error)) if is_trouble(&error))
                    }
                    2 | 3 => {
                        let done = sessions.begin(user(id), proof(), secrets(n)).await;
                        matches!(done, Err(BeginSessionError::Store(error)) if is_trouble(&error))
                    }
                    4 => {
                        let done = sessions
                            .refresh(secrets(n - 1).refresh, secrets(n + 100_000))
                            .await;
                        matches!(done, Err(RefreshError::Store(error)) if is_trouble(&error))
                    }
                    5 => {
                        let key = format!("key {n}");
                        let done = store.book(keyed(id, event_id, &key)).await;
                        matches!(done, Err(BookError::Store(error)) if is_trouble(&error))
                    }
                    _ => {
                        let done = store.book(command(id, event_id)).await;
                        matches!(done, Err(BookError::Store(error)) if is_trouble(&error))
                    }
                };
                assert!(!trouble, "client {client}, round {round}");
            }
        }));
    }
    all(tasks).await;
    let left_over = "SELECT count(*) FROM sessions s JOIN users u ON u.id = s.user_id
                     WHERE s.refresh_until > now()
                         AND (u.suspended_at IS NOT NULL OR u.erased_at IS NOT NULL)";
    assert_eq!(shop.number(left_over).await, 0, "sessions that should end");
    shop.assert_sums_agree().await;
    shop.close().await;
}

/// Whoever looks for bookings of erased users must not see the event as it was
/// before and then forget the user whom the one who moves it has found pending.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_that_is_being_postponed_is_waited_for() {
    let shop = Shop::open(2, 50).await;
    let accounts = accounts(&shop);
    let booked = shop.book(command(1, 1)).await.expect("no panic");
    shop.book(command(2, 2))
        .await
        .expect("no panic")
        .expect("booked");
    shop.sql
        .batch_execute("UPDATE events SET start_at = now()")
        .await
        .expect("started");
    for id in [1, 2] {
        accounts.erase(user(id)).await.expect("erased");
    }
    let postponing = holder(
        &shop,
        "UPDATE events SET start_at = '2099-01-01' WHERE id = 1",
    )
    .await;
    let looker = accounts.clone();
    let looking = tokio::spawn(async move { looker.bookings_of_erased(10).await });
    until_waiting_with(&shop, 1, &looking).await;
    postponing.batch_execute("COMMIT").await.expect("postponed");
    let found = looking.await.expect("no panic").expect("no trouble");
    let booking_id = booked.expect("booked").booking_id;
    assert_eq!(found, [booking_id]);
    shop.cancel(booking_id.get()).await.expect("no panic");
    let nothing = accounts.bookings_of_erased(10).await.expect("no trouble");
    assert!(nothing.is_empty(), "{nothing:?}");
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postponing_an_event_queues_those_erased_users_who_have_booked_it() {
    let shop = Shop::open(2, 50).await;
    let accounts = accounts(&shop);
    for (id, event_id) in [(1, 1), (2, 2), (3, 1), (4, 1)] {
        let booked = shop.book(command(id, event_id)).await.expect("no panic");
        let booking_id = booked.expect("booked").booking_id;
        if id == 4 {
            shop.cancel(booking_id.get()).await.expect("no panic");
        }
    }
    for id in [1, 2, 4] {
        accounts.erase(user(id)).await.expect("erased");
    }
    let pending = "SELECT coalesce(sum(user_id), 0)::bigint FROM erasures_pending";
    for (change, queued) in [
        ("UPDATE events SET name = 'Renamed', start_at = start_at", 0),
        (
            "UPDATE events SET start_at = start_at - interval '1 day'",
            0,
        ),
        ("UPDATE events SET start_at = '2099-06-01' WHERE id = 1", 1),
        ("UPDATE events SET start_at = '2099-06-01' WHERE id = 2", 3),
    ] {
        if queued == 0 {
            let forget = "DELETE FROM erasures_pending";
            shop.sql.batch_execute(forget).await.expect("forgotten");
        }
        shop.sql.batch_execute(change).await.expect("changed");
        assert_eq!(shop.number(pending).await, queued, "{change}");
    }
    shop.close().await;
}
