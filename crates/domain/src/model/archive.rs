//! What a store holds, record by record, on its way to another store.

use chrono::{DateTime, Utc};

use super::{
    ApiKey, AuditRecord, Booking, Event, IdempotencyKey, KeyedBooking, PasswordHash, SecretDigest,
    User, UserId,
};

/// One thing that a store keeps, as it keeps it. What can be worked out from
/// these, such as the figures of sales, is not among them. Neither are sessions
/// and password tokens: they are good for a while only, and in one place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record {
    /// A user, erased or not.
    User(UserRecord),
    /// An event, deleted or not.
    Event(EventRecord),
    /// A booking, cancelled or not.
    Booking(BookingRecord),
    /// An idempotency key that is bound.
    Key(KeyRecord),
    /// A key of a service, revoked or not.
    ApiKey(ApiKeyRecord),
    /// An entry of the audit log.
    Audit(AuditRecord),
}

/// A user with all that is kept about them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UserRecord {
    /// Somebody who is registered.
    Registered {
        /// The user.
        user: User,
        /// What they log in with, if they ever set a password.
        password: Option<PasswordHash>,
        /// Since when they are suspended, if they are.
        suspended_at: Option<DateTime<Utc>>,
    },
    /// Somebody of whom nothing is left but an id that bookings refer to.
    Erased {
        /// The id.
        id: UserId,
        /// When they had registered.
        created_at: DateTime<Utc>,
        /// When they were erased.
        erased_at: DateTime<Utc>,
    },
}

impl UserRecord {
    /// Their name in the system.
    pub fn id(&self) -> UserId {
        match self {
            Self::Registered { user, .. } => user.id,
            Self::Erased { id, .. } => *id,
        }
    }
}

/// An event with all that is kept about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventRecord {
    /// The event. Its seats left follow from the bookings; they are carried to
    /// find out whether all bookings have arrived.
    pub event: Event,
    /// How often it was changed.
    pub version: i64,
    /// When it was published.
    pub created_at: DateTime<Utc>,
    /// When it was changed for the last time.
    pub updated_at: DateTime<Utc>,
    /// When it was deleted, if it was.
    pub deleted_at: Option<DateTime<Utc>>,
    /// Since when its sales are paused, if they are.
    pub sales_paused_at: Option<DateTime<Utc>>,
}

/// A booking with all that is kept about it. The status is the one that is
/// stored: a booking of a deleted event reads as cancelled before it is marked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BookingRecord {
    /// The booking.
    pub booking: Booking,
    /// When it was changed for the last time.
    pub updated_at: DateTime<Utc>,
}

/// An idempotency key and what it stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRecord {
    /// Whose key it is.
    pub user_id: UserId,
    /// The key.
    pub key: IdempotencyKey,
    /// The booking that was made under it, and what was asked for.
    pub first: KeyedBooking,
    /// When it was bound.
    pub created_at: DateTime<Utc>,
}

/// A key of a service with all that is kept about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKeyRecord {
    /// The key.
    pub key: ApiKey,
    /// What is kept of its secret.
    pub secret: SecretDigest,
}

/// How many records of each kind there are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ArchiveCounts {
    /// Users.
    pub users: u64,
    /// Events.
    pub events: u64,
    /// Bookings.
    pub bookings: u64,
    /// Idempotency keys.
    pub keys: u64,
    /// Keys of services.
    pub api_keys: u64,
    /// Entries of the audit log.
    pub audit: u64,
}

impl ArchiveCounts {
    /// One more of this record's kind.
    pub fn add(&mut self, record: &Record) {
        match record {
            Record::User(_) => self.users += 1,
            Record::Event(_) => self.events += 1,
            Record::Booking(_) => self.bookings += 1,
            Record::Key(_) => self.keys += 1,
            Record::ApiKey(_) => self.api_keys += 1,
            Record::Audit(_) => self.audit += 1,
        }
    }

    /// Records of all kinds.
    pub fn total(&self) -> u64 {
        self.users + self.events + self.bookings + self.keys + self.api_keys + self.audit
    }
}

impl std::fmt::Display for ArchiveCounts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            users,
            events,
            bookings,
            keys,
            api_keys,
            audit,
        } = self;
        write!(
            f,
            "{users} users, {events} events, {bookings} bookings, {keys} idempotency keys, \
             {api_keys} API keys, {audit} audit entries"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_records_are_counted_and_named_by_their_kind() {
        let counts = ArchiveCounts {
            users: 1,
            events: 20,
            bookings: 300,
            keys: 4_000,
            api_keys: 50_000,
            audit: 600_000,
        };
        assert_eq!(counts.total(), 654_321);
        assert_eq!(
            counts.to_string(),
            "1 users, 20 events, 300 bookings, 4000 idempotency keys, 50000 API keys, \
             600000 audit entries"
        );
    }
}
