//! The lists and figures that may be stale by a stated bound, from a replica where it is seen
//! to keep to it. Nothing else is asked of one.

use std::sync::Arc;

use async_trait::async_trait;
use domain::model::{Event, EventId, EventSeats, Listing, Page, SalesReport, Timeline, TopSellers};
use domain::ports::{EventCatalogue, FindEventError, SalesReports, StoreError};
use futures::FutureExt;

use crate::replica::Replica;

use super::events::EventList;
use super::sales::Report;
use super::{PgEventStore, PgSalesReports};

/// [`EventCatalogue`] whose list of events a replica may give.
///
/// One event, and what gates are rebuilt from, is the primary's alone.
#[derive(Debug)]
pub struct PgReplicaCatalogue {
    primary: Arc<PgEventStore>,
    replica: Arc<Replica>,
}

impl PgReplicaCatalogue {
    /// That of the primary, with a replica beside it.
    pub fn new(primary: Arc<PgEventStore>, replica: Arc<Replica>) -> Self {
        Self { primary, replica }
    }
}

#[async_trait]
impl EventCatalogue for PgReplicaCatalogue {
    async fn find(&self, event_id: EventId) -> Result<Event, FindEventError> {
        self.primary.find(event_id).await
    }

    async fn list(
        &self,
        upcoming_only: bool,
        page: Page<Timeline>,
    ) -> Result<Listing<Event>, StoreError> {
        let list = EventList::new(upcoming_only, &page);
        let instance = self.replica.instance();
        let reading = self
            .replica
            .read(move |connection| list.load_at_beat(connection, instance).boxed());
        match reading.await {
            Some(rows) => EventList::listing(rows, &page),
            None => self.primary.list(upcoming_only, page).await,
        }
    }

    async fn seats_of_upcoming(
        &self,
        after: Option<Timeline>,
        events_max: usize,
    ) -> Result<Vec<EventSeats>, StoreError> {
        self.primary.seats_of_upcoming(after, events_max).await
    }

    async fn seats_of(&self, event_id: EventId) -> Result<Option<EventSeats>, StoreError> {
        self.primary.seats_of(event_id).await
    }
}

/// [`SalesReports`] that a replica may give.
#[derive(Debug)]
pub struct PgReplicaReports {
    primary: PgSalesReports,
    replica: Arc<Replica>,
}

impl PgReplicaReports {
    /// Those of the primary, with a replica beside it.
    pub fn new(primary: PgSalesReports, replica: Arc<Replica>) -> Self {
        Self { primary, replica }
    }
}

#[async_trait]
impl SalesReports for PgReplicaReports {
    async fn report(&self, page: Page<TopSellers>) -> Result<SalesReport, StoreError> {
        let report = Report::new(&page);
        let reading = self
            .replica
            .read(move |connection| report.load(connection).boxed());
        match reading.await {
            Some(figures) => Report::report(figures, &page),
            None => self.primary.report(page).await,
        }
    }
}
