//! Another Rust service that reuses Utsavam's rules with a store of its own:
//! here a school theatre that keeps its one evening in memory.
//!
//! The store supplies the facts and keeps the result; who gets a seat is
//! decided by `domain::rules`, exactly as on PostgreSQL.
//!
//! Run it with `cargo run -p domain --example own_adapter`.

use std::collections::BTreeMap;
use std::sync::Mutex;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta};
use domain::model::{
    BookSeats, Booked, BookingId, BookingStatus, Cancelled, Capacity, EventId, ReservationId,
    SeatCount, UserId,
};
use domain::ports::{BookError, BookingStore, CancelError, NoGate};
use domain::rules::{
    BookingPolicy, Cancellation, EventFacts, SeatRequest, Standing, allot, cancel as cancel_rule,
};
use domain::usecases;

/// The evening: its seats and who has them. The mutex is the lock under which
/// facts are read and results are written.
struct SchoolTheatre {
    evening: EventId,
    state: Mutex<State>,
}

struct State {
    seats_left: Capacity,
    bookings: BTreeMap<i64, (BookingStatus, SeatCount)>,
}

#[async_trait]
impl BookingStore for SchoolTheatre {
    async fn book(&self, command: BookSeats) -> Result<Booked, BookError> {
        let mut state = self.state.lock().expect("no holder panics");
        let mut facts = (command.event_id == self.evening).then(|| EventFacts {
            start_at: DateTime::UNIX_EPOCH + TimeDelta::hours(20),
            seats_available: state.seats_left,
            now: DateTime::UNIX_EPOCH,
            is_paused: false,
        });
        let request = SeatRequest {
            user: Some(Standing::Good),
            seats: command.seats,
        };
        let seats = allot(facts.as_mut(), &request)
            .map_err(|refusal| BookError::refused(refusal, &command))?;
        state.seats_left = facts.expect("seats were given").seats_available;
        let id = state.bookings.len() as i64 + 1;
        state.bookings.insert(id, (BookingStatus::Confirmed, seats));
        Ok(Booked {
            booking_id: BookingId::try_new(id).expect("counted from 1"),
            user_id: command.user_id,
            event_id: command.event_id,
            seats,
            replayed: false,
        })
    }

    async fn cancel(&self, booking_id: BookingId) -> Result<Cancelled, CancelError> {
        let mut state = self.state.lock().expect("no holder panics");
        let (status, seats) = *state
            .bookings
            .get(&booking_id.get())
            .ok_or(CancelError::BookingNotFound(booking_id))?;
        let seats_returned = match cancel_rule(status, seats, false) {
            Cancellation::Release(seats) => {
                state.seats_left = state.seats_left.put_back(seats);
                state
                    .bookings
                    .insert(booking_id.get(), (BookingStatus::Cancelled, seats));
                Some(seats)
            }
            Cancellation::AlreadyCancelled => None,
        };
        Ok(Cancelled {
            booking_id,
            event_id: self.evening,
            seats_returned,
        })
    }
}

fn main() {
    let evening = EventId::try_new(1).expect("positive");
    let theatre = SchoolTheatre {
        evening,
        state: Mutex::new(State {
            seats_left: Capacity::try_new(3).expect("in range"),
            bookings: BTreeMap::new(),
        }),
    };
    let policy = BookingPolicy {
        seats_per_booking_max: SeatCount::try_new(2).expect("in range"),
    };
    let order = |attempt: u128, seats| {
        let command = BookSeats {
            user_id: UserId::try_new(1).expect("positive"),
            event_id: evening,
            seats: SeatCount::try_new(seats).expect("in range"),
            idempotency_key: None,
        };
        let reservation = ReservationId::from_random_bits(attempt);
        let outcome = usecases::book(&theatre, &NoGate, &policy, reservation, command);
        futures::executor::block_on(outcome)
    };

    let first = order(1, 2).expect("3 seats are free");
    println!("booked 2 seats as booking {}", first.booking_id);
    println!("2 more: {}", order(2, 2).expect_err("only 1 is left"));
    println!("3 at once: {}", order(3, 3).expect_err("the limit is 2"));
    let cancelled =
        futures::executor::block_on(usecases::cancel(&theatre, &NoGate, first.booking_id));
    println!(
        "cancelled: {:?} seats came back",
        cancelled
            .expect("it exists")
            .seats_returned
            .map(|s| s.get())
    );
    println!(
        "2 more: booking {}",
        order(4, 2).expect("3 seats are free again").booking_id
    );
}
