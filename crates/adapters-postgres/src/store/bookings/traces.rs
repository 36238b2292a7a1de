//! What a transaction leaves behind if it was committed, and looking for it.

use diesel::sql_types::{Array, BigInt, Uuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use domain::ports::StoreError;

use crate::Database;
use crate::error::{before_commit, unanswered, with_commit};
use crate::one_row::OneRow;
use crate::prepared::prepared;

use super::request_id::RequestId;
use super::writes::Decided;

prepared!(
    /// Waits for whoever has locked these events, deleted or not.
    AwaitEvents { event_ids: Vec<i64> as Array<BigInt> } -> (BigInt,),
    "SELECT id FROM events WHERE id = ANY (?) ORDER BY id FOR NO KEY UPDATE"
);

prepared!(
    /// Of the bookings that were to be made those that are there, and of those that
    /// were to be cancelled those that still are not. By primary key.
    CountTraces {
        ids: Vec<i64> as Array<BigInt>,
        request_ids: Vec<RequestId> as Array<Uuid>,
        cancelled: Vec<i64> as Array<BigInt>,
    } -> (BigInt, BigInt),
    "SELECT (SELECT count(*) FROM unnest(?, ?) AS sale (id, request_id)
             JOIN bookings b ON b.id = sale.id AND b.request_id = sale.request_id),
            (SELECT count(*) FROM bookings WHERE id = ANY (?) AND status = 'CONFIRMED')"
);

/// What a transaction leaves behind if it was committed.
#[derive(Debug, Clone, Default)]
pub(super) struct Traces {
    /// Events that it changes, by id. It holds their locks until it has ended.
    event_ids: Vec<i64>,
    /// Bookings that it makes.
    ids: Vec<i64>,
    /// One for each of them.
    request_ids: Vec<RequestId>,
    /// Bookings that it cancels. They were confirmed when it had the locks.
    cancelled: Vec<i64>,
}

/// What became of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// It was committed.
    Done,
    /// It was rolled back.
    NotDone,
    /// Some of it is there, which cannot be.
    InPart,
}

impl Traces {
    pub(super) fn of(decided: &Decided<'_>) -> Self {
        Self {
            event_ids: decided.changes.keys().map(|id| id.get()).collect(),
            ids: decided
                .sales
                .iter()
                .map(|sale| sale.booking_id.get())
                .collect(),
            request_ids: decided.request_ids.to_vec(),
            cancelled: decided.cancelled.iter().map(|id| id.get()).collect(),
        }
    }

    /// Looks, on a connection of its own: those of the pool may lead to a server that
    /// is none any more.
    ///
    /// # Errors
    /// The server is away, or a lock was not to be had in time.
    pub(super) async fn look(&self, database: &Database) -> Result<Found, StoreError> {
        let mut connection = database.connect_anew().await?;
        let counted = database.answer_in_time(self.count(&mut connection)).await;
        counted.unwrap_or_else(|| Err(before_commit(unanswered())))
    }

    /// The transaction had these events locked, and lets go of them when it has ended:
    /// once they are locked here, a COMMIT that was still running is not any more.
    ///
    /// This transaction is committed as well, although it changes nothing but locks. That
    /// waits for the synchronous standbys of a server, and what they have confirmed includes
    /// what was seen here. A server that was replaced by one of them, and does not know it
    /// yet, waits without end.
    async fn count(&self, connection: &mut AsyncPgConnection) -> Result<Found, StoreError> {
        let begun = connection.batch_execute("BEGIN").await;
        begun.map_err(before_commit)?;
        let lock = AwaitEvents {
            event_ids: self.event_ids.clone(),
        };
        let _: Vec<(i64,)> = lock.load(connection).await.map_err(before_commit)?;
        // A statement of its own, so that it sees what those have done who were waited for.
        let query = CountTraces {
            ids: self.ids.clone(),
            request_ids: self.request_ids.clone(),
            cancelled: self.cancelled.clone(),
        };
        let counted = query.one_row(connection).await;
        let (made, confirmed): (i64, i64) = counted.map_err(before_commit)?;
        let committed = connection.batch_execute("COMMIT").await;
        committed.map_err(with_commit)?;
        Ok(self.judge(made, confirmed))
    }

    /// The bookings that it makes tell, if there are any. Otherwise the cancelled ones: a
    /// cancelled booking is never confirmed again, so one that is confirmed was not
    /// cancelled by anybody. If none is, it was this transaction, or others that had
    /// the locks after it, which comes to the same for whoever asked.
    fn judge(&self, made: i64, confirmed: i64) -> Found {
        let all = self.ids.len() as i64;
        match (made, confirmed) {
            (0, _) if all > 0 => Found::NotDone,
            (_, 1..) if all == 0 => Found::NotDone,
            (made, 0) if made == all => Found::Done,
            _ => Found::InPart,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn traces(sales: usize, cancelled: usize) -> Traces {
        Traces {
            event_ids: vec![1],
            ids: (1..).take(sales).collect(),
            request_ids: (0..sales).map(|_| RequestId::draw()).collect(),
            cancelled: (100..).take(cancelled).collect(),
        }
    }

    #[test]
    fn a_transaction_is_there_as_a_whole_or_not_at_all() {
        use Found::{Done, InPart, NotDone};
        for (sales, cancelled, made, confirmed, expected) in [
            (3, 0, 3, 0, Done),
            (3, 0, 0, 0, NotDone),
            (3, 0, 2, 0, InPart),
            (2, 2, 2, 0, Done),
            // Others may have cancelled one or all of them since.
            (2, 2, 0, 2, NotDone),
            (2, 2, 0, 1, NotDone),
            (2, 2, 0, 0, NotDone),
            (2, 2, 2, 1, InPart),
            (0, 2, 0, 2, NotDone),
            (0, 2, 0, 1, NotDone),
            (0, 2, 0, 0, Done),
        ] {
            let found = traces(sales, cancelled).judge(made, confirmed);
            let row = (sales, cancelled, made, confirmed);
            assert_eq!(found, expected, "{row:?}");
        }
    }
}
