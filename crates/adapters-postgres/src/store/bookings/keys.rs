//! The idempotency keys of a batch. A key's row is the lock that makes one
//! booking of parallel duplicates.

use std::collections::{BTreeMap, HashMap};

use diesel::sql_types::{Array, BigInt, Integer, Text};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use domain::model::{
    BookSeats, BookingId, EventId, IdempotencyKey, Invalid, KeyedBooking, SeatCount, UserId,
};
use domain::ports::StoreError;
use domain::rules::{Sale, SaleCommand};
use futures::FutureExt;

use crate::error::{CameBetween, before_commit, stored};
use crate::prepared::prepared;
use crate::transaction::Transaction;

use super::writes::column;

prepared!(
    /// Says until the end of the transaction that there is one. BEGIN travels with
    /// what binds the keys; if it alone fails, because it is cancelled for
    /// instance, this is undone at once, and nothing is bound for good.
    NoteBegun {} -> (Text,),
    "SELECT set_config('utsavam.has_begun', 'yes', true)"
);

prepared!(
    /// Binds keys to the ids that their bookings are going to have, in the order
    /// of `(user_id, key)`. Inserts nothing where the user is unknown or the key is
    /// bound, and nothing at all outside of a transaction. A key that another
    /// transaction is just binding is waited for. A suspended user's is bound and
    /// let go: they may be reinstated before the facts are read.
    BindKeys {
        user_ids: Vec<i64> as Array<BigInt>,
        keys: Vec<String> as Array<Text>,
        event_ids: Vec<i64> as Array<BigInt>,
        seats: Vec<i32> as Array<Integer>,
    } -> (BigInt, Text, BigInt),
    r#"INSERT INTO idempotency_keys (user_id, key, booking_id, event_id, seats)
     SELECT k.user_id, k.key, nextval('bookings_id_seq'), k.event_id, k.seats
     FROM unnest(?, ?, ?, ?) AS k (user_id, key, event_id, seats)
     WHERE EXISTS (SELECT FROM users WHERE id = k.user_id AND erased_at IS NULL)
         AND current_setting('utsavam.has_begun', true) = 'yes'
     ORDER BY k.user_id, k.key COLLATE "C"
     ON CONFLICT (user_id, key) DO NOTHING
     RETURNING user_id, key, booking_id"#
);

prepared!(
    /// What keys stand for. A statement of its own: under READ COMMITTED the
    /// one that lost the race does not see the row that it lost to.
    FindKeys { user_ids: Vec<i64> as Array<BigInt>, keys: Vec<String> as Array<Text> }
        -> (BigInt, Text, BigInt, BigInt, Integer),
    "SELECT i.user_id, i.key, i.booking_id, i.event_id, i.seats
     FROM unnest(?, ?) AS k (user_id, key)
     JOIN idempotency_keys i ON i.user_id = k.user_id AND i.key = k.key"
);

prepared!(
    /// Lets go of keys under which nothing was sold.
    LetGo { user_ids: Vec<i64> as Array<BigInt>, keys: Vec<String> as Array<Text> } -> (BigInt,),
    "DELETE FROM idempotency_keys i USING unnest(?, ?) AS k (user_id, key)
     WHERE i.user_id = k.user_id AND i.key = k.key"
);

prepared!(
    /// Writes what a key stands for, where the command that bound it was refused
    /// and another one under the same key was not.
    Rebind {
        event_id: i64 as BigInt,
        seats: i32 as Integer,
        user_id: i64 as BigInt,
        key: String as Text,
    } -> (BigInt,),
    "UPDATE idempotency_keys SET event_id = ?, seats = ? WHERE user_id = ? AND key = ?"
);

/// A key is unique for its user.
type Name = (UserId, IdempotencyKey);

/// What became of a batch's keys.
#[derive(Default)]
pub(super) struct Keys {
    /// Bound before.
    pub(super) used: HashMap<Name, KeyedBooking>,
    /// Bound by this transaction, until something is sold under them or not.
    pub(super) reserved: Reserved,
}

/// Keys whose rows this transaction has inserted, with what the rows say.
#[derive(Default)]
pub(super) struct Reserved(HashMap<Name, KeyedBooking>);

impl Reserved {
    pub(super) fn has(&self, command: &BookSeats) -> bool {
        self.id_for(command).is_some()
    }

    /// The id to which the command's key is bound.
    pub(super) fn id_for(&self, command: &BookSeats) -> Option<BookingId> {
        if self.0.is_empty() {
            return None;
        }
        let name = (command.user_id, command.idempotency_key.clone()?);
        self.0.get(&name).map(|keyed| keyed.booking_id)
    }
}

/// Binds every key of the batch that is free. Before any event is locked: whoever
/// waits here for another transaction's key holds nothing that it may want.
/// `None` if there are no keys, and then the transaction has not begun yet.
pub(super) async fn bind(
    transaction: &mut Transaction,
    commands: &[SaleCommand],
) -> Result<Option<Keys>, StoreError> {
    let named = first_by_name(commands);
    if named.is_empty() {
        return Ok(None);
    }
    let seats: Result<_, _> = named
        .values()
        .map(|command| column(command.seats))
        .collect();
    let bind = BindKeys {
        user_ids: named.keys().map(|(user_id, _)| user_id.get()).collect(),
        keys: named
            .keys()
            .map(|(_, key)| key.as_str().to_owned())
            .collect(),
        event_ids: named.values().map(|c| c.event_id.get()).collect(),
        seats: seats?,
    };
    let bound: Vec<(i64, String, i64)> = transaction
        .begin_with(|connection| {
            async move {
                let note = NoteBegun {};
                let (noted, bound) = futures::join!(
                    note.execute(&mut &*connection),
                    bind.load(&mut &*connection)
                );
                noted.and(bound)
            }
            .boxed()
        })
        .await?;
    let mut reserved = HashMap::with_capacity(bound.len());
    for row in bound {
        let (name, booking_id) = bound_key(row).map_err(stored)?;
        if let Some(command) = named.get(&name) {
            let keyed = KeyedBooking {
                booking_id,
                event_id: command.event_id,
                seats: command.seats,
            };
            reserved.insert(name, keyed);
        }
    }
    let lost: Vec<_> = named.keys().filter(|n| !reserved.contains_key(n)).collect();
    let used = match lost.is_empty() {
        true => HashMap::new(),
        false => find(transaction.connection(), &lost).await?,
    };
    Ok(Some(Keys {
        used,
        reserved: Reserved(reserved),
    }))
}

/// The first command under each key, by user and key.
fn first_by_name(commands: &[SaleCommand]) -> BTreeMap<Name, &BookSeats> {
    let mut named = BTreeMap::new();
    for command in commands {
        if let SaleCommand::Book(command) = command
            && let Some(key) = &command.idempotency_key
        {
            named
                .entry((command.user_id, key.clone()))
                .or_insert(command);
        }
    }
    named
}

fn bound_key((user_id, key, booking_id): (i64, String, i64)) -> Result<(Name, BookingId), Invalid> {
    let name = (UserId::try_new(user_id)?, IdempotencyKey::parse(&key)?);
    Ok((name, BookingId::try_new(booking_id)?))
}

async fn find(
    connection: &mut AsyncPgConnection,
    names: &[&Name],
) -> Result<HashMap<Name, KeyedBooking>, StoreError> {
    let (user_ids, keys) = columns(names.iter().copied());
    let query = FindKeys { user_ids, keys };
    let rows: Vec<(i64, String, i64, i64, i32)> =
        query.load(connection).await.map_err(before_commit)?;
    let used = rows.into_iter().map(used_key).collect::<Result<_, _>>();
    used.map_err(stored)
}

fn used_key(
    (user_id, key, booking_id, event_id, seats): (i64, String, i64, i64, i32),
) -> Result<(Name, KeyedBooking), Invalid> {
    let (name, booking_id) = bound_key((user_id, key, booking_id))?;
    let keyed = KeyedBooking {
        booking_id,
        event_id: EventId::try_new(event_id)?,
        seats: SeatCount::try_new(seats.into())?,
    };
    Ok((name, keyed))
}

fn columns<'a>(names: impl Iterator<Item = &'a Name>) -> (Vec<i64>, Vec<String>) {
    names
        .map(|(user_id, key)| (user_id.get(), key.as_str().to_owned()))
        .unzip()
}

/// Makes the rows of the keys say what was sold under them, and removes those
/// of the others.
pub(super) async fn finish(
    connection: &mut AsyncPgConnection,
    reserved: &Reserved,
    sales: &[Sale],
) -> Result<(), StoreError> {
    let mut unsold: HashMap<_, _> = reserved.0.iter().collect();
    for sale in sales {
        let Some(key) = sale.idempotency_key.clone() else {
            continue;
        };
        let name = (sale.user_id, key);
        let Some(keyed) = unsold.remove(&name) else {
            let let_go = CameBetween("the key was let go this very moment");
            return Err(StoreError::Busy(Box::new(let_go)));
        };
        if (keyed.event_id, keyed.seats) != (sale.event_id, sale.seats) {
            let (user_id, key) = name;
            let rebind = Rebind {
                event_id: sale.event_id.get(),
                seats: column(sale.seats)?,
                user_id: user_id.get(),
                key: key.as_str().to_owned(),
            };
            rebind.execute(connection).await.map_err(before_commit)?;
        }
    }
    if unsold.is_empty() {
        return Ok(());
    }
    let (user_ids, keys) = columns(unsold.into_keys());
    let let_go = LetGo { user_ids, keys };
    let_go.execute(connection).await.map_err(before_commit)?;
    Ok(())
}
