//! What becomes of bookings and cancellations, and what the gate says.

use domain::model::{Booked, Cancelled};
use domain::ports::{BookError, CancelError, GateAnswer, StoreError};
use prometheus::IntCounter;

use super::families::{Families, each};

/// Bookings and cancellations by outcome.
pub(crate) struct Sales {
    bookings: [IntCounter; 14],
    cancellations: [IntCounter; 7],
    seats_booked: IntCounter,
    seats_returned: IntCounter,
}

/// Outcomes of a booking, in the order of the counters.
const BOOKINGS: [&str; 14] = [
    "booked",
    "replayed",
    "too_many_seats",
    "user_not_found",
    "user_suspended",
    "event_not_found",
    "event_started",
    "sales_paused",
    "not_enough_seats",
    "key_reused",
    "busy",
    "unavailable",
    "outcome_unknown",
    "failed",
];

/// Outcomes of a cancellation, in the order of the counters.
const CANCELLATIONS: [&str; 7] = [
    "cancelled",
    "cancelled_before",
    "booking_not_found",
    "busy",
    "unavailable",
    "outcome_unknown",
    "failed",
];

impl Sales {
    pub(super) fn new(families: &Families) -> Self {
        let bookings = families.counters(
            "utsavam_bookings_total",
            "Bookings that were decided, by outcome.",
            &["outcome"],
        );
        let cancellations = families.counters(
            "utsavam_cancellations_total",
            "Cancellations that were decided, by outcome.",
            &["outcome"],
        );
        Self {
            bookings: each(&bookings, BOOKINGS),
            cancellations: each(&cancellations, CANCELLATIONS),
            seats_booked: families.counter("utsavam_seats_booked_total", "Seats that were sold."),
            seats_returned: families.counter(
                "utsavam_seats_returned_total",
                "Seats that cancellations gave back.",
            ),
        }
    }

    /// Counts a booking.
    pub(crate) fn decided(&self, booking: &Result<Booked, BookError>) {
        let index = match booking {
            Ok(booked) if booked.replayed => 1,
            Ok(booked) => {
                self.seats_booked.inc_by(booked.seats.get().into());
                0
            }
            Err(BookError::TooManySeats(_)) => 2,
            Err(BookError::UserNotFound(_)) => 3,
            Err(BookError::UserSuspended(_)) => 4,
            Err(BookError::EventNotFound(_)) => 5,
            Err(BookError::EventStarted(_)) => 6,
            Err(BookError::SalesPaused(_)) => 7,
            Err(BookError::NotEnoughSeats { .. }) => 8,
            Err(BookError::KeyReused(_)) => 9,
            Err(BookError::Store(trouble)) => 10 + index_of(trouble),
        };
        self.bookings[index].inc();
    }

    /// Counts a cancellation.
    pub(crate) fn cancelled(&self, cancellation: &Result<Cancelled, CancelError>) {
        let index = match cancellation {
            Ok(cancelled) => match cancelled.seats_returned {
                Some(seats) => {
                    self.seats_returned.inc_by(seats.get().into());
                    0
                }
                None => 1,
            },
            Err(CancelError::BookingNotFound(_)) => 2,
            Err(CancelError::Store(trouble)) => 3 + index_of(trouble),
        };
        self.cancellations[index].inc();
    }
}

/// Where trouble stands among the last four outcomes.
fn index_of(trouble: &StoreError) -> usize {
    match trouble {
        StoreError::Busy(_) => 0,
        StoreError::Unavailable(_) => 1,
        StoreError::OutcomeUnknown(_) => 2,
        StoreError::Failed(_) => 3,
    }
}

/// What the gate says to those who want seats.
#[derive(Clone)]
pub(crate) struct GateAnswers([IntCounter; 3]);

impl GateAnswers {
    pub(super) fn new(families: &Families) -> Self {
        let answers = families.counters(
            "utsavam_gate_answers_total",
            "What the seat gate said to those who wanted seats.",
            &["answer"],
        );
        Self(each(&answers, ["granted", "refused", "unknown"]))
    }

    /// Counts an answer.
    pub(crate) fn count(&self, answer: &GateAnswer) {
        let index = match answer {
            GateAnswer::Granted => 0,
            GateAnswer::Refused { .. } => 1,
            GateAnswer::Unknown => 2,
        };
        self.0[index].inc();
    }
}

#[cfg(test)]
mod tests {
    use domain::model::{BookingId, EventId, SeatCount, UserId};

    use super::*;
    use crate::metrics::Metrics;

    fn booked(replayed: bool) -> Result<Booked, BookError> {
        Ok(Booked {
            booking_id: BookingId::try_new(1).expect("positive"),
            user_id: UserId::try_new(1).expect("positive"),
            event_id: EventId::try_new(1).expect("positive"),
            seats: SeatCount::try_new(3).expect("positive"),
            replayed,
        })
    }

    fn assert_counted(metrics: &Metrics, line: &str) {
        let text = metrics.render().expect("text");
        assert!(
            text.lines().any(|found| found == line),
            "{line} not in\n{text}"
        );
    }

    #[test]
    fn each_booking_counts_under_its_own_outcome() {
        let event_id = EventId::try_new(1).expect("positive");
        let user_id = UserId::try_new(1).expect("positive");
        let trouble = |make: fn(domain::ports::Cause) -> StoreError| Err(make("x".into()).into());
        let outcomes: [(&str, Result<Booked, BookError>); 10] = [
            ("booked", booked(false)),
            ("replayed", booked(true)),
            ("user_not_found", Err(BookError::UserNotFound(user_id))),
            ("user_suspended", Err(BookError::UserSuspended(user_id))),
            ("event_not_found", Err(BookError::EventNotFound(event_id))),
            ("event_started", Err(BookError::EventStarted(event_id))),
            ("sales_paused", Err(BookError::SalesPaused(event_id))),
            ("busy", trouble(StoreError::Busy)),
            ("outcome_unknown", trouble(StoreError::OutcomeUnknown)),
            ("failed", trouble(StoreError::Failed)),
        ];
        for (outcome, booking) in outcomes {
            let metrics = Metrics::new();
            metrics.sales.decided(&booking);
            let line =
                |outcome, count| format!("utsavam_bookings_total{{outcome=\"{outcome}\"}} {count}");
            for name in BOOKINGS {
                assert_counted(&metrics, &line(name, u8::from(name == outcome)));
            }
            let seats = if outcome == "booked" { 3 } else { 0 };
            assert_counted(&metrics, &format!("utsavam_seats_booked_total {seats}"));
        }
    }

    #[test]
    fn only_the_cancellation_that_gave_seats_back_counts_them() {
        let cancelled = |seats_returned| {
            Ok(Cancelled {
                booking_id: BookingId::try_new(1).expect("positive"),
                event_id: EventId::try_new(1).expect("positive"),
                seats_returned,
            })
        };
        let metrics = Metrics::new();
        metrics
            .sales
            .cancelled(&cancelled(SeatCount::try_new(2).ok()));
        metrics.sales.cancelled(&cancelled(None));
        let error = StoreError::Unavailable("x".into());
        metrics.sales.cancelled(&Err(error.into()));
        for line in [
            "utsavam_cancellations_total{outcome=\"cancelled\"} 1",
            "utsavam_cancellations_total{outcome=\"cancelled_before\"} 1",
            "utsavam_cancellations_total{outcome=\"unavailable\"} 1",
            "utsavam_cancellations_total{outcome=\"busy\"} 0",
            "utsavam_seats_returned_total 2",
        ] {
            assert_counted(&metrics, line);
        }
    }
}
