//! The number of confirmed bookings over all events.

use diesel::sql_types::BigInt;

use crate::prepared::prepared;

prepared!(
    /// Adds to the slot of this session, so that transactions on different
    /// events do not wait for one another. Always a transaction's last lock, so
    /// that two sessions which share a slot cannot wait for each other in a circle.
    AddToTotal { bookings: i64 as BigInt } -> (BigInt,),
    "UPDATE booking_totals SET confirmed_bookings = confirmed_bookings + ?
     WHERE slot = (pg_backend_pid() % 64)::smallint"
);
