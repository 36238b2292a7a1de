//! One file per store; each method is one transaction.

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
mod stale;
mod totals;
mod users;

pub use accounts::PgAccountStore;
pub use api_keys::PgApiKeyStore;
pub use archive::PgArchive;
pub use audit::PgAuditLog;
pub use booking_records::PgBookingRecords;
pub use bookings::PgBookingStore;
pub use demo::PgDemoStore;
pub use events::PgEventStore;
pub use maintenance::PgMaintenance;
pub use probe::PgProbe;
pub use reconciliation::PgReconciliation;
pub use sales::PgSalesReports;
pub use sales_control::PgSalesControl;
pub use sessions::PgSessionStore;
pub use stale::{PgReplicaCatalogue, PgReplicaReports};
pub use users::PgUserStore;

use chrono::{DateTime, Utc};
use domain::model::Timeline;

/// The place before everything in a list ordered by falling time. Fits into
/// PostgreSQL's range of timestamps.
const NEWEST: Timeline = Timeline {
    at: DateTime::<Utc>::MAX_UTC,
    id: i64::MAX,
};

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
