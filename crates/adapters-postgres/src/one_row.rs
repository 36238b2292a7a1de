//! The one row of a statement, once it is known that the statement was done.

use diesel::QueryResult;
use diesel::result::Error;
use diesel_async::methods::LoadQuery;
use diesel_async::return_futures::LoadFuture;
use diesel_async::{AsyncConnectionCore, RunQueryDsl};
use futures::FutureExt;
use futures::future::Map;

/// As diesel-async's `get_result`, which returns with the first row and never hears what
/// comes behind it: that the statement was cancelled, or, where it is a transaction of its own,
/// that it could not be committed.
pub(crate) trait OneRow<C: AsyncConnectionCore>: RunQueryDsl<C> {
    /// The first row.
    ///
    /// # Errors
    /// The statement failed, wherever in it, or there is no row ([`Error::NotFound`]).
    fn one_row<'conn, 'query, U>(
        self,
        connection: &'conn mut C,
    ) -> OneRowFuture<'conn, 'query, Self, C, U>
    where
        U: Send,
        Self: LoadQuery<'query, C, U> + 'query,
    {
        self.load(connection).map(first)
    }
}

impl<Q: RunQueryDsl<C>, C: AsyncConnectionCore> OneRow<C> for Q {}

/// No `impl Future`: that would borrow the reference to the connection too, which need not live as
/// long as the answer is waited for.
pub(crate) type OneRowFuture<'conn, 'query, Q, C, U> =
    Map<LoadFuture<'conn, 'query, Q, C, U>, fn(QueryResult<Vec<U>>) -> QueryResult<U>>;

fn first<U>(rows: QueryResult<Vec<U>>) -> QueryResult<U> {
    rows?.into_iter().next().ok_or(Error::NotFound)
}
