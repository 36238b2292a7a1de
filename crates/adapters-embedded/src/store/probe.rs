//! Asking SQLite whether it is there.

use async_trait::async_trait;
use diesel::sql_types::BigInt;
use domain::ports::{Probe, ProbeError};

use crate::prepared::{at_most_one, prepared};

super::store!(
    /// [`Probe`] on SQLite: reads one row of the file, in the line of the
    /// readers. Its time is bounded as theirs is: by the length of the queue.
    SqliteProbe
);

prepared!(
    /// Touches the file, unlike `SELECT 1`.
    ReadSlot {} -> (BigInt,),
    "SELECT slot FROM booking_totals"
);

#[async_trait]
impl Probe for SqliteProbe {
    async fn check(&self) -> Result<(), ProbeError> {
        self.0
            .read(|connection| at_most_one::<_, (i64,), _>(connection, ReadSlot {}))
            .await
            .map(|_| ())
            .map_err(|error| ProbeError(Box::new(error)))
    }
}
