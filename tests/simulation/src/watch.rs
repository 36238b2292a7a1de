//! What must be true, looked at whenever Redis or the database has done something
//! and whenever a call is answered. Knows more than any process: both ends at once.
//!
//! A *fault* is anything after which a gate may hold too few tokens: a message lost,
//! a crash, an operator's hand. It is mended by a round of reconciliation that
//! began when all leases of that time had ended and met no traffic at the event.
//! Where there is no fault, each gate holds at least
//!
//! > seats left − seats leased − seats on their way back
//!
//! and once nothing is under way exactly the seats left, and no lease.

mod calls;
mod rounds;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use domain::model::{BookingId, EventId};

use crate::block_sizes::BLOCK_SEATS;
use crate::database::{self, Written};
use crate::executor::now_us;
use crate::network;
use crate::plan::EVENTS_MAX;

pub(crate) use calls::{
    adjusted, answered, begin_booking, begin_other, booked, cancelled, crashed, refused, troubled,
    untaken,
};
pub(crate) use rounds::{begin_round, end_round};

use calls::{Call, Kind};

/// What is known of an event's gate.
#[derive(Default)]
struct EventWatch {
    /// A fault that is not mended.
    is_faulty: bool,
    faulty_since: u64,
    leases_end_at_ms: u64,
    /// When there was a lease, or a commit, the last time.
    busy_at: u64,
    /// More tokens than seats: allowed, as the store decides, until it is mended.
    may_be_high: bool,
    /// Seats that are free in the store and that the gate is still to hear of.
    returning: i64,
    /// Leases as a script finds them, and blocks that it is asked for. It works in many
    /// small steps: somebody may be refused before what follows gives seats back.
    leases_before: Vec<(u128, i64)>,
}

#[derive(Default)]
struct Watch {
    is_calm: bool,
    is_traced: bool,
    steps: Vec<String>,
    wrong: Option<String>,
    events: BTreeMap<EventId, EventWatch>,
    calls: Vec<Call>,
    /// Bookings that were answered as made, or as cancelled by that very call.
    told_made: BTreeSet<BookingId>,
    told_cancelled: BTreeSet<BookingId>,
    /// An operator's key is the operator's to remove.
    is_operated: bool,
    rounds: u32,
    /// Counts what happens.
    moment: u64,
    tally: Tally,
}

/// How much there was in a history.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Calls that were answered.
    pub calls: u32,
    /// Bookings made.
    pub sold: u32,
    /// Bookings refused for want of seats.
    pub refused: u32,
    /// Calls that came to a crash or to trouble.
    pub troubled: u32,
    /// Faults.
    pub faults: u32,
    /// Faults of an event mended by a round.
    pub mended: u32,
}

thread_local! {
    static WATCH: RefCell<Watch> = RefCell::default();
}

fn with<T>(work: impl FnOnce(&mut Watch) -> T) -> T {
    WATCH.with_borrow_mut(work)
}

/// Begins a history; a calm one has no faults.
pub(crate) fn reset(is_calm: bool, is_traced: bool) {
    // What happens to a gate may happen before its event is published.
    let events = (1..=EVENTS_MAX).filter_map(|id| EventId::try_new(id).ok());
    with(|watch| {
        *watch = Watch {
            is_calm,
            is_traced,
            events: events.map(|id| (id, EventWatch::default())).collect(),
            ..Watch::default()
        };
    });
}

/// What was wrong, if anything was.
pub(crate) fn verdict() -> Option<String> {
    with(|watch| watch.wrong.clone())
}

pub(crate) fn take_steps() -> Vec<String> {
    with(|watch| std::mem::take(&mut watch.steps))
}

pub(crate) fn tally() -> Tally {
    with(|watch| watch.tally)
}

/// Notes a step, for those who read the history.
pub(crate) fn trace(step: impl FnOnce() -> String) {
    if with(|watch| watch.is_traced) {
        let step = step();
        let ms = now_us() as f64 / 1000.0;
        with(|watch| watch.steps.push(format!("{ms:9.3} ms  {step}")));
    }
}

/// Something is wrong; the first thing counts.
pub(crate) fn wrong(what: &str) {
    trace(|| format!("WRONG: {what}"));
    with(|watch| {
        watch.wrong.get_or_insert_with(|| what.to_owned());
    });
}

/// Something happened to all gates.
pub(crate) fn fault_all(why: &str) {
    let events: Vec<_> = with(|watch| watch.events.keys().copied().collect());
    for event_id in events {
        fault(event_id, why);
    }
}

/// Something happened after which a gate may hold too little.
pub(crate) fn fault(event_id: EventId, why: &str) {
    trace(|| format!("fault at event {event_id}: {why}"));
    let ends_at_ms = match network::true_gate(event_id).last_ends_at_ms {
        0 => network::redis_now_ms(),
        at_ms => at_ms,
    };
    with(|watch| {
        watch.moment += 1;
        watch.tally.faults += 1;
        let moment = watch.moment;
        let event = watch.events.entry(event_id).or_default();
        event.is_faulty = true;
        event.faulty_since = moment;
        event.leases_end_at_ms = ends_at_ms;
        event.may_be_high = true;
        for call in watch
            .calls
            .iter_mut()
            .filter(|call| call.event_id == event_id)
        {
            call.is_excused |= call.is_open;
        }
    });
    if with(|watch| watch.is_calm) {
        wrong(&format!(
            "event {event_id}: {why}, though nothing fails in this history"
        ));
    }
}

/// Before Redis does anything: leases that ran out are not lost by chance. It is
/// going to be asked for these blocks.
pub(crate) fn redis_is_asked(blocks: &[(EventId, u128)]) {
    let now_ms = network::redis_now_ms();
    let events: Vec<_> = with(|watch| watch.events.keys().copied().collect());
    for event_id in events {
        let gate = network::true_gate(event_id);
        if gate.first_ends_at_ms <= now_ms {
            fault(event_id, "a lease ran out");
        }
        let asked = blocks.iter().filter(|(event, _)| *event == event_id);
        let asked = asked.map(|(_, block)| (*block, BLOCK_SEATS));
        let leases = gate.leases.into_iter().chain(asked).collect();
        with(|watch| watch.events.entry(event_id).or_default().leases_before = leases);
    }
}

pub(crate) fn redis_was_asked() {
    look_at_all();
    with(|watch| {
        let events = watch.events.values_mut();
        events.for_each(|event| event.leases_before.clear());
    });
}

/// The database has written something.
pub(crate) fn committed(written: &Written, event_ids: &BTreeSet<EventId>) {
    trace(|| format!("commit: {written:?}"));
    with(|watch| {
        watch.moment += 1;
        let moment = watch.moment;
        for event_id in event_ids {
            watch.events.entry(*event_id).or_default().busy_at = moment;
        }
        match written {
            Written::Sales {
                sales, cancelled, ..
            } => {
                let sold: BTreeSet<_> = sales.iter().map(|sale| sale.user_id).collect();
                for call in &mut watch.calls {
                    if let Kind::Booking {
                        user_id,
                        is_sold,
                        is_keyed: false,
                        ..
                    } = &mut call.kind
                    {
                        *is_sold |= sold.contains(user_id);
                    }
                }
                for booking_id in cancelled {
                    let Some(booking) = database::booking(*booking_id) else {
                        continue;
                    };
                    let seats = i64::from(booking.seats.get());
                    watch.events.entry(booking.event_id).or_default().returning += seats;
                }
            }
            Written::Changed {
                event,
                seats_gained,
            } if *seats_gained > 0 => {
                watch.events.entry(event.id()).or_default().returning += seats_gained;
            }
            Written::Changed { event, .. } if watch.rounds > 0 => {
                // A gate that is rebuilt now hears of it twice.
                watch.events.entry(event.id()).or_default().is_faulty = true;
            }
            Written::Changed { .. } | Written::Published(..) | Written::Deleted(_) => {}
        }
    });
    look_at_all();
}

fn look_at_all() {
    let events: Vec<_> = with(|watch| watch.events.keys().copied().collect());
    for event_id in events {
        look_at(event_id);
    }
}

fn look_at(event_id: EventId) {
    let Some(seats_left) = database::seats_left(event_id) else {
        return;
    };
    let gate = network::true_gate(event_id);
    let leased: i64 = gate.leases.iter().map(|(_, seats)| seats).sum();
    let fault = with(|watch| {
        watch.moment += 1;
        let Watch {
            events,
            calls,
            moment,
            ..
        } = watch;
        let event = events.entry(event_id).or_default();
        if !gate.leases.is_empty() {
            event.busy_at = *moment;
        }
        let is_sold = |number: &u128| {
            let call = usize::try_from(*number)
                .ok()
                .and_then(|number| calls.get(number));
            matches!(
                call,
                Some(Call {
                    kind: Kind::Booking { is_sold: true, .. },
                    ..
                })
            )
        };
        let mut held: BTreeMap<_, _> = gate.leases.iter().copied().collect();
        for (number, seats) in &event.leases_before {
            let most = held.entry(*number).or_default();
            *most = (*most).max(*seats);
        }
        let unsold = held.iter().filter(|(number, _)| !is_sold(number));
        let unsold: i64 = unsold.map(|(_, seats)| seats).sum();
        let free = seats_left - unsold - event.returning;
        for call in calls
            .iter_mut()
            .filter(|call| call.is_open && call.event_id == event_id)
        {
            call.least_free = call.least_free.min(free);
        }
        let tokens = gate.tokens?;
        (!event.is_faulty && tokens + leased + event.returning < seats_left).then(|| {
            format!(
                "the gate of event {event_id} has {tokens} tokens and {leased} leased of \
                 {seats_left} seats left ({} on their way back), though nothing failed",
                event.returning
            )
        })
    });
    if let Some(fault) = fault {
        wrong(&fault);
    }
}

/// Nothing is under way any more. `is_reconciled` if a round has come since.
pub(crate) fn at_rest(is_reconciled: bool) {
    if let Some(number) = with(|watch| watch.calls.iter().position(|call| call.is_open)) {
        wrong(&format!("call {number} never has an answer"));
    }
    let events: Vec<_> = with(|watch| {
        let all = watch.events.iter();
        all.map(|(id, event)| (*id, event.is_faulty, event.may_be_high))
            .collect()
    });
    for (event_id, is_faulty, may_be_high) in events {
        let gate = network::true_gate(event_id);
        let Some(seats_left) = database::seats_left(event_id) else {
            continue;
        };
        if !database::is_upcoming(event_id) || (is_faulty && !is_reconciled) {
            continue;
        }
        if !gate.leases.is_empty() {
            wrong(&format!(
                "event {event_id} has leases and nobody to hold them: {gate:?}"
            ));
        }
        let is_right = match gate.tokens {
            Some(tokens) if may_be_high && !is_reconciled => tokens >= seats_left,
            Some(tokens) => tokens == seats_left,
            None => !is_reconciled && may_be_high,
        };
        if !is_right {
            wrong(&format!(
                "event {event_id} has {seats_left} seats left, and its gate is {gate:?}"
            ));
        }
    }
}

/// An operator changed a key, perhaps to one that stays.
pub(crate) fn operated() {
    with(|watch| watch.is_operated = true);
    fault_all("an operator is at work");
}

/// What of deleted events is left at the gate for good.
pub(crate) fn long_after() {
    if with(|watch| watch.is_operated) {
        return;
    }
    let events: Vec<_> = with(|watch| watch.events.keys().copied().collect());
    for event_id in events {
        if database::seats_left(event_id).is_none() && network::true_gate(event_id).tokens.is_some()
        {
            wrong(&format!("event {event_id} was deleted, and its gate stays"));
        }
    }
}
