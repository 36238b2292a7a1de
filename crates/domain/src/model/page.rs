//! Keyset paging: a page is asked for by the last thing already seen, so its
//! cost does not grow with the pages before it.

use chrono::{DateTime, Utc};

use super::{
    Account, ApiKey, AttendedBooking, AuditRecord, Booking, Event, EventSales, Invalid,
    PausedEvent, User,
};

/// How many entries a page may have: 1 to 100.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageLimit(u8);

impl PageLimit {
    /// The longest page.
    pub const MAX: Self = Self(100);
    /// What public lists use when nobody asks.
    pub const DEFAULT: Self = Self(50);

    /// Accepts 1 to 100.
    ///
    /// # Errors
    /// Refuses everything outside that range.
    pub fn try_new(limit: i64) -> Result<Self, Invalid> {
        match u8::try_from(limit) {
            Ok(limit) if (1..=Self::MAX.0).contains(&limit) => Ok(Self(limit)),
            _ => Err(Invalid::new(format!(
                "must be between 1 and {}",
                Self::MAX.0
            ))),
        }
    }

    /// The number itself.
    pub fn get(self) -> usize {
        usize::from(self.0)
    }
}

/// Which entries of a list are wanted: those behind `after`, `limit` at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page<C> {
    /// How many.
    pub limit: PageLimit,
    /// The last entry of the page before; `None` asks for the first page.
    pub after: Option<C>,
}

impl<C> Page<C> {
    /// The first page.
    pub fn first(limit: PageLimit) -> Self {
        Self { limit, after: None }
    }
}

/// A place in a list that is ordered by time and then by id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timeline {
    /// The time by which the list is ordered.
    pub at: DateTime<Utc>,
    /// The id that orders entries of the same time.
    pub id: i64,
}

/// A place in the list of events ordered by confirmed bookings and then by id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct TopSellers {
    /// Confirmed bookings of the event.
    pub confirmed_bookings: i64,
    /// The event.
    pub id: i64,
}

/// A place in a list.
pub trait PageCursor: Copy {}

impl PageCursor for Timeline {}
impl PageCursor for TopSellers {}

/// An entry that can say where in its list it stands.
pub trait Pointed {
    /// The kind of place.
    type Cursor: PageCursor;

    /// The place of this entry.
    fn cursor(&self) -> Self::Cursor;
}

impl Pointed for Event {
    type Cursor = Timeline;

    fn cursor(&self) -> Timeline {
        Timeline {
            at: self.start_at(),
            id: self.id().get(),
        }
    }
}

impl Pointed for Booking {
    type Cursor = Timeline;

    fn cursor(&self) -> Timeline {
        Timeline {
            at: self.created_at,
            id: self.id.get(),
        }
    }
}

impl Pointed for AttendedBooking {
    type Cursor = Timeline;

    fn cursor(&self) -> Timeline {
        self.booking.cursor()
    }
}

impl Pointed for User {
    type Cursor = Timeline;

    fn cursor(&self) -> Timeline {
        Timeline {
            at: self.created_at,
            id: self.id.get(),
        }
    }
}

impl Pointed for Account {
    type Cursor = Timeline;

    fn cursor(&self) -> Timeline {
        self.user.cursor()
    }
}

impl Pointed for ApiKey {
    type Cursor = Timeline;

    fn cursor(&self) -> Timeline {
        Timeline {
            at: self.created_at,
            id: self.id.get(),
        }
    }
}

impl Pointed for AuditRecord {
    type Cursor = Timeline;

    fn cursor(&self) -> Timeline {
        Timeline {
            at: self.at,
            id: self.id.get(),
        }
    }
}

impl Pointed for PausedEvent {
    type Cursor = Timeline;

    fn cursor(&self) -> Timeline {
        Timeline {
            at: self.paused_at,
            id: self.event_id.get(),
        }
    }
}

impl Pointed for EventSales {
    type Cursor = TopSellers;

    fn cursor(&self) -> TopSellers {
        TopSellers {
            confirmed_bookings: self.confirmed_bookings,
            id: self.event_id.get(),
        }
    }
}

/// Some entries of a list, and where the next ones begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing<T: Pointed> {
    /// The entries of this page, in the order of the list.
    pub entries: Vec<T>,
    /// Behind which entry the next page begins; `None` on the last page.
    pub next: Option<T::Cursor>,
}

impl<T: Pointed> Listing<T> {
    /// Makes a page from entries read with a limit of one more than the page
    /// may have: the surplus entry only tells that there is another page.
    pub fn from_one_more(mut entries: Vec<T>, limit: PageLimit) -> Self {
        let more = entries.len() > limit.get();
        entries.truncate(limit.get());
        let next = if more {
            entries.last().map(Pointed::cursor)
        } else {
            None
        };
        Self { entries, next }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Capacity, EventId, EventName};

    fn sales(id: i64) -> EventSales {
        EventSales {
            event_id: EventId::try_new(id).expect("positive"),
            name: EventName::parse("Tech Talk").expect("not empty"),
            confirmed_bookings: 10 - id,
            capacity: Capacity::NONE,
            seats_available: Capacity::NONE,
        }
    }

    #[test]
    fn a_page_has_1_to_100_entries() {
        for (limit, expected) in [(0, None), (1, Some(1)), (100, Some(100)), (101, None)] {
            let limit = PageLimit::try_new(limit).ok();
            assert_eq!(limit.map(PageLimit::get), expected);
        }
        assert!(PageLimit::try_new(257).is_err());
    }

    #[test]
    fn the_next_page_begins_behind_the_last_entry_of_this_one() {
        let limit = PageLimit::try_new(2).expect("in range");
        let read = [1, 2, 3].map(sales);
        let page = |count: usize| Listing::from_one_more(read[..count].to_vec(), limit);
        for count in 0..=2 {
            let last = page(count);
            assert_eq!((&last.entries[..], last.next), (&read[..count], None));
        }
        let more = page(3);
        assert_eq!(more.entries, read[..2]);
        let last = TopSellers {
            confirmed_bookings: 8,
            id: 2,
        };
        assert_eq!(more.next, Some(last));
    }
}
