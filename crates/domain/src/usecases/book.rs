//! Booking seats.

use crate::model::{BookSeats, Booked, Capacity, ReservationId};
use crate::ports::{BookError, BookingStore, GateAnswer, SeatGate, StoreError};
use crate::rules::BookingPolicy;

/// Books seats: the gate turns away what cannot succeed, the store decides
/// everything else.
///
/// `reservation` names this attempt at the gate and must not be used again.
/// A command with an idempotency key is never turned away by the gate, because
/// it may repeat a booking that was made.
///
/// # Errors
/// As [`BookingStore::book`], and [`BookError::TooManySeats`] by `policy`.
pub async fn book(
    store: &(impl BookingStore + ?Sized),
    gate: &(impl SeatGate + ?Sized),
    policy: &BookingPolicy,
    reservation: ReservationId,
    command: BookSeats,
) -> Result<Booked, BookError> {
    policy.check(command.seats)?;
    let (event_id, seats) = (command.event_id, command.seats);
    match gate.take(event_id, reservation, seats).await {
        GateAnswer::Granted => {
            let outcome = store.book(command).await;
            end_lease(gate, event_id, reservation, &outcome).await;
            outcome
        }
        GateAnswer::Refused { tokens_left } if command.idempotency_key.is_none() => {
            let seats_left = Capacity::try_new(tokens_left).unwrap_or(Capacity::NONE);
            Err(BookError::NotEnoughSeats {
                event_id,
                seats_left,
                seats_requested: seats,
            })
        }
        GateAnswer::Refused { .. } | GateAnswer::Unknown => store.book(command).await,
    }
}

async fn end_lease(
    gate: &(impl SeatGate + ?Sized),
    event_id: crate::model::EventId,
    reservation: ReservationId,
    outcome: &Result<Booked, BookError>,
) {
    match outcome {
        Ok(booked) if !booked.replayed => gate.settle(event_id, reservation).await,
        // The seats may be sold or not. Spent tokens sell nothing twice, and
        // if they are too many the next reconciliation adds them again.
        Err(BookError::Store(StoreError::OutcomeUnknown(_))) => {
            gate.settle(event_id, reservation).await;
        }
        Ok(_) | Err(_) => gate.release(event_id, reservation).await,
    }
}

#[cfg(all(test, feature = "mocks"))]
mod tests {
    use futures::executor::block_on;

    use super::*;
    use crate::model::{BookingId, EventId, IdempotencyKey, SeatCount, UserId};
    use crate::ports::mocks::{MockBookingStore, MockSeatGate};

    const POLICY: BookingPolicy = BookingPolicy {
        seats_per_booking_max: SeatCount::ONE,
    };

    fn command(key: Option<&str>) -> BookSeats {
        BookSeats {
            user_id: UserId::try_new(1).expect("positive"),
            event_id: EventId::try_new(7).expect("positive"),
            seats: SeatCount::ONE,
            idempotency_key: key.map(|key| IdempotencyKey::parse(key).expect("a key")),
        }
    }

    fn booked(command: &BookSeats, replayed: bool) -> Booked {
        Booked {
            booking_id: BookingId::try_new(3).expect("positive"),
            user_id: command.user_id,
            event_id: command.event_id,
            seats: command.seats,
            replayed,
        }
    }

    fn gate_answering(answer: GateAnswer) -> MockSeatGate {
        let mut gate = MockSeatGate::new();
        gate.expect_take().times(1).return_const(answer);
        gate
    }

    fn run(
        store: MockBookingStore,
        gate: MockSeatGate,
        command: BookSeats,
    ) -> Result<Booked, BookError> {
        block_on(book(
            &store,
            &gate,
            &POLICY,
            ReservationId::from_random_bits(1),
            command,
        ))
    }

    #[test]
    fn a_refusal_at_the_gate_does_not_reach_the_store() {
        let gate = gate_answering(GateAnswer::Refused { tokens_left: -2 });
        let refused = run(MockBookingStore::new(), gate, command(None));
        assert!(
            matches!(
                refused,
                Err(BookError::NotEnoughSeats {
                    seats_left: Capacity::NONE,
                    ..
                })
            ),
            "{refused:?}"
        );
    }

    #[test]
    fn a_command_with_a_key_is_the_stores_to_answer() {
        let gate = gate_answering(GateAnswer::Refused { tokens_left: 0 });
        let mut store = MockBookingStore::new();
        store
            .expect_book()
            .times(1)
            .returning(|command| Ok(booked(&command, true)));
        assert!(
            run(store, gate, command(Some("k")))
                .expect("a replay")
                .replayed
        );
    }

    #[test]
    fn a_sale_settles_its_lease() {
        let mut gate = gate_answering(GateAnswer::Granted);
        gate.expect_settle().times(1).return_const(());
        let mut store = MockBookingStore::new();
        store
            .expect_book()
            .times(1)
            .returning(|command| Ok(booked(&command, false)));
        assert!(run(store, gate, command(None)).is_ok());
    }

    #[test]
    fn what_sells_nothing_releases_its_lease() {
        let refuse: fn(BookSeats) -> Result<Booked, BookError> =
            |command| Err(BookError::EventStarted(command.event_id));
        let pause: fn(BookSeats) -> Result<Booked, BookError> =
            |command| Err(BookError::SalesPaused(command.event_id));
        let replay: fn(BookSeats) -> Result<Booked, BookError> =
            |command| Ok(booked(&command, true));
        let busy: fn(BookSeats) -> Result<Booked, BookError> =
            |_| Err(StoreError::Busy("no connection".into()).into());
        for answer in [refuse, pause, replay, busy] {
            let mut gate = gate_answering(GateAnswer::Granted);
            gate.expect_release().times(1).return_const(());
            let mut store = MockBookingStore::new();
            store.expect_book().times(1).returning(answer);
            let _ = run(store, gate, command(Some("k")));
        }
    }

    #[test]
    fn an_unknown_outcome_spends_the_tokens_until_reconciliation_knows() {
        let mut gate = gate_answering(GateAnswer::Granted);
        gate.expect_settle().times(1).return_const(());
        let mut store = MockBookingStore::new();
        store
            .expect_book()
            .times(1)
            .returning(|_| Err(StoreError::OutcomeUnknown("connection lost".into()).into()));
        assert!(run(store, gate, command(None)).is_err());
    }

    #[test]
    fn too_many_seats_touch_neither_gate_nor_store() {
        let two = BookSeats {
            seats: SeatCount::try_new(2).expect("in range"),
            ..command(None)
        };
        let refused = run(MockBookingStore::new(), MockSeatGate::new(), two);
        assert!(
            matches!(refused, Err(BookError::TooManySeats(_))),
            "{refused:?}"
        );
    }
}
