//! Typed values of the box office. Fields are private and every constructor
//! that can fail checks, so an illegal value cannot exist.

mod account;
mod api_key;
mod archive;
mod audit;
mod booking;
mod email;
mod event;
mod figures;
mod idempotency;
mod ids;
mod page;
mod pause;
mod principal;
mod rate;
mod reservation;
mod sales;
mod seats;
mod secret;
mod text;
mod user;

pub use account::{Account, AccountFilter, Credentials, Session, SessionSecrets};
pub use api_key::{ApiKey, NewApiKey, Scope, Scopes};
pub use archive::{
    ApiKeyRecord, ArchiveCounts, BookingRecord, EventRecord, KeyRecord, Record, UserRecord,
};
pub use audit::{Actor, AuditEntry, AuditFilter, AuditObject, AuditRecord};
pub use booking::{AttendedBooking, BookSeats, Booked, Booking, BookingStatus, Cancelled};
pub use email::Email;
pub use event::{ChangedEvent, Event, EventChange, EventSeats, PublishEvent};
pub use figures::{
    ConfirmedSums, Deletion, Difference, EventDifference, EventFigures, Glance, GlanceBounds,
    KeyFault, KeyFaultKind, KeyGlance, KeyPlace, TotalDifference,
};
pub use idempotency::{IdempotencyKey, KeyedBooking};
pub use ids::{ApiKeyId, AuditId, BookingId, EventId, SessionId, UserId};
pub use page::{Listing, Page, PageCursor, PageLimit, Pointed, Timeline, TopSellers};
pub use pause::{PausedEvent, PausedSales};
pub use principal::Principal;
pub use rate::{LimitSubject, RateDecision, RatePolicy};
pub use reservation::ReservationId;
pub use sales::{EventSales, SalesReport};
pub use seats::{Capacity, SeatCount};
pub use secret::{Password, PasswordHash, SecretDigest};
pub use text::{ApiKeyName, EventName, UserName, Venue};
pub use user::{NewUser, User};

/// Why a value from outside was not accepted. The text is a clause that fits
/// behind the name of the field: "must be …".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Invalid(String);

impl Invalid {
    /// A refusal with this reason.
    pub fn new(reason: impl Into<String>) -> Self {
        Self(reason.into())
    }
}
