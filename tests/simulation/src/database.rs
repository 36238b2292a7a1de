//! A database in memory: rows, their locks, and transactions that commit, roll back
//! or end nobody knows how. Works like PostgreSQL as far as the stores go: locks
//! last until the end of a transaction, keys before events and events by id.

mod batch;
mod rows;
mod store;
mod transaction;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::task::Waker;

use chrono::{DateTime, TimeDelta, Utc};
use domain::model::{BookingId, EventId, IdempotencyKey, SeatCount, UserId};

use crate::executor::now_us;
use crate::watch;

pub(crate) use rows::{Booking, Rows, Written};
pub(crate) use store::{BatchSizes, SimulatedStore};

/// What a transaction may hold.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Lock {
    Key(UserId, IdempotencyKey),
    Event(EventId),
}

struct Database {
    rows: Rows,
    /// Locks and the transactions that hold them.
    locks: BTreeMap<Lock, u64>,
    waiting: Vec<Waker>,
    transactions: u64,
    is_up: bool,
    /// Transactions end with it.
    life: u32,
    clock_offset_ms: i64,
    /// Of 1,000 commits, how many lose their answer.
    astray: u32,
    /// The longest time that a statement takes.
    delay_us_max: u64,
}

thread_local! {
    static DATABASE: RefCell<Database> = RefCell::new(Database {
        rows: Rows::default(),
        locks: BTreeMap::new(),
        waiting: Vec::new(),
        transactions: 0,
        is_up: true,
        life: 0,
        clock_offset_ms: 0,
        astray: 0,
        delay_us_max: 0,
    });
}

fn with<T>(work: impl FnOnce(&mut Database) -> T) -> T {
    DATABASE.with_borrow_mut(work)
}

impl Database {
    fn now(&self) -> DateTime<Utc> {
        let ms = i64::try_from(now_us() / 1000).unwrap_or(i64::MAX) + self.clock_offset_ms;
        DateTime::UNIX_EPOCH + TimeDelta::milliseconds(ms)
    }
}

/// Begins with no rows.
pub(crate) fn reset(delay_us_max: u64) {
    with(|database| {
        database.rows = Rows::default();
        database.locks.clear();
        database.waiting.clear();
        database.transactions = 0;
        database.is_up = true;
        database.life = 0;
        database.clock_offset_ms = 0;
        database.astray = 0;
        database.delay_us_max = delay_us_max;
    });
}

/// What befalls the database.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Trouble {
    /// Of 1,000 commits, so many break off.
    Astray(u32),
    /// It goes away, with all transactions.
    Dies,
    Returns,
    ClockJumps {
        by_ms: i64,
    },
}

pub(crate) fn befall(trouble: Trouble) {
    let waiting = with(|database| {
        match trouble {
            Trouble::Astray(astray) => database.astray = astray,
            Trouble::Dies => {
                database.is_up = false;
                database.life += 1;
                database.locks.clear();
            }
            Trouble::Returns => database.is_up = true,
            Trouble::ClockJumps { by_ms } => database.clock_offset_ms += by_ms,
        }
        std::mem::take(&mut database.waiting)
    });
    waiting.into_iter().for_each(Waker::wake);
}

/// What is left of an event, if it was not deleted.
pub(crate) fn seats_left(event_id: EventId) -> Option<i64> {
    with(|database| database.rows.seats_left(event_id))
}

/// Whether an event is still sold.
pub(crate) fn is_upcoming(event_id: EventId) -> bool {
    with(|database| database.rows.is_upcoming(event_id, database.now()))
}

pub(crate) fn booking(booking_id: BookingId) -> Option<Booking> {
    with(|database| database.rows.bookings.get(&booking_id).cloned())
}

/// One of the bookings, by a number that may be larger than there are.
pub(crate) fn some_booking(number: usize) -> Option<BookingId> {
    with(|database| {
        let count = database.rows.bookings.len();
        let mut all = database.rows.bookings.keys();
        (count > 0)
            .then(|| all.nth(number % count).copied())
            .flatten()
    })
}

/// Writes in one step, and has everybody look at it.
fn write(written: &Written) -> Result<(), String> {
    let events = with(|database| database.rows.write(written))?;
    with(|database| database.rows.check(&events)).unwrap_or_else(|fault| watch::wrong(&fault));
    watch::committed(written, &events);
    Ok(())
}

/// Seats of a booking as a number of an event's.
fn number(seats: SeatCount) -> i64 {
    i64::from(seats.get())
}
