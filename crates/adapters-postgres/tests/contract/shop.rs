//! A shop for the promises of stores: a database whose ids are known, commands,
//! and ways to hold them up. What is promised stands beside this.

use std::future::IntoFuture;
use std::sync::Arc;
use std::time::Duration;

use adapters_postgres::{Database, PgBookingStore, PgEventStore, PgSettings};
use domain::model::{
    BookSeats, Booked, BookingId, Cancelled, EventId, IdempotencyKey, SeatCount, UserId,
};
use domain::ports::{BookError, BookingStore};
use futures::future::join_all;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio_postgres::Client;

use crate::support;

/// A database with users and events of which the ids are known: 1 and up.
pub(crate) struct Shop {
    pub(crate) name: String,
    pub(crate) database: Database,
    pub(crate) store: Arc<PgBookingStore>,
    pub(crate) events: Arc<PgEventStore>,
    pub(crate) sql: Client,
}

pub(crate) const USERS: i64 = 20;

const KEEP_KEYS: Duration = Duration::from_secs(24 * 60 * 60);

impl Shop {
    pub(crate) async fn open(events: i64, seats: i64) -> Self {
        Self::open_with(events, seats, |_| {}).await
    }

    pub(crate) async fn open_with(
        events: i64,
        seats: i64,
        adjust: impl FnOnce(&mut PgSettings),
    ) -> Self {
        let name = support::unique_name();
        drop(support::database(&name, KEEP_KEYS).await);
        let mut settings = support::settings(&name, KEEP_KEYS);
        adjust(&mut settings);
        let database = support::connect(&settings).await;
        let sql = support::session(Some(&name)).await;
        sql.batch_execute(&format!(
            "INSERT INTO users (email) SELECT 'u' || n || '@example.com'
                 FROM generate_series(1, {USERS}) n;
             INSERT INTO events (name, start_at, capacity, seats_available)
                 SELECT 'E', '2099-01-01', {seats}, {seats} FROM generate_series(1, {events}) n;
             INSERT INTO event_sales (event_id) SELECT id FROM events"
        ))
        .await
        .expect("a shop");
        Self {
            name,
            store: Arc::new(PgBookingStore::new(database.clone())),
            events: Arc::new(PgEventStore::new(database.clone())),
            database,
            sql,
        }
    }

    pub(crate) async fn close(self) {
        let Self { name, store, .. } = self;
        store.drain().await;
        support::run(None, &format!("DROP DATABASE {name} WITH (FORCE)")).await;
    }

    pub(crate) fn book(&self, command: BookSeats) -> JoinHandle<Result<Booked, BookError>> {
        let store = self.store.clone();
        tokio::spawn(async move { store.book(command).await })
    }

    pub(crate) fn cancel(&self, id: i64) -> JoinHandle<Cancelled> {
        let (store, id) = (
            self.store.clone(),
            BookingId::try_new(id).expect("positive"),
        );
        tokio::spawn(async move { store.cancel(id).await.expect("cancelled") })
    }

    pub(crate) async fn number(&self, query: &str) -> i64 {
        let row = self.sql.query_one(query, &[]).await.expect("one row");
        row.get(0)
    }

    /// A session of somebody else's.
    pub(crate) async fn session(&self) -> Client {
        support::session(Some(&self.name)).await
    }

    /// A session that has the event's row locked until it is dropped or ended.
    pub(crate) async fn hold(&self, event_id: i64) -> Client {
        hold_rows(&self.name, &row_of(event_id)).await
    }

    /// As [`hold`](Self::hold), in a task that waits until the row is free.
    pub(crate) fn hold_next(&self, event_id: i64) -> JoinHandle<Client> {
        let (name, rows) = (self.name.clone(), row_of(event_id));
        tokio::spawn(async move { hold_rows(&name, &rows).await })
    }

    /// As [`hold`](Self::hold), for the slots of the total.
    pub(crate) async fn hold_totals(&self) -> Client {
        hold_rows(&self.name, "booking_totals").await
    }

    /// Another store in this database, whose batches run on that runtime.
    pub(crate) async fn store_on(&self, runtime: &Handle) -> PgBookingStore {
        let settings = support::settings(&self.name, KEEP_KEYS);
        let connecting = runtime.spawn(async move { support::connect(&settings).await });
        PgBookingStore::new(connecting.await.expect("no panic"))
    }

    /// Returns when that many sessions wait for a lock.
    pub(crate) async fn until_waiting(&self, sessions: i64) {
        self.until_waiting_or(sessions, || false).await;
    }

    /// As [`until_waiting`](Self::until_waiting), or when something else is so.
    pub(crate) async fn until_waiting_or(&self, sessions: i64, or: impl Fn() -> bool) {
        let waiting = "SELECT count(*) FROM pg_stat_activity
                       WHERE datname = current_database() AND wait_event_type = 'Lock'";
        while self.number(waiting).await < sessions && !or() {
            tokio::task::yield_now().await;
        }
    }

    /// Returns when that many commands wait for their transaction.
    pub(crate) async fn until_queued(&self, commands: usize) {
        while self.store.load().waiting < commands {
            tokio::task::yield_now().await;
        }
    }

    pub(crate) async fn assert_sums_agree(&self) {
        let wrong = "SELECT count(*) FROM events e WHERE capacity - seats_available <>
            (SELECT coalesce(sum(seats), 0) FROM bookings
             WHERE event_id = e.id AND status = 'CONFIRMED')";
        assert_eq!(self.number(wrong).await, 0, "seats do not add up");
        let figures = "SELECT (SELECT count(*) FROM bookings WHERE status = 'CONFIRMED')
            - (SELECT sum(confirmed_bookings) FROM event_sales)::bigint";
        assert_eq!(self.number(figures).await, 0, "figures of events");
        let total = "SELECT (SELECT count(*) FROM bookings WHERE status = 'CONFIRMED')
            - (SELECT sum(confirmed_bookings) FROM booking_totals)::bigint";
        assert_eq!(self.number(total).await, 0, "figures of all events");
    }
}

fn row_of(event_id: i64) -> String {
    format!("events WHERE id = {event_id}")
}

async fn hold_rows(database: &str, rows: &str) -> Client {
    let holder = support::session(Some(database)).await;
    let lock = format!("BEGIN; SELECT FROM {rows} FOR UPDATE");
    holder.batch_execute(&lock).await.expect("locked");
    holder
}

pub(crate) fn event(id: i64) -> EventId {
    EventId::try_new(id).expect("positive")
}

pub(crate) fn command(user: i64, event_id: i64) -> BookSeats {
    BookSeats {
        user_id: UserId::try_new(user).expect("positive"),
        event_id: event(event_id),
        seats: SeatCount::ONE,
        idempotency_key: None,
    }
}

pub(crate) fn keyed(user: i64, event_id: i64, key: &str) -> BookSeats {
    BookSeats {
        idempotency_key: Some(IdempotencyKey::parse(key).expect("a key")),
        ..command(user, event_id)
    }
}

pub(crate) async fn all<T>(tasks: impl IntoIterator<Item = JoinHandle<T>>) -> Vec<T> {
    let ended = join_all(tasks.into_iter().map(IntoFuture::into_future)).await;
    ended
        .into_iter()
        .map(|task| task.expect("no panic"))
        .collect()
}
