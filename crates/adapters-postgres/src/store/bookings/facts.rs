//! The facts of a batch, read under the locks of its events.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Bool, Integer, Text, Timestamptz};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use domain::model::{BookingId, BookingStatus, Capacity, EventId, Invalid, SeatCount, UserId};
use domain::ports::StoreError;
use domain::rules::{BatchFacts, BookingFacts, EventFacts, SaleCommand, Standing};
use futures::FutureExt;

use crate::error::{before_commit, defect, stored};
use crate::one_row::OneRow;
use crate::prepared::prepared;
use crate::transaction::Transaction;

/// Reads the facts for locked events. The clock is read outside the locking
/// part, hence after the lock was granted: a booking that waited in line past
/// the beginning is too late. Rows are locked in the order of the sort.
///
/// So is the lock of sales taken, "sell" in ASCII, once the events are locked: whoever
/// pauses all sales waits for those that hold it, which then wait for no event.
macro_rules! lock_events {
    ($locking:literal) => {
        concat!(
            "WITH event AS MATERIALIZED (
                 SELECT id, seats_available, start_at, sales_paused_at IS NOT NULL AS is_paused
                 FROM events
                 WHERE id = ANY (?) AND deleted_at IS NULL
                 ORDER BY id FOR NO KEY UPDATE ",
            $locking,
            ")
             SELECT id, seats_available, start_at, clock_timestamp(), is_paused,
                    pg_current_xact_id()::text::bigint
             FROM event
             WHERE pg_advisory_xact_lock_shared(x'73656c6c'::bigint) IS NOT NULL"
        )
    };
}

prepared!(
    /// Locks events and waits for those that somebody else has locked.
    LockEvents { event_ids: Vec<i64> as Array<BigInt> }
        -> (BigInt, Integer, Timestamptz, Timestamptz, Bool, BigInt),
    lock_events!("")
);

prepared!(
    /// Locks those events that nobody else has locked.
    LockFreeEvents { event_ids: Vec<i64> as Array<BigInt> }
        -> (BigInt, Integer, Timestamptz, Timestamptz, Bool, BigInt),
    lock_events!("SKIP LOCKED")
);

prepared!(
    /// Those of them that are there, locked or not, as one value.
    FindEvents { event_ids: Vec<i64> as Array<BigInt> } -> (Array<BigInt>,),
    "SELECT coalesce(array_agg(id), '{}') FROM events WHERE id = ANY (?) AND deleted_at IS NULL"
);

/// Those of them who may book, and those who are suspended, each as one value: a
/// row for each would cost more than looking it up. And whether all sales are paused:
/// a statement behind the one that takes the lock of sales, so that it sees a pause
/// that was waiting for nobody.
macro_rules! find_users {
    ($locking:literal) => {
        concat!(
            "SELECT coalesce(array_agg(id) FILTER (WHERE suspended_at IS NULL), '{}'),
                    coalesce(array_agg(id) FILTER (WHERE suspended_at IS NOT NULL), '{}'),
                    EXISTS (SELECT FROM sales_paused)
             FROM (SELECT id, suspended_at FROM users WHERE id = ANY (?) AND erased_at IS NULL ",
            $locking,
            ") AS found"
        )
    };
}

prepared!(
    /// Without a lock: `WriteAll` fails if they have changed when something is
    /// sold to them.
    FindUsers { user_ids: Vec<i64> as Array<BigInt> } -> (Array<BigInt>, Array<BigInt>, Bool),
    find_users!("")
);

prepared!(
    /// Nobody is suspended or erased before the transaction ends.
    LockUsers { user_ids: Vec<i64> as Array<BigInt> } -> (Array<BigInt>, Array<BigInt>, Bool),
    find_users!("ORDER BY id FOR KEY SHARE")
);

prepared!(
    /// Ids for bookings that are about to be made, as one value. Those that are
    /// not needed are never given out again.
    DrawIds { count: i32 as Integer } -> (Array<BigInt>,),
    "SELECT coalesce(array_agg(nextval('bookings_id_seq')), '{}') FROM generate_series(1, ?)"
);

prepared!(
    /// What the decision on a cancellation needs, and how many confirmed bookings
    /// of its event are counted; the events' locks keep it true.
    FindBookings { booking_ids: Vec<i64> as Array<BigInt> }
        -> (BigInt, BigInt, Text, Integer, BigInt),
    "SELECT b.id, b.event_id, b.status, b.seats, coalesce(s.confirmed_bookings, 0)
     FROM bookings b LEFT JOIN event_sales s ON s.event_id = b.event_id
     WHERE b.id = ANY (?)"
);

prepared!(
    /// Which event each booking is for; that never changes, so no lock is needed.
    EventsOfBookings { booking_ids: Vec<i64> as Array<BigInt> } -> (BigInt, BigInt),
    "SELECT id, event_id FROM bookings WHERE id = ANY (?)"
);

/// What to do about rows that somebody else has locked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Locking {
    /// Wait for events.
    Wait,
    /// Do without such events.
    SkipLocked,
    /// Wait for events and for users.
    WaitForUsersToo,
}

/// What is asked about.
#[derive(Debug, Clone, Copy)]
pub(super) struct Questions<'a> {
    /// The events of the commands, by id.
    pub(super) event_ids: &'a [EventId],
    pub(super) commands: &'a [SaleCommand],
    /// How many bookings may be made that have no id yet.
    pub(super) ids_needed: usize,
}

/// Everything that is decided on, but the keys.
pub(super) struct Facts {
    pub(super) facts: BatchFacts,
    /// Events that are there but were skipped; empty when locks are waited for.
    pub(super) put_off: Vec<EventId>,
    /// As many as were needed, rising.
    pub(super) ids: Vec<BookingId>,
    /// How many confirmed bookings are counted of each event of which a booking may
    /// be cancelled.
    pub(super) figures: HashMap<EventId, i64>,
    /// The transaction in which the events are locked.
    pub(super) transaction_id: i64,
}

/// Locks the events and reads what is known of everybody and everything. Begins
/// the transaction unless it `has_begun`.
pub(super) async fn read(
    transaction: &mut Transaction,
    has_begun: bool,
    questions: Questions<'_>,
    locking: Locking,
) -> Result<Facts, StoreError> {
    let (users, bookings) = mentioned(questions.commands);
    let draw = DrawIds {
        count: i32::try_from(questions.ids_needed).map_err(|_| defect("too many bookings"))?,
    };
    let event_ids = questions.event_ids.iter().map(|id| id.get()).collect();
    let first = FirstQuestions {
        event_ids,
        locking,
        user_ids: users,
        draw,
    };
    let (events, there, buyers, ids) = match has_begun {
        true => first
            .ask(transaction.connection())
            .await
            .map_err(before_commit)?,
        false => {
            transaction
                .begin_with(|connection| first.ask(connection).boxed())
                .await?
        }
    };
    let transaction_id = match events.as_slice() {
        [(.., transaction_id), ..] => *transaction_id,
        [] => 0,
    };
    let connection = transaction.connection();
    let bookings: Vec<BookingRow> = match bookings {
        bookings if bookings.is_empty() => Vec::new(),
        // Only now that their events are locked.
        booking_ids => FindBookings { booking_ids }
            .load(connection)
            .await
            .map_err(before_commit)?,
    };
    let events: HashMap<_, _> = all(events.into_iter().map(event_facts))?;
    let locked = |event_id: &EventId| events.contains_key(event_id);
    let there: Vec<EventId> = all(there.into_iter().map(EventId::try_new))?;
    let put_off = there.into_iter().filter(|id| !locked(id)).collect();
    let ids: Vec<_> = all(ids.into_iter().map(BookingId::try_new))?;
    if ids.len() != questions.ids_needed {
        return Err(defect("the sequence gave another number of ids"));
    }
    let (mut found, mut figures) = (HashMap::new(), HashMap::new());
    for row in bookings {
        let (booking_id, facts, figure) = booking_facts(row).map_err(stored)?;
        figures.insert(facts.event_id, figure);
        found.insert(booking_id, facts);
    }
    let (good, suspended, all_paused) = buyers;
    Ok(Facts {
        facts: BatchFacts {
            events,
            all_paused,
            users: all(standings(good, suspended))?,
            keys: HashMap::new(),
            bookings: found,
        },
        put_off,
        ids,
        figures,
        transaction_id,
    })
}

/// What can be asked together, because nothing of it needs another's answer.
struct FirstQuestions {
    event_ids: Vec<i64>,
    locking: Locking,
    user_ids: Vec<i64>,
    draw: DrawIds,
}

impl FirstQuestions {
    /// Events, those that are there if not all of them are waited for, users, ids: in
    /// this order, see [`find_users!`].
    async fn ask(
        self,
        connection: &AsyncPgConnection,
    ) -> QueryResult<(Vec<EventRow>, Vec<i64>, Buyers, Vec<i64>)> {
        let there = match self.locking {
            Locking::Wait | Locking::WaitForUsersToo => Vec::new(),
            Locking::SkipLocked => self.event_ids.clone(),
        };
        // All of them, because the first error is the cause of the others.
        let (events, there, users, ids) = futures::join!(
            lock(connection, self.event_ids, self.locking),
            find_events(connection, there),
            find_users(connection, self.user_ids, self.locking),
            draw_ids(connection, self.draw),
        );
        Ok((events?, there?, users?, ids?))
    }
}

/// The event of each booking that exists.
pub(super) async fn events_of(
    connection: &mut AsyncPgConnection,
    booking_ids: Vec<i64>,
) -> QueryResult<Vec<(i64, EventId)>> {
    let rows: Vec<(i64, i64)> = EventsOfBookings { booking_ids }.load(connection).await?;
    let known = |(id, event_id)| Some((id, EventId::try_new(event_id).ok()?));
    Ok(rows.into_iter().filter_map(known).collect())
}

/// The users and bookings that are spoken of, each once.
fn mentioned(commands: &[SaleCommand]) -> (Vec<i64>, Vec<i64>) {
    let (mut users, mut bookings) = (Vec::new(), Vec::new());
    for command in commands {
        match command {
            SaleCommand::Book(command) => users.push(command.user_id.get()),
            SaleCommand::Cancel(booking_id) => bookings.push(booking_id.get()),
        }
    }
    for ids in [&mut users, &mut bookings] {
        ids.sort_unstable();
        ids.dedup();
    }
    (users, bookings)
}

/// Id, seats left, the beginning, the clock, whether it is paused, and the transaction.
type EventRow = (i64, i32, DateTime<Utc>, DateTime<Utc>, bool, i64);

async fn lock(
    connection: &AsyncPgConnection,
    event_ids: Vec<i64>,
    locking: Locking,
) -> QueryResult<Vec<EventRow>> {
    match locking {
        Locking::Wait | Locking::WaitForUsersToo => {
            LockEvents { event_ids }.load(&mut &*connection).await
        }
        Locking::SkipLocked => LockFreeEvents { event_ids }.load(&mut &*connection).await,
    }
}

async fn find_events(connection: &AsyncPgConnection, event_ids: Vec<i64>) -> QueryResult<Vec<i64>> {
    if event_ids.is_empty() {
        return Ok(Vec::new());
    }
    let find = FindEvents { event_ids };
    let (found,): (Vec<i64>,) = find.one_row(&mut &*connection).await?;
    Ok(found)
}

/// Of those who may book, and of those who are suspended; and whether all sales are
/// paused, which is nothing to a batch in which nobody books.
type Buyers = (Vec<i64>, Vec<i64>, bool);

async fn find_users(
    connection: &AsyncPgConnection,
    user_ids: Vec<i64>,
    locking: Locking,
) -> QueryResult<Buyers> {
    if user_ids.is_empty() {
        return Ok((Vec::new(), Vec::new(), false));
    }
    match locking {
        Locking::Wait | Locking::SkipLocked => {
            let find = FindUsers { user_ids };
            find.one_row(&mut &*connection).await
        }
        Locking::WaitForUsersToo => {
            let lock = LockUsers { user_ids };
            lock.one_row(&mut &*connection).await
        }
    }
}

async fn draw_ids(connection: &AsyncPgConnection, draw: DrawIds) -> QueryResult<Vec<i64>> {
    if draw.count == 0 {
        return Ok(Vec::new());
    }
    let (ids,): (Vec<i64>,) = draw.one_row(&mut &*connection).await?;
    Ok(ids)
}

fn standings(
    good: Vec<i64>,
    suspended: Vec<i64>,
) -> impl Iterator<Item = Result<(UserId, Standing), Invalid>> {
    let good = good.into_iter().map(|id| (id, Standing::Good));
    let suspended = suspended.into_iter().map(|id| (id, Standing::Suspended));
    good.chain(suspended)
        .map(|(id, standing)| Ok((UserId::try_new(id)?, standing)))
}

fn all<T, C: FromIterator<T>>(
    values: impl Iterator<Item = Result<T, Invalid>>,
) -> Result<C, StoreError> {
    values.collect::<Result<_, _>>().map_err(stored)
}

fn event_facts(
    (id, seats_available, start_at, now, is_paused, _): EventRow,
) -> Result<(EventId, EventFacts), Invalid> {
    let facts = EventFacts {
        start_at,
        seats_available: Capacity::try_new(seats_available.into())?,
        now,
        is_paused,
    };
    Ok((EventId::try_new(id)?, facts))
}

/// Id, event, status, seats, and the event's figure.
type BookingRow = (i64, i64, String, i32, i64);

fn booking_facts(
    (id, event_id, status, seats, figure): BookingRow,
) -> Result<(BookingId, BookingFacts, i64), Invalid> {
    let facts = BookingFacts {
        event_id: EventId::try_new(event_id)?,
        seats: SeatCount::try_new(seats.into())?,
        status: BookingStatus::parse(&status)?,
    };
    Ok((BookingId::try_new(id)?, facts, figure))
}
