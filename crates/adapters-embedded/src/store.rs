//! One file per store; each method is one transaction.
//!
//! Lists compare `(time, id) < (?, ? COLLATE BINARY)`. SQLite searches an index
//! for a pair only if both halves have the collation that the index has, and an
//! id, being a rowid, has none of its own. Without the collation it searches
//! for the time alone and then passes all rows of that time one by one.

mod accounts;
mod api_keys;
mod archive;
mod audit;
mod booking_records;
mod bookings;
mod demo;
mod events;
mod maintenance;
mod probe;
mod reconciliation;
mod sales;
mod sales_control;
mod sessions;
mod shared_find;
mod users;

pub use accounts::SqliteAccountStore;
pub use api_keys::SqliteApiKeyStore;
pub use archive::SqliteArchive;
pub use audit::SqliteAuditLog;
pub use booking_records::SqliteBookingRecords;
pub use bookings::SqliteBookingStore;
pub use demo::SqliteDemoStore;
pub use events::SqliteEventStore;
pub use maintenance::SqliteMaintenance;
pub use probe::SqliteProbe;
pub use reconciliation::SqliteReconciliation;
pub use sales::SqliteSalesReports;
pub use sales_control::SqliteSalesControl;
pub use sessions::SqliteSessionStore;
pub use users::SqliteUserStore;

use std::fmt::Write as _;

use diesel::sql_types::BigInt;
use domain::model::PageLimit;

use crate::prepared::prepared;

/// Declares a store that has nothing but a database.
macro_rules! store {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone)]
        pub struct $name(crate::Database);

        impl $name {
            /// A store in this database.
            pub fn new(database: crate::Database) -> Self {
                Self(database)
            }
        }
    };
}

use store;

prepared!(
    /// Adds to the number of confirmed bookings over all events.
    AddToTotal { bookings: i64 as BigInt } -> (BigInt,),
    "UPDATE booking_totals SET confirmed_bookings = max(confirmed_bookings + ?, 0) WHERE slot = 0"
);

/// One row more than the page holds, to know whether there is another page.
fn one_more(limit: PageLimit) -> i64 {
    count(limit.get()).saturating_add(1)
}

/// A number of rows as SQLite counts them.
fn count(rows: usize) -> i64 {
    i64::try_from(rows).unwrap_or(i64::MAX)
}

/// Ids as `json_each` reads them.
fn json_array(ids: impl IntoIterator<Item = i64>) -> String {
    let mut text = String::from("[");
    for id in ids {
        text.push_str(if text.len() == 1 { "" } else { "," });
        // Writing to a string cannot fail.
        let _ = write!(text, "{id}");
    }
    text.push(']');
    text
}

#[cfg(test)]
mod tests;
