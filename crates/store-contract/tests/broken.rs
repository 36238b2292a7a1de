//! Stores that break a promise must be found out: each test here runs one
//! promise on a store that breaks it. The breaks are between two steps that
//! should be one, where another caller or the end of a wait can come between.

use std::collections::HashMap;
use std::sync::Mutex;

use domain::model::{BookSeats, Booked, BookingId, Cancelled};
use domain::ports::{
    BookError, BookingRecords, BookingStore, CancelError, DemoStore, EventCatalogue, EventStore,
    Maintenance, Probe, SalesControl, SalesReports, UserStore,
};
use store_contract::promises::{dropped, idempotency};
use store_contract::reference::MemoryStore;
use store_contract::{Backend, StoreSettings, async_trait, run_store};

/// Remembers a key some time after the booking was made.
struct ForgetfulStore {
    inner: MemoryStore,
    keys: Mutex<HashMap<(i64, String), Booked>>,
}

#[async_trait]
impl BookingStore for ForgetfulStore {
    async fn book(&self, command: BookSeats) -> Result<Booked, BookError> {
        let Some(key) = command.idempotency_key.clone() else {
            return self.inner.book(command).await;
        };
        let key = (command.user_id.get(), key.as_str().to_owned());
        let first = self
            .keys
            .lock()
            .expect("no holder panics")
            .get(&key)
            .cloned();
        if let Some(first) = first {
            return Ok(Booked {
                replayed: true,
                ..first
            });
        }
        let unkeyed = BookSeats {
            idempotency_key: None,
            ..command
        };
        let booked = self.inner.book(unkeyed).await?;
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        let mut keys = self.keys.lock().expect("no holder panics");
        keys.insert(key, booked.clone());
        Ok(booked)
    }

    async fn cancel(&self, booking_id: BookingId) -> Result<Cancelled, CancelError> {
        self.inner.cancel(booking_id).await
    }
}

#[async_trait]
impl Backend for ForgetfulStore {
    async fn start(settings: StoreSettings) -> Self {
        Self {
            inner: MemoryStore::keeping_keys(settings.keep_keys),
            keys: Mutex::default(),
        }
    }

    async fn level_times(&self) {
        self.inner.level_times();
    }

    fn bookings(&self) -> &dyn BookingStore {
        self
    }

    fn records(&self) -> &dyn BookingRecords {
        &self.inner
    }

    fn events(&self) -> &dyn EventStore {
        &self.inner
    }

    fn catalogue(&self) -> &dyn EventCatalogue {
        &self.inner
    }

    fn users(&self) -> &dyn UserStore {
        &self.inner
    }

    fn sales(&self) -> &dyn SalesReports {
        &self.inner
    }

    fn control(&self) -> &dyn SalesControl {
        &self.inner
    }

    fn maintenance(&self) -> &dyn Maintenance {
        &self.inner
    }

    fn demo(&self) -> &dyn DemoStore {
        &self.inner
    }

    fn probe(&self) -> &dyn Probe {
        &self.inner
    }
}

#[test]
#[should_panic(expected = "assertion `left == right` failed")]
fn a_key_that_is_remembered_late_is_found_out_by_dropped_bookings() {
    run_store::<ForgetfulStore, _>(dropped::a_booking_is_made_whole_or_not_at_all);
}

#[test]
#[should_panic(expected = "booked or repeated")]
fn a_key_that_is_remembered_late_is_found_out_by_parallel_duplicates() {
    run_store::<ForgetfulStore, _>(
        idempotency::of_parallel_duplicates_one_books_and_the_others_repeat_it,
    );
}
