//! What is certain about the seats of one event at a time, and what is possible.

use std::collections::BTreeMap;

use super::Books;
use crate::faults::history::{Ask, Call, Instant, NEVER, Outcome};

/// A booking of the event: when it came and when it went.
#[derive(Debug, Clone, Copy)]
struct Stay {
    seats: i64,
    /// It was made after this.
    from: Instant,
    /// And before this.
    made: Instant,
    /// It was not cancelled before this.
    until: Instant,
    /// And was by this.
    gone: Instant,
}

/// A capacity that was set, or may have been.
#[derive(Debug, Clone, Copy)]
struct Size {
    capacity: i64,
    from: Instant,
    /// When it was there for sure; never, if nobody knows.
    set: Instant,
}

/// What the calls of an event and its rows say of when seats were taken.
pub(super) struct Facts {
    stays: BTreeMap<i64, Stay>,
    sizes: Vec<Size>,
    sums: Sums,
    /// When the event may have been deleted, and all bookings with it.
    deleted_from: Instant,
    /// When it was for sure.
    deleted_by: Instant,
    /// Seats that bookings which were not made, or not any more, may have held at the gate.
    held: Held,
}

/// Seats by when they were asked for, and by when that was over.
struct Held {
    begun: Series,
    over: Series,
}

/// Seats by time, so that each read costs a few look-ups.
struct Sums {
    made: Series,
    begun: Series,
    until: Series,
    gone: Series,
    /// Stays in the order in which they were made for sure.
    by_made: Vec<Stay>,
}

/// Sums of seats up to and including a time.
struct Series(Vec<(Instant, i64)>);

impl Series {
    fn of<T>(all: &[T], point: impl Fn(&T) -> (Instant, i64)) -> Self {
        let mut points: Vec<_> = all.iter().map(point).collect();
        points.sort_unstable();
        let mut sum = 0;
        for (_, seats) in &mut points {
            sum += *seats;
            *seats = sum;
        }
        Self(points)
    }

    fn up_to(&self, time: Instant) -> i64 {
        let count = self.0.partition_point(|(at, _)| *at <= time);
        count.checked_sub(1).map_or(0, |last| self.0[last].1)
    }
}

impl Facts {
    pub(super) fn of(event: i64, capacity: i64, calls: &[&Call], books: &Books) -> Self {
        let mut made: BTreeMap<i64, (Instant, Instant)> = BTreeMap::new();
        let mut gone: BTreeMap<i64, (Instant, Instant)> = BTreeMap::new();
        let mut sizes = vec![Size {
            capacity,
            from: 0,
            set: 0,
        }];
        let (mut deleted_from, mut deleted_by) = (NEVER, NEVER);
        let mut held = Vec::new();
        let users: BTreeMap<i64, i64> = books
            .bookings
            .iter()
            .filter(|(_, row)| row.event == event)
            .map(|(&id, row)| (row.user, id))
            .collect();
        let sales = possible_sales(calls);
        for call in calls {
            held.extend(seats_held(call, &users, &sales));
            match (&call.ask, &call.outcome) {
                (Ask::Book { user, .. }, Outcome::Booked { .. } | Outcome::Unknown) => {
                    if let Some(&id) = users.get(user) {
                        let stay = made.entry(id).or_insert((NEVER, NEVER));
                        *stay = (stay.0.min(call.start), stay.1.min(call.settled()));
                    }
                }
                (Ask::Cancel { booking, .. }, Outcome::Cancelled | Outcome::Unknown) => {
                    let stay = gone.entry(*booking).or_insert((NEVER, NEVER));
                    *stay = (stay.0.min(call.start), stay.1.min(call.settled()));
                }
                (&Ask::Resize { capacity, .. }, Outcome::Resized { .. } | Outcome::Unknown) => {
                    sizes.push(Size {
                        capacity,
                        from: call.start,
                        set: call.settled(),
                    });
                }
                (Ask::Delete { .. }, Outcome::Deleted | Outcome::Unknown) => {
                    deleted_from = deleted_from.min(call.start);
                    deleted_by = deleted_by.min(call.settled());
                }
                _ => {}
            }
        }
        held.extend(coming_back(calls, books));
        let stays: BTreeMap<i64, Stay> = made
            .into_iter()
            .map(|(id, (from, made))| {
                let row = books.bookings[&id];
                // A cancellation of which nobody knows, of a booking that is
                // confirmed, was none.
                let (until, gone) = match gone.get(&id) {
                    Some(&cancelled) if !row.confirmed => cancelled,
                    _ => (NEVER, NEVER),
                };
                let stay = Stay {
                    seats: row.seats,
                    from,
                    made,
                    until,
                    gone,
                };
                (id, stay)
            })
            .collect();
        Self {
            sums: Sums::of(stays.values().copied().collect()),
            stays,
            sizes,
            deleted_from,
            deleted_by,
            held: Held {
                begun: Series::of(&held, |held| (held.begun, held.seats)),
                over: Series::of(&held, |held| (held.over, held.seats)),
            },
        }
    }

    /// Why an event cannot have looked like that between those times.
    pub(super) fn differs(
        &self,
        start: Instant,
        end: Instant,
        capacity: i64,
        left: i64,
    ) -> Option<String> {
        let sold = capacity - left;
        let (least, most) = self.sums.sold(start, end);
        if sold < least || sold > most {
            return Some(format!("{least} to {most} seats were sold, not {sold}"));
        }
        let possible = self.capacities(start, end);
        let is_possible = possible.iter().any(|size| size.capacity == capacity);
        (!is_possible).then(|| format!("its capacity was one of {possible:?}"))
    }

    /// The capacities that may have held then: those that had begun to be set
    /// and were not surely followed by another one.
    fn capacities(&self, start: Instant, end: Instant) -> Vec<Size> {
        let settled = self.sizes.iter().filter(|size| size.set <= start);
        let latest_begun = settled.map(|size| size.from).max().unwrap_or_default();
        self.sizes
            .iter()
            .filter(|size| size.from <= end && size.set >= latest_begun)
            .copied()
            .collect()
    }

    pub(super) fn booking_differs(
        &self,
        booking: i64,
        start: Instant,
        end: Instant,
        confirmed: bool,
    ) -> Option<String> {
        let stay = self.stays.get(&booking)?;
        if confirmed && (stay.gone < start || self.deleted_by < start) {
            return Some(format!("it was cancelled: {stay:?}"));
        }
        if !confirmed && stay.until > end && self.deleted_from > end {
            return Some(format!("nobody had cancelled it: {stay:?}"));
        }
        None
    }

    /// Why a booking cannot have been refused for want of seats, if so: so many
    /// were neither sold nor held by others at any moment of the call.
    pub(super) fn had_free(&self, call: &Call, seats: i64) -> Option<String> {
        let (start, end) = (call.start, call.end);
        let capacities = self.capacities(start, end);
        let capacity = capacities.iter().map(|size| size.capacity).min()?;
        let (_, sold) = self.sums.sold(start, end);
        let own = seats;
        let held = self.held.begun.up_to(end) - self.held.over.up_to(start.saturating_sub(1)) - own;
        (capacity - sold - held >= seats).then(|| {
            format!(
                "of {capacity} seats {sold} at most were sold and {held} held by others \
                 between {start} and {end}"
            )
        })
    }

    /// Why more seats were sold than there were, if they were for sure.
    pub(super) fn oversold(&self, now: Instant) -> Option<String> {
        if self.deleted_from <= now {
            return None;
        }
        let (least, _) = self.sums.sold(now, now);
        let capacities = self.capacities(now, now);
        let most = capacities.iter().map(|size| size.capacity).max();
        let most = most.unwrap_or_default();
        (least > most).then(|| format!("{least} seats were sold then of {most}"))
    }
}

/// Seats that were held at the gate by nobody who has bought them.
struct SeatsHeld {
    seats: i64,
    begun: Instant,
    over: Instant,
}

/// How many calls of each user may be the one that sold.
fn possible_sales(calls: &[&Call]) -> BTreeMap<i64, usize> {
    let mut sales = BTreeMap::new();
    for call in calls {
        let may_be = matches!(
            call.outcome,
            Outcome::Booked {
                replayed: false,
                ..
            } | Outcome::Unknown
        );
        if let (&Ask::Book { user, .. }, true) = (&call.ask, may_be) {
            *sales.entry(user).or_default() += 1;
        }
    }
    sales
}

/// Refused and repeated ones hold seats while they are under way. What became of
/// seats whose booking has no answer, only reconciliation finds out: of several
/// under the same key at most one is the sale, and nobody knows which.
fn seats_held(
    call: &Call,
    users: &BTreeMap<i64, i64>,
    sales: &BTreeMap<i64, usize>,
) -> Option<SeatsHeld> {
    let Ask::Book { user, seats, .. } = call.ask else {
        return None;
    };
    let is_sale = match call.outcome {
        Outcome::Booked { replayed, .. } => !replayed,
        Outcome::Unknown => users.contains_key(&user) && sales.get(&user) == Some(&1),
        _ => false,
    };
    (!is_sale).then_some(SeatsHeld {
        seats,
        begun: call.start,
        over: call.settled(),
    })
}

/// A booking that is cancelled by several calls at once was cancelled by one of them,
/// which gives its seats back to the gate before its answer. The others answer that it is
/// cancelled, perhaps before that.
fn coming_back(calls: &[&Call], books: &Books) -> Vec<SeatsHeld> {
    let mut cancellations: BTreeMap<i64, Vec<&Call>> = BTreeMap::new();
    for call in calls {
        if let (&Ask::Cancel { booking, .. }, Outcome::Cancelled) = (&call.ask, &call.outcome) {
            cancellations.entry(booking).or_default().push(call);
        }
    }
    let coming_back = |(booking, calls): (i64, Vec<&Call>)| {
        let first = calls.iter().map(|call| call.end).min()?;
        let one_of = calls.iter().filter(|call| call.start <= first);
        Some(SeatsHeld {
            seats: books.bookings.get(&booking)?.seats,
            begun: first,
            over: one_of.map(|call| call.end).max()?,
        })
    };
    cancellations.into_iter().filter_map(coming_back).collect()
}

impl Sums {
    fn of(mut stays: Vec<Stay>) -> Self {
        stays.sort_by_key(|stay| stay.made);
        Self {
            made: Series::of(&stays, |stay| (stay.made, stay.seats)),
            begun: Series::of(&stays, |stay| (stay.from, stay.seats)),
            until: Series::of(&stays, |stay| (stay.until, stay.seats)),
            gone: Series::of(&stays, |stay| (stay.gone, stay.seats)),
            by_made: stays,
        }
    }

    /// The least and the most seats that can have been sold at an instant
    /// between those times.
    fn sold(&self, start: Instant, end: Instant) -> (i64, i64) {
        // Those that were made in between, or nobody knows when, and had begun
        // to be cancelled: they are among `until` but not among `made`.
        let later = self.by_made.partition_point(|stay| stay.made <= start);
        let neither: i64 = self.by_made[later..]
            .iter()
            .filter(|stay| stay.until <= end)
            .map(|stay| stay.seats)
            .sum();
        let least = self.made.up_to(start) - (self.until.up_to(end) - neither);
        let most = self.begun.up_to(end) - self.gone.up_to(start);
        (least, most)
    }
}
