//! Sales figures in SQLite, kept as bookings change: reading them counts
//! nothing.

use async_trait::async_trait;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};
use domain::model::{Listing, Page, SalesReport, TopSellers};
use domain::ports::{SalesReports, StoreError};

use crate::prepared::{exactly_one, prepared};
use crate::rows::{self, EventSalesRow};

super::store!(
    /// [`SalesReports`] on SQLite.
    SqliteSalesReports
);

prepared!(
    /// Walks `event_sales_top`; deleted events have no row there.
    TopEvents { confirmed: i64 as BigInt, id: i64 as BigInt, rows_max: i64 as BigInt }
        -> (BigInt, Text, BigInt, BigInt, BigInt),
    "SELECT e.id, e.name, s.confirmed_bookings, e.capacity, e.seats_available
     FROM event_sales s JOIN events e ON e.id = s.event_id
     WHERE (s.confirmed_bookings, s.event_id) < (?, ? COLLATE BINARY)
     ORDER BY s.confirmed_bookings DESC, s.event_id DESC LIMIT ?"
);

prepared!(
    /// The one slot.
    ConfirmedTotal {} -> (BigInt,),
    "SELECT confirmed_bookings FROM booking_totals WHERE slot = 0"
);

#[async_trait]
impl SalesReports for SqliteSalesReports {
    async fn report(&self, page: Page<TopSellers>) -> Result<SalesReport, StoreError> {
        let TopSellers {
            confirmed_bookings,
            id,
        } = page.after.unwrap_or(TopSellers {
            confirmed_bookings: i64::MAX,
            id: i64::MAX,
        });
        let top = TopEvents {
            confirmed: confirmed_bookings,
            id,
            rows_max: super::one_more(page.limit),
        };
        let (events, (confirmed_bookings_total,)): (Vec<EventSalesRow>, (i64,)) = self
            .0
            .read(move |connection| {
                Ok((
                    top.load(connection)?,
                    exactly_one(connection, ConfirmedTotal {})?,
                ))
            })
            .await?;
        Ok(SalesReport {
            confirmed_bookings_total,
            events: Listing::from_one_more(rows::all(events)?, page.limit),
        })
    }
}
