//! Asking PostgreSQL whether it is there.

use async_trait::async_trait;
use diesel_async::RunQueryDsl;
use domain::ports::{Probe, ProbeError};
use futures::FutureExt;

super::store!(
    /// [`Probe`] on PostgreSQL: a statement that reads nothing.
    PgProbe
);

#[async_trait]
impl Probe for PgProbe {
    async fn check(&self) -> Result<(), ProbeError> {
        let one = diesel::select(diesel::dsl::sql::<diesel::sql_types::Integer>("1"));
        self.0
            .read(move |connection| async move { one.execute(connection).await }.boxed())
            .await
            .map(|_| ())
            .map_err(|error| ProbeError(Box::new(error)))
    }
}
