//! Places in lists as clients see them: opaque, URL-safe text that only the
//! list that gave it out accepts.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::DateTime;
use domain::model::{Invalid, Timeline, TopSellers};

/// The longest cursor: a tag and two numbers of 20 characters in base64.
pub(crate) const CHARACTERS_MAX: usize = 58;

/// A place that can be written as text. `TAG` tells the lists apart.
pub(crate) trait Cursor: Sized {
    /// The text.
    fn encode(&self) -> String;

    /// The place.
    ///
    /// # Errors
    /// Refuses text that this list did not give out.
    fn decode(text: &str) -> Result<Self, Invalid>;
}

macro_rules! list {
    ($(#[$doc:meta])* $name:ident($place:ty), $tag:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) struct $name(pub(crate) $place);

        impl From<$place> for $name {
            fn from(place: $place) -> Self {
                Self(place)
            }
        }

        impl From<$name> for $place {
            fn from(cursor: $name) -> Self {
                cursor.0
            }
        }

        impl Cursor for $name {
            fn encode(&self) -> String {
                let (first, id) = Numbers::numbers(&self.0);
                URL_SAFE_NO_PAD.encode(format!("{}.{first}.{id}", $tag))
            }

            fn decode(text: &str) -> Result<Self, Invalid> {
                parse($tag, text)
                    .map(Self)
                    // Rust's parser takes more than we write: `+7`, `007`.
                    .filter(|cursor| cursor.encode() == text)
                    .ok_or_else(|| Invalid::new("is not a cursor of this list"))
            }
        }
    };
}

list!(
    /// A place in the list of events.
    EventsCursor(Timeline), "e"
);
list!(
    /// A place in a user's history.
    HistoryCursor(Timeline), "h"
);
list!(
    /// A place in the list of an event's bookings.
    EventBookingsCursor(Timeline), "b"
);
list!(
    /// A place in the list of users.
    UsersCursor(Timeline), "u"
);
list!(
    /// A place in the list of services' keys.
    ApiKeysCursor(Timeline), "k"
);
list!(
    /// A place in the audit log.
    AuditCursor(Timeline), "a"
);
list!(
    /// A place in the list of what is paused.
    PausedCursor(Timeline), "p"
);
list!(
    /// A place in the analytics.
    SalesCursor(TopSellers), "s"
);

/// A place as two numbers.
trait Numbers: Sized {
    fn numbers(&self) -> (i64, i64);
    fn from_numbers(first: i64, id: i64) -> Option<Self>;
}

impl Numbers for Timeline {
    /// Microseconds, as fine as the store's clock.
    fn numbers(&self) -> (i64, i64) {
        (self.at.timestamp_micros(), self.id)
    }

    fn from_numbers(first: i64, id: i64) -> Option<Self> {
        let at = DateTime::from_timestamp_micros(first)?;
        // Beyond these years neither RFC 3339 nor PostgreSQL has timestamps.
        let years = 0..10_000;
        years
            .contains(&chrono::Datelike::year(&at))
            .then_some(Self { at, id })
    }
}

impl Numbers for TopSellers {
    fn numbers(&self) -> (i64, i64) {
        (self.confirmed_bookings, self.id)
    }

    fn from_numbers(first: i64, id: i64) -> Option<Self> {
        Some(Self {
            confirmed_bookings: first,
            id,
        })
    }
}

fn parse<P: Numbers>(tag: &str, text: &str) -> Option<P> {
    let decoded = String::from_utf8(URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
    let mut parts = decoded.split('.');
    let (given, first, id) = (parts.next()?, parts.next()?, parts.next()?);
    if given != tag || parts.next().is_some() {
        return None;
    }
    P::from_numbers(first.parse().ok()?, id.parse().ok()?)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Text that has to do with cursors more or less.
    fn text() -> impl Strategy<Value = String> {
        prop_oneof![
            ".{0,80}",
            "[A-Za-z0-9_-]{0,80}",
            "[ehbukaps]?[.]?[-+]?[0-9]{0,20}[.]?[-+]?[0-9]{0,20}[.]?"
                .prop_map(|inner| URL_SAFE_NO_PAD.encode(inner)),
            "[ehbukaps][.][-+]?0?[0-9]{1,16}[.][-+]?0?[0-9]{1,18}"
                .prop_map(|inner| URL_SAFE_NO_PAD.encode(inner)),
        ]
    }

    /// What `text` stands for is written as `text`, as the interface describes.
    fn is_refused_or_comes_back<C: Cursor>(text: &str) -> Result<(), TestCaseError> {
        if let Ok(cursor) = C::decode(text) {
            prop_assert_eq!(cursor.encode(), text);
            prop_assert!((1..=CHARACTERS_MAX).contains(&text.len()));
            let described = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
            prop_assert!(text.chars().all(described));
        }
        Ok(())
    }

    proptest! {
        #[test]
        fn any_text_is_refused_or_comes_back_as_it_went(text in text()) {
            is_refused_or_comes_back::<EventsCursor>(&text)?;
            is_refused_or_comes_back::<HistoryCursor>(&text)?;
            is_refused_or_comes_back::<EventBookingsCursor>(&text)?;
            is_refused_or_comes_back::<UsersCursor>(&text)?;
            is_refused_or_comes_back::<ApiKeysCursor>(&text)?;
            is_refused_or_comes_back::<AuditCursor>(&text)?;
            is_refused_or_comes_back::<PausedCursor>(&text)?;
            is_refused_or_comes_back::<SalesCursor>(&text)?;
        }

        #[test]
        fn any_place_comes_back_as_it_went(
            micros in -62_167_219_200_000_000_i64..253_402_300_800_000_000,
            (id, confirmed_bookings) in any::<(i64, i64)>(),
        ) {
            let at = DateTime::from_timestamp_micros(micros).expect("in range");
            let place = AuditCursor(Timeline { at, id });
            prop_assert_eq!(AuditCursor::decode(&place.encode()), Ok(place));
            let place = SalesCursor(TopSellers { confirmed_bookings, id });
            prop_assert_eq!(SalesCursor::decode(&place.encode()), Ok(place));
            is_refused_or_comes_back::<SalesCursor>(&place.encode())?;
        }
    }

    #[test]
    fn a_cursor_comes_back_as_it_went() {
        let place = Timeline {
            at: DateTime::from_timestamp_micros(1_700_000_000_123_456).expect("in range"),
            id: 7,
        };
        assert_eq!(
            EventsCursor::decode(&EventsCursor(place).encode()),
            Ok(EventsCursor(place))
        );
    }

    #[test]
    fn cursors_of_other_lists_and_inventions_are_refused() {
        let place = Timeline {
            at: DateTime::UNIX_EPOCH,
            id: 7,
        };
        let history = HistoryCursor(place).encode();
        let far = URL_SAFE_NO_PAD.encode(format!("e.{}.1", i64::MAX));
        for text in [
            "",
            "x",
            "%%%",
            history.as_str(),
            far.as_str(),
            "ZS4x",
            "ZS4xLjIuMw",
        ] {
            assert!(EventsCursor::decode(text).is_err(), "{text}");
        }
    }
}
