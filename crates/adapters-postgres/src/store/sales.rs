//! Sales figures in PostgreSQL, kept as bookings change: reading them counts
//! nothing.

use async_trait::async_trait;
use diesel::QueryResult;
use diesel::sql_types::{BigInt, Integer, Text};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use domain::model::{Listing, Page, SalesReport, TopSellers};
use domain::ports::{SalesReports, StoreError};
use futures::FutureExt;

use crate::one_row::OneRow;
use crate::prepared::prepared;
use crate::rows::{self, EventSalesRow};

super::store!(
    /// [`SalesReports`] on PostgreSQL.
    PgSalesReports
);

prepared!(
    /// Walks `event_sales_top`; deleted events have no row there.
    TopEvents { confirmed: i64 as BigInt, id: i64 as BigInt, rows_max: i64 as BigInt }
        -> (BigInt, Text, BigInt, Integer, Integer),
    "SELECT e.id, e.name, s.confirmed_bookings, e.capacity, e.seats_available
     FROM event_sales s JOIN events e ON e.id = s.event_id
     WHERE (s.confirmed_bookings, s.event_id) < (?, ?)
     ORDER BY s.confirmed_bookings DESC, s.event_id DESC LIMIT ?"
);

prepared!(
    /// Adds up the 64 slots.
    ConfirmedTotal {} -> (BigInt,),
    "SELECT coalesce(sum(confirmed_bookings), 0)::bigint FROM booking_totals"
);

/// A page of the report.
pub(super) struct Report(TopEvents);

type Figures = (Vec<EventSalesRow>, (i64,));

impl Report {
    pub(super) fn new(page: &Page<TopSellers>) -> Self {
        let TopSellers {
            confirmed_bookings,
            id,
        } = page.after.unwrap_or(TopSellers {
            confirmed_bookings: i64::MAX,
            id: i64::MAX,
        });
        Self(TopEvents {
            confirmed: confirmed_bookings,
            id,
            rows_max: page.limit.get() as i64 + 1,
        })
    }

    pub(super) async fn load(self, connection: &AsyncPgConnection) -> QueryResult<Figures> {
        futures::try_join!(
            self.0.load(&mut &*connection),
            ConfirmedTotal {}.one_row(&mut &*connection),
        )
    }

    pub(super) fn report(
        (events, total): Figures,
        page: &Page<TopSellers>,
    ) -> Result<SalesReport, StoreError> {
        Ok(SalesReport {
            confirmed_bookings_total: total.0,
            events: Listing::from_one_more(rows::all(events)?, page.limit),
        })
    }
}

#[async_trait]
impl SalesReports for PgSalesReports {
    async fn report(&self, page: Page<TopSellers>) -> Result<SalesReport, StoreError> {
        let report = Report::new(&page);
        let found = self
            .0
            .read(move |connection| async move { report.load(connection).await }.boxed());
        Report::report(found.await?, &page)
    }
}
