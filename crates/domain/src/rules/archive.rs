//! What makes the records of an archive fit together, checked as they stream
//! past: memory grows with the events, with keys of services and with gaps
//! between ids, not with bookings. What a stream cannot show, such as an address used twice, is left
//! to the constraints of the store that takes them over.

use std::collections::HashSet;

use crate::model::{
    ApiKeyRecord, ArchiveCounts, BookingId, BookingRecord, BookingStatus, Capacity, EventId,
    EventRecord, IdempotencyKey, KeyRecord, Record, SecretDigest, UserId,
};

mod ids;

use ids::IdRanges;

/// Why records cannot all be right: a sentence that names the thing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{sentence}")]
pub struct Inconsistency {
    record: Option<u64>,
    sentence: String,
}

impl Inconsistency {
    /// One that the records show only together.
    pub fn new(sentence: impl Into<String>) -> Self {
        Self {
            record: None,
            sentence: sentence.into(),
        }
    }

    /// Which record, counted from 1, does not fit to those before it; `None`
    /// when that shows only at the end.
    pub fn record(&self) -> Option<u64> {
        self.record
    }
}

/// The order of records: users, events and bookings by rising id, then keys by
/// rising id of their user, then keys of services and entries of the audit log
/// by rising id.
#[derive(Debug, Clone, Default)]
pub struct RecordOrder {
    kind: u8,
    id: i64,
}

impl RecordOrder {
    /// Looks at the next record.
    ///
    /// # Errors
    /// Refuses one that should have come earlier, or came already.
    pub fn accept(&mut self, record: &Record) -> Result<(), Inconsistency> {
        let (kind, name, id) = match record {
            Record::User(record) => (0, "user", record.id().get()),
            Record::Event(record) => (1, "event", record.event.id().get()),
            Record::Booking(record) => (2, "booking", record.booking.id.get()),
            Record::Key(record) => (3, "key of user", record.user_id.get()),
            Record::ApiKey(record) => (4, "API key", record.key.id.get()),
            Record::Audit(record) => (5, "audit entry", record.id.get()),
        };
        let is_key = matches!(record, Record::Key(_));
        let in_order =
            kind > self.kind || (kind == self.kind && (id > self.id || is_key && id == self.id));
        if !in_order {
            return Err(Inconsistency::new(format!(
                "{name} {id} is out of order: users, events, bookings, keys, API keys and audit \
                 entries follow one another, each by rising id"
            )));
        }
        (self.kind, self.id) = (kind, id);
        Ok(())
    }
}

/// What a consistent archive amounts to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ArchiveSums {
    /// Its records.
    pub counts: ArchiveCounts,
    /// Confirmed bookings of events that are not deleted.
    pub confirmed_bookings: u64,
}

/// What an event has according to its record, and what its bookings add up to.
#[derive(Debug)]
struct Ledger {
    event_id: EventId,
    capacity: Capacity,
    seats_available: Capacity,
    deleted: bool,
    confirmed_seats: u64,
}

/// Checks an archive as its records go by.
#[derive(Debug, Default)]
pub struct ArchiveCheck {
    order: RecordOrder,
    counts: ArchiveCounts,
    users: IdRanges,
    /// By rising id, as they come.
    events: Vec<Ledger>,
    bookings: IdRanges,
    confirmed_bookings: u64,
    /// The user whose keys are going by, and those keys.
    keys_of: Option<UserId>,
    keys: HashSet<IdempotencyKey>,
    /// Of services, of which there are few.
    secrets: HashSet<SecretDigest>,
}

impl ArchiveCheck {
    /// Looks at the next record.
    ///
    /// # Errors
    /// Refuses one out of order, one that refers to what is not there, a
    /// confirmed booking for more seats than its event has, a key that its user
    /// has already, a deleted event that has not got all its seats back, and a
    /// service with the secret of another one. What an entry of the audit log
    /// names need not be there.
    pub fn accept(&mut self, record: &Record) -> Result<(), Inconsistency> {
        self.counts.add(record);
        self.accept_counted(record)
            .map_err(|refusal| Inconsistency {
                record: Some(self.counts.total()),
                ..refusal
            })
    }

    fn accept_counted(&mut self, record: &Record) -> Result<(), Inconsistency> {
        self.order.accept(record)?;
        match record {
            Record::User(record) => {
                self.users.push(record.id().get());
                Ok(())
            }
            Record::Event(record) => self.accept_event(record),
            Record::Booking(record) => self.accept_booking(record),
            Record::Key(record) => self.accept_key(record),
            Record::ApiKey(record) => self.accept_api_key(record),
            Record::Audit(_) => Ok(()),
        }
    }

    /// Looks at the whole: every event's seats left must be what its bookings
    /// leave of its capacity.
    ///
    /// # Errors
    /// Names an event whose seats do not add up.
    pub fn finish(self) -> Result<ArchiveSums, Inconsistency> {
        for ledger in &self.events {
            ledger.check()?;
        }
        Ok(ArchiveSums {
            counts: self.counts,
            confirmed_bookings: self.confirmed_bookings,
        })
    }

    fn accept_event(&mut self, record: &EventRecord) -> Result<(), Inconsistency> {
        let ledger = Ledger {
            event_id: record.event.id(),
            capacity: record.event.capacity(),
            seats_available: record.event.seats_available(),
            deleted: record.deleted_at.is_some(),
            confirmed_seats: 0,
        };
        if ledger.deleted {
            ledger.check()?;
        }
        self.events.push(ledger);
        Ok(())
    }

    fn accept_booking(&mut self, record: &BookingRecord) -> Result<(), Inconsistency> {
        let booking = &record.booking;
        self.bookings.push(booking.id.get());
        let owner = format_args!("booking {}", booking.id);
        self.user_exists(owner, booking.user_id)?;
        let ledger = self.ledger(owner, booking.event_id)?;
        // Deleting an event frees its seats before its bookings are marked.
        if booking.status == BookingStatus::Cancelled || ledger.deleted {
            return Ok(());
        }
        ledger.confirmed_seats += u64::from(booking.seats.get());
        if ledger.confirmed_seats > u64::from(ledger.capacity.get()) {
            return Err(Inconsistency::new(format!(
                "with booking {} the confirmed bookings of event {} hold {} seats, more than \
                 its {}",
                booking.id, booking.event_id, ledger.confirmed_seats, ledger.capacity
            )));
        }
        self.confirmed_bookings += 1;
        Ok(())
    }

    fn accept_key(&mut self, record: &KeyRecord) -> Result<(), Inconsistency> {
        let (user_id, first) = (record.user_id, &record.first);
        let owner = format_args!("key {:?} of user {user_id}", record.key.as_str());
        self.user_exists(owner, user_id)?;
        self.ledger(owner, first.event_id)?;
        self.booking_exists(owner, first.booking_id)?;
        if self.keys_of != Some(user_id) {
            self.keys_of = Some(user_id);
            self.keys.clear();
        }
        if !self.keys.insert(record.key.clone()) {
            return Err(Inconsistency::new(format!("{owner} is there twice")));
        }
        Ok(())
    }

    fn accept_api_key(&mut self, record: &ApiKeyRecord) -> Result<(), Inconsistency> {
        if !self.secrets.insert(record.secret) {
            return Err(Inconsistency::new(format!(
                "API key {} has the secret of another one",
                record.key.id
            )));
        }
        Ok(())
    }

    fn user_exists(
        &self,
        owner: std::fmt::Arguments<'_>,
        user_id: UserId,
    ) -> Result<(), Inconsistency> {
        if self.users.contains(user_id.get()) {
            return Ok(());
        }
        Err(missing(owner, format_args!("user {user_id}")))
    }

    fn booking_exists(
        &self,
        owner: std::fmt::Arguments<'_>,
        booking_id: BookingId,
    ) -> Result<(), Inconsistency> {
        if self.bookings.contains(booking_id.get()) {
            return Ok(());
        }
        Err(missing(owner, format_args!("booking {booking_id}")))
    }

    fn ledger(
        &mut self,
        owner: std::fmt::Arguments<'_>,
        event_id: EventId,
    ) -> Result<&mut Ledger, Inconsistency> {
        let place = self
            .events
            .binary_search_by_key(&event_id, |ledger| ledger.event_id);
        match place {
            Ok(index) => Ok(&mut self.events[index]),
            Err(_) => Err(missing(owner, format_args!("event {event_id}"))),
        }
    }
}

fn missing(owner: std::fmt::Arguments<'_>, what: std::fmt::Arguments<'_>) -> Inconsistency {
    Inconsistency::new(format!("{owner} refers to {what}, which is not there"))
}

impl Ledger {
    /// Nobody holds seats of a deleted event.
    fn check(&self) -> Result<(), Inconsistency> {
        let left = u64::from(self.capacity.get()) - self.confirmed_seats;
        if u64::from(self.seats_available.get()) == left {
            return Ok(());
        }
        let Self {
            event_id,
            capacity,
            seats_available,
            confirmed_seats,
            ..
        } = self;
        let event = if self.deleted {
            "deleted event"
        } else {
            "event"
        };
        Err(Inconsistency::new(format!(
            "{event} {event_id} has {capacity} seats, {confirmed_seats} of them confirmed, but \
             {seats_available} left instead of {left}"
        )))
    }
}

#[cfg(test)]
mod tests;
