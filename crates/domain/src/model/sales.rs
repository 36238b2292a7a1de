//! How events sell.

use super::{Capacity, EventId, EventName, Listing};

/// The figures of one event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventSales {
    /// Which event.
    pub event_id: EventId,
    /// What it is called.
    pub name: EventName,
    /// How many confirmed bookings it has.
    pub confirmed_bookings: i64,
    /// How many seats it has in all.
    pub capacity: Capacity,
    /// How many of them nobody has booked.
    pub seats_available: Capacity,
}

impl EventSales {
    /// How many seats confirmed bookings hold.
    pub fn confirmed_seats(&self) -> Capacity {
        self.capacity
            .less(self.seats_available)
            .unwrap_or(Capacity::NONE)
    }

    /// Confirmed seats in per cent of the capacity, rounded to two decimals;
    /// 0 for an event without seats.
    pub fn utilisation_percent(&self) -> f64 {
        if self.capacity == Capacity::NONE {
            return 0.0;
        }
        let share = f64::from(self.confirmed_seats().get()) / f64::from(self.capacity.get());
        (share * 10_000.0).round() / 100.0
    }
}

/// One page of figures beside the sum over all events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SalesReport {
    /// Confirmed bookings of all events that are not deleted.
    pub confirmed_bookings_total: i64,
    /// The events of this page, most booked first.
    pub events: Listing<EventSales>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sales(capacity: i64, left: i64) -> EventSales {
        EventSales {
            event_id: EventId::try_new(1).expect("positive"),
            name: EventName::parse("x").expect("not empty"),
            confirmed_bookings: 0,
            capacity: Capacity::try_new(capacity).expect("in range"),
            seats_available: Capacity::try_new(left).expect("in range"),
        }
    }

    #[test]
    fn utilisation_has_two_decimals_and_no_division_by_zero() {
        for (capacity, left, percent) in [
            (0, 0, 0.0),
            (3, 2, 33.33),
            (3, 1, 66.67),
            (5, 0, 100.0),
            (7, 7, 0.0),
        ] {
            assert_eq!(
                sales(capacity, left).utilisation_percent(),
                percent,
                "{left} of {capacity}"
            );
        }
    }
}
