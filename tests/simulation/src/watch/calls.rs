//! Calls, from their beginning to their answer, and what an answer must fit.

use domain::model::{BookingId, BookingStatus, EventId, ReservationId, SeatCount, UserId};
use domain::ports::StoreError;

use super::{fault_all, look_at, trace, with, wrong};
use crate::database;

/// A call, by the number that is also its reservation.
pub(super) struct Call {
    pub(super) process: usize,
    pub(super) event_id: EventId,
    pub(super) kind: Kind,
    pub(super) is_open: bool,
    /// Something went wrong while it was under way.
    pub(super) is_excused: bool,
    /// The fewest seats that were free for it at any moment.
    pub(super) least_free: i64,
    /// Goes on without tokens.
    pub(super) is_untaken: bool,
}

pub(super) enum Kind {
    Booking {
        user_id: UserId,
        seats: SeatCount,
        is_keyed: bool,
        is_sold: bool,
    },
    Other,
}

/// A call begins; gives its number.
pub(crate) fn begin_booking(
    process: usize,
    event_id: EventId,
    user_id: UserId,
    seats: SeatCount,
    is_keyed: bool,
) -> usize {
    let kind = Kind::Booking {
        user_id,
        seats,
        is_keyed,
        is_sold: false,
    };
    begin(process, event_id, kind)
}

pub(crate) fn begin_other(process: usize, event_id: EventId) -> usize {
    begin(process, event_id, Kind::Other)
}

fn begin(process: usize, event_id: EventId, kind: Kind) -> usize {
    let number = with(|watch| {
        let is_excused = watch
            .events
            .get(&event_id)
            .is_some_and(|event| event.is_faulty);
        let event = watch.events.entry(event_id).or_default();
        event.may_be_high |= watch.rounds > 0;
        watch.calls.push(Call {
            process,
            event_id,
            kind,
            is_open: true,
            is_excused,
            least_free: i64::MAX,
            is_untaken: false,
        });
        watch.calls.len() - 1
    });
    look_at(event_id);
    number
}

/// The gate did not grant tokens for the call.
pub(crate) fn untaken(reservation: ReservationId) {
    with(|watch| {
        let mut calls = watch.calls.iter_mut().enumerate();
        let is_it = |number: usize| ReservationId::from_random_bits(number as u128) == reservation;
        if let Some((_, call)) = calls.find(|(number, _)| is_it(*number)) {
            call.is_untaken = true;
        }
    });
}

/// The call has an answer, or nobody will get one.
fn end(number: usize) {
    with(|watch| {
        watch.calls[number].is_open = false;
        watch.tally.calls += 1;
    });
}

/// A booking was made, or had been made under the same key.
pub(crate) fn booked(number: usize, booking_id: BookingId, is_replayed: bool) {
    end(number);
    let booking = database::booking(booking_id);
    let fault = with(|watch| {
        let call = &watch.calls[number];
        let Kind::Booking {
            user_id,
            seats,
            is_keyed,
            ..
        } = call.kind
        else {
            return Some(format!("call {number} is no booking"));
        };
        if !is_replayed {
            watch.tally.sold += 1;
            let event = watch.events.entry(call.event_id).or_default();
            event.may_be_high |= call.is_untaken;
        }
        if is_replayed && !is_keyed {
            return Some(format!(
                "call {number} has no key and got another's booking"
            ));
        }
        if !is_replayed && !watch.told_made.insert(booking_id) {
            return Some(format!("booking {booking_id} is answered as made twice"));
        }
        let is_right = booking.is_some_and(|booking| {
            booking.user_id == user_id
                && booking.seats == seats
                && booking.event_id == call.event_id
        });
        (!is_right)
            .then(|| format!("call {number} was told of booking {booking_id}, which is not there"))
    });
    if let Some(fault) = fault {
        wrong(&fault);
    }
}

/// A booking was refused for want of seats.
pub(crate) fn refused(number: usize) {
    end(number);
    let fault = with(|watch| {
        watch.tally.refused += 1;
        let call = &watch.calls[number];
        let is_faulty = watch
            .events
            .get(&call.event_id)
            .is_some_and(|event| event.is_faulty);
        let Kind::Booking {
            seats, is_keyed, ..
        } = call.kind
        else {
            return Some(format!("call {number} is no booking"));
        };
        let is_explained = call.is_excused
            || is_faulty
            || call.least_free < i64::from(seats.get())
            || database::seats_left(call.event_id).is_none();
        (!is_keyed && !is_explained).then(|| {
            format!(
                "call {number} for {seats} seats of event {} is refused, but at least {} were free all the time",
                call.event_id, call.least_free
            )
        })
    });
    if let Some(fault) = fault {
        wrong(&fault);
    }
}

/// A cancellation was answered.
pub(crate) fn cancelled(number: usize, booking_id: BookingId, seats: Option<SeatCount>) {
    end(number);
    let Some(booking) = database::booking(booking_id) else {
        return wrong(&format!("booking {booking_id} is cancelled and not there"));
    };
    let is_deleted = database::seats_left(booking.event_id).is_none();
    if booking.status != BookingStatus::Cancelled && !is_deleted {
        wrong(&format!(
            "booking {booking_id} is answered as cancelled and is not"
        ));
    }
    let Some(seats) = seats else { return };
    if seats != booking.seats {
        wrong(&format!(
            "booking {booking_id} gave back {seats} of {} seats",
            booking.seats
        ));
    }
    if !with(|watch| watch.told_cancelled.insert(booking_id)) {
        wrong(&format!(
            "the seats of booking {booking_id} came back twice"
        ));
    }
}

/// The gate has heard, or never will, of seats that the store has freed.
pub(crate) fn adjusted(event_id: EventId, seats: i64) {
    with(|watch| {
        let event = watch.events.entry(event_id).or_default();
        event.returning = (event.returning - seats.max(0)).max(0);
    });
}

/// Any other answer.
pub(crate) fn answered(number: usize) {
    end(number);
}

/// The call came to trouble in the store, or to one of which nobody knows the outcome.
pub(crate) fn troubled(number: usize, trouble: &StoreError) {
    end(number);
    with(|watch| watch.tally.troubled += 1);
    match trouble {
        StoreError::Failed(cause) => wrong(&format!(
            "only a constraint of the database stopped call {number}: {cause}"
        )),
        StoreError::OutcomeUnknown(_) => forget_what_returns("a commit nobody knows of"),
        StoreError::Busy(_) | StoreError::Unavailable(_) => {}
    }
}

/// A process ends, with all its calls.
pub(crate) fn crashed(process: usize) {
    let lost = with(|watch| {
        let open = |call: &&mut Call| call.is_open && call.process == process;
        let mut lost = 0;
        for call in watch.calls.iter_mut().filter(open) {
            call.is_open = false;
            lost += 1;
        }
        watch.tally.troubled += lost;
        watch.rounds = 0;
        lost
    });
    trace(|| format!("process {process} crashes with {lost} calls"));
    forget_what_returns("a crash");
}

/// Nobody will tell the gate of seats that came back: that is for reconciliation.
fn forget_what_returns(why: &str) {
    fault_all(why);
    with(|watch| {
        for event in watch.events.values_mut() {
            event.returning = 0;
        }
    });
}
