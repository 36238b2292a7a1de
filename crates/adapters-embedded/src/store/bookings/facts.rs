//! The facts of a batch: each event, user, key and booking that its commands
//! speak of, read once.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Text};
use domain::model::{
    BookSeats, BookingId, BookingStatus, Capacity, EventId, IdempotencyKey, Invalid, KeyedBooking,
    SeatCount, UserId,
};
use domain::ports::StoreError;
use domain::rules::{BatchFacts, BookingFacts, EventFacts, SaleCommand, Standing};

use crate::clock;
use crate::error::{before_commit, defect, stored};
use crate::prepared::{at_most_one, exactly_one, prepared};
use crate::rows::KeyRow;
use crate::store::json_array;

prepared!(
    /// What a key stands for.
    FindKey { user_id: i64 as BigInt, key: String as Text } -> (BigInt, BigInt, BigInt),
    "SELECT booking_id, event_id, seats FROM idempotency_keys WHERE user_id = ? AND key = ?"
);

prepared!(
    /// By primary key.
    FindUser { user_id: i64 as BigInt } -> (BigInt,),
    "SELECT id FROM users WHERE id = ? AND erased_at IS NULL"
);

prepared!(
    /// Those of a JSON array of ids who are registered, and whether they are
    /// suspended: 0.25 µs for each of them, where a statement for each takes 0.41 µs.
    FindUsers { user_ids: String as Text } -> (BigInt, Bool),
    "SELECT u.id, u.suspended_at IS NOT NULL
     FROM json_each(?) asked CROSS JOIN users u ON u.id = asked.value
     WHERE u.erased_at IS NULL"
);

prepared!(
    /// What the decision on a sale needs of an event.
    FindEvent { event_id: i64 as BigInt } -> (BigInt, BigInt, Bool),
    "SELECT seats_available, start_at, sales_paused_at IS NOT NULL
     FROM events WHERE id = ? AND deleted_at IS NULL"
);

prepared!(
    /// Whether all sales are paused.
    AllPaused {} -> (Bool,),
    "SELECT EXISTS (SELECT 1 FROM sales_paused)"
);

prepared!(
    /// What the decision on a cancellation needs of a booking.
    FindBooking { booking_id: i64 as BigInt } -> (BigInt, BigInt, Text),
    "SELECT event_id, seats, status FROM bookings WHERE id = ?"
);

prepared!(
    /// The largest id that a booking ever had. AUTOINCREMENT keeps it, and like
    /// SQLite itself this looks at the table too, in case somebody has touched
    /// the other by hand.
    LastBookingId {} -> (BigInt,),
    "SELECT max(
         coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'bookings'), 0),
         coalesce((SELECT max(id) FROM bookings), 0)
     )"
);

/// Everything that is decided on.
pub(super) struct Facts {
    pub(super) facts: BatchFacts,
    pub(super) broken: Broken,
    /// The store's clock, read after the transaction had begun.
    pub(super) now: DateTime<Utc>,
    pub(super) ids: NewIds,
}

/// Reads the facts. Bookings come before events, because they say of which
/// events they are.
pub(super) fn read(
    connection: &mut SqliteConnection,
    commands: &[&SaleCommand],
) -> Result<Facts, StoreError> {
    let mut facts = BatchFacts::default();
    let mut broken = Broken::default();
    let (mut users, mut events) = (Vec::new(), Vec::new());
    for command in commands {
        match command {
            SaleCommand::Book(command) => {
                users.push(command.user_id);
                events.push(command.event_id);
                let Some(name) = name_of(command) else {
                    continue;
                };
                match find_key(connection, &name)? {
                    Some(Ok(first)) => drop(facts.keys.insert(name, first)),
                    Some(Err(invalid)) => drop(broken.keys.insert(name, invalid)),
                    None => (),
                }
            }
            SaleCommand::Cancel(booking_id) => match find_booking(connection, *booking_id)? {
                Some(Ok(booking)) => {
                    events.push(booking.event_id);
                    facts.bookings.insert(*booking_id, booking);
                }
                Some(Err(invalid)) => drop(broken.bookings.insert(*booking_id, invalid)),
                None => (),
            },
        }
    }
    let ids = NewIds::read(connection, users.len())?;
    let now = clock::now();
    for event_id in distinct(events) {
        match find_event(connection, event_id, now)? {
            Some(Ok(event)) => drop(facts.events.insert(event_id, event)),
            Some(Err(invalid)) => drop(broken.events.insert(event_id, invalid)),
            None => (),
        }
    }
    if !users.is_empty() {
        let (paused,): (bool,) = exactly_one(connection, AllPaused {}).map_err(before_commit)?;
        facts.all_paused = paused;
    }
    facts.users = find_users(connection, &distinct(users))?;
    Ok(Facts {
        facts,
        broken,
        now,
        ids,
    })
}

fn distinct<T: Ord>(mut all: Vec<T>) -> Vec<T> {
    all.sort_unstable();
    all.dedup();
    all
}

fn name_of(command: &BookSeats) -> Option<(UserId, IdempotencyKey)> {
    let key = command.idempotency_key.clone()?;
    Some((command.user_id, key))
}

/// What a row says, if there is one: a value, or one that the model does not
/// allow.
type Found<T> = Result<Option<Result<T, Invalid>>, StoreError>;

fn find_key(
    connection: &mut SqliteConnection,
    (user_id, key): &(UserId, IdempotencyKey),
) -> Found<KeyedBooking> {
    let query = FindKey {
        user_id: user_id.get(),
        key: key.as_str().to_owned(),
    };
    let row: Option<KeyRow> = at_most_one(connection, query).map_err(before_commit)?;
    Ok(row.map(KeyedBooking::try_from))
}

fn find_booking(connection: &mut SqliteConnection, booking_id: BookingId) -> Found<BookingFacts> {
    let query = FindBooking {
        booking_id: booking_id.get(),
    };
    let row: Option<(i64, i64, String)> = at_most_one(connection, query).map_err(before_commit)?;
    Ok(row.map(|(event_id, seats, status)| {
        Ok(BookingFacts {
            event_id: EventId::try_new(event_id)?,
            seats: SeatCount::try_new(seats)?,
            status: BookingStatus::parse(&status)?,
        })
    }))
}

fn find_event(
    connection: &mut SqliteConnection,
    event_id: EventId,
    now: DateTime<Utc>,
) -> Found<EventFacts> {
    let query = FindEvent {
        event_id: event_id.get(),
    };
    let row: Option<(i64, i64, bool)> = at_most_one(connection, query).map_err(before_commit)?;
    Ok(row.map(|(seats_available, start_at, is_paused)| {
        Ok(EventFacts {
            start_at: clock::from_micros(start_at)?,
            seats_available: Capacity::try_new(seats_available)?,
            now,
            is_paused,
        })
    }))
}

fn find_users(
    connection: &mut SqliteConnection,
    user_ids: &[UserId],
) -> Result<HashMap<UserId, Standing>, StoreError> {
    if user_ids.is_empty() {
        return Ok(HashMap::new());
    }
    let query = FindUsers {
        user_ids: json_array(user_ids.iter().map(|user_id| user_id.get())),
    };
    let found: Vec<(i64, bool)> = query.load(connection).map_err(before_commit)?;
    found
        .into_iter()
        .map(|(id, is_suspended)| {
            let standing = if is_suspended {
                Standing::Suspended
            } else {
                Standing::Good
            };
            Ok((UserId::try_new(id).map_err(stored)?, standing))
        })
        .collect()
}

/// Names new bookings, none twice: the transaction is the only one that writes.
pub(super) struct NewIds {
    last: i64,
}

impl NewIds {
    fn read(connection: &mut SqliteConnection, bookings_max: usize) -> Result<Self, StoreError> {
        if bookings_max == 0 {
            return Ok(Self { last: 0 });
        }
        let (last,): (i64,) = exactly_one(connection, LastBookingId {}).map_err(before_commit)?;
        let room = i64::try_from(bookings_max).ok();
        if room.and_then(|room| last.checked_add(room)).is_none() {
            return Err(defect("there are no more ids for bookings"));
        }
        Ok(Self { last })
    }

    pub(super) fn next(&mut self) -> BookingId {
        self.last += 1;
        BookingId::try_new(self.last).expect("there is room behind 0 for all of the batch")
    }
}

/// Stored values that the model does not allow.
#[derive(Default)]
pub(super) struct Broken {
    events: HashMap<EventId, Invalid>,
    keys: HashMap<(UserId, IdempotencyKey), Invalid>,
    bookings: HashMap<BookingId, Invalid>,
}

impl Broken {
    /// Why a command cannot be decided, if it speaks of something broken.
    pub(super) fn fault(&self, command: &SaleCommand, facts: &BatchFacts) -> Option<StoreError> {
        if self.events.is_empty() && self.keys.is_empty() && self.bookings.is_empty() {
            return None;
        }
        let invalid = match command {
            SaleCommand::Book(command) => self.fault_of_sale(command, facts),
            SaleCommand::Cancel(booking_id) => self.bookings.get(booking_id).or_else(|| {
                let booking = facts.bookings.get(booking_id)?;
                self.events.get(&booking.event_id)
            }),
        };
        invalid.cloned().map(stored)
    }

    /// A bound key answers whatever became of its event.
    fn fault_of_sale(&self, command: &BookSeats, facts: &BatchFacts) -> Option<&Invalid> {
        let event = self.events.get(&command.event_id);
        match name_of(command) {
            Some(name) if facts.keys.contains_key(&name) => None,
            Some(name) => self.keys.get(&name).or(event),
            None => event,
        }
    }
}
