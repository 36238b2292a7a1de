//! Statements that return their row and fail then, as those do whose checks come at the end:
//! what was not done is not answered as done.

use adapters_postgres::PgUserStore;
use chrono::{DateTime, Utc};
use domain::model::{Capacity, Email, EventName, NewUser, PublishEvent};
use domain::ports::{
    BookError, BookingStore, CancelError, EventStore, RegisterError, StoreError, UserStore,
};

use crate::shop::{Shop, command, keyed};

/// Refuses the rows of a table behind the statement that wrote them, or behind all
/// statements: foreign keys and `CONSTRAINT TRIGGER`s do.
async fn refuse(shop: &Shop, change: &str, table: &str, when: &str) {
    shop.sql
        .batch_execute(&format!(
            "CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
                 $$ BEGIN RAISE 'refused on purpose'; END $$;
             CREATE CONSTRAINT TRIGGER refuse AFTER {change} ON {table}
             DEFERRABLE INITIALLY {when} FOR EACH ROW EXECUTE FUNCTION refuse()"
        ))
        .await
        .expect("set");
}

async fn allow(shop: &Shop, table: &str) {
    let drop = format!("DROP TRIGGER refuse ON {table}");
    shop.sql.batch_execute(&drop).await.expect("cleared");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sale_that_is_refused_behind_its_answer_is_none() {
    let shop = Shop::open(1, 10).await;
    let first = shop.store.book(command(1, 1)).await.expect("free");
    refuse(&shop, "INSERT", "bookings", "IMMEDIATE").await;
    for command in [command(2, 1), keyed(2, 1, "k")] {
        let sold = shop.store.book(command).await;
        let failed = matches!(sold, Err(BookError::Store(StoreError::Failed(_))));
        assert!(failed, "{sold:?}");
    }
    allow(&shop, "bookings").await;
    refuse(&shop, "UPDATE", "bookings", "IMMEDIATE").await;
    let cancelled = shop.store.cancel(first.booking_id).await;
    let failed = matches!(cancelled, Err(CancelError::Store(StoreError::Failed(_))));
    assert!(failed, "{cancelled:?}");
    allow(&shop, "bookings").await;
    let confirmed = "SELECT count(*) FROM bookings WHERE status = 'CONFIRMED'";
    assert_eq!(shop.number(confirmed).await, 1);
    shop.assert_sums_agree().await;
    let sold = shop.store.book(keyed(2, 1, "k")).await;
    assert!(sold.is_ok(), "{sold:?}");
    shop.close().await;
}

/// A statement that is a transaction of its own returns its row before it is committed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_and_a_user_that_are_refused_at_the_commit_are_none() {
    let shop = Shop::open(1, 10).await;
    let users = PgUserStore::new(shop.database.clone());
    let event = || PublishEvent {
        name: EventName::parse("Concert").expect("a name"),
        venue: None,
        start_at: DateTime::<Utc>::from_timestamp_secs(4_000_000_000).expect("in range"),
        capacity: Capacity::try_new(10).expect("in range"),
    };
    let user = || NewUser {
        email: Email::parse("later@example.com").expect("an address"),
        name: None,
        password: None,
    };
    for when in ["IMMEDIATE", "DEFERRED"] {
        refuse(&shop, "INSERT", "events", when).await;
        refuse(&shop, "INSERT", "users", when).await;
        let published = shop.events.publish(event()).await;
        assert!(
            matches!(published, Err(StoreError::Failed(_))),
            "{published:?}"
        );
        let registered = users.register(user()).await;
        let failed = matches!(registered, Err(RegisterError::Store(StoreError::Failed(_))));
        assert!(failed, "{registered:?}");
        allow(&shop, "events").await;
        allow(&shop, "users").await;
    }
    assert_eq!(shop.number("SELECT count(*) FROM events").await, 1);
    assert!(shop.events.publish(event()).await.is_ok());
    assert!(users.register(user()).await.is_ok());
    shop.close().await;
}
