//! Which events sell most in these seconds, and what they have left, for
//! `utsavam top`. Ids of events have no place in a label, because there is no end
//! to them. Here they have one: so many events are counted and no more.
//!
//! Where another one comes beyond `EVENTS_MAX`, the half of them that was asked for least in
//! the last seconds is forgotten. So what is among the busiest `EVENTS_KEPT` is never
//! forgotten, and one that comes anew has room until as many others have come.
//! That is work for each `EVENTS_MAX - EVENTS_KEPT` new events; otherwise a booking costs a
//! look into a map, under a lock that nobody holds for longer.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use domain::model::{Booked, Capacity, EventId};
use domain::ports::{BookError, SeatsWatch};

/// Events that are counted at the same time.
const EVENTS_MAX: usize = 1_024;

/// Those that stay when that is too many.
const EVENTS_KEPT: usize = EVENTS_MAX / 2;

/// Seconds that are counted, the present one included.
const SECONDS: usize = 5;

/// For so long what a batch has left of an event is better knowledge than what the
/// gate says, whose answers may be counted late.
const FRESH: Duration = Duration::from_secs(1);

/// Counts the bookings of each event in the last seconds.
pub(crate) struct HotEvents {
    began: Instant,
    events: Mutex<HashMap<EventId, Tracked>>,
}

/// What became of the wishes for an event's seats, in one second or some.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Bookings that were made.
    pub(crate) booked: u32,
    /// Wishes that were refused for what the event is: sold out, paused, begun.
    pub(crate) refused: u32,
}

impl Tally {
    fn asked(self) -> u32 {
        self.booked.saturating_add(self.refused)
    }
}

/// An event that is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct HotEvent {
    pub(crate) event_id: EventId,
    /// In the last seconds.
    pub(crate) tally: Tally,
    /// What it has left, and how long ago that was told.
    pub(crate) seats_left: Option<(Capacity, Duration)>,
}

/// The hottest events of the last seconds.
#[derive(Debug)]
pub(crate) struct Hottest {
    /// How long the seconds are together: the last one has only begun.
    pub(crate) window: Duration,
    /// Who was asked for most comes first, then who was asked for last.
    pub(crate) events: Vec<HotEvent>,
}

impl HotEvents {
    pub(super) fn new() -> Self {
        Self {
            began: Instant::now(),
            events: Mutex::default(),
        }
    }

    /// How long there has been somebody to count.
    pub(crate) fn uptime(&self) -> Duration {
        self.began.elapsed()
    }

    /// Counts a booking of that event. What says nothing of an event that is on sale
    /// is not counted, so that nobody fills the places with ids that they made up.
    pub(crate) fn decided(&self, event_id: EventId, booking: &Result<Booked, BookError>) {
        let now = self.uptime();
        match booking {
            Ok(booked) if booked.replayed => {}
            Ok(_) => self.lock().booked(event_id, now),
            Err(BookError::NotEnoughSeats { seats_left, .. }) => {
                self.lock().refused(event_id, Some(*seats_left), now);
            }
            Err(BookError::EventStarted(_) | BookError::SalesPaused(_)) => {
                self.lock().refused(event_id, None, now);
            }
            Err(_) => {}
        }
    }

    /// The hottest events, at most `events_max`.
    pub(crate) fn hottest(&self, events_max: usize) -> Hottest {
        let now = self.uptime();
        self.lock().hottest(events_max, now)
    }

    fn lock(&self) -> Counting<'_> {
        // A panic of somebody who counted leaves nothing half done that matters.
        Counting(self.events.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl SeatsWatch for HotEvents {
    fn seats_left(&self, seats_left: &BTreeMap<EventId, Capacity>) {
        if seats_left.is_empty() {
            return;
        }
        let now = self.uptime();
        let mut counting = self.lock();
        for (event_id, left) in seats_left {
            counting.event(*event_id, now).seats_left = Some((*left, now));
        }
    }
}

/// All events, for as long as somebody counts. Times are since the beginning.
struct Counting<'a>(MutexGuard<'a, HashMap<EventId, Tracked>>);

impl Counting<'_> {
    fn booked(&mut self, event_id: EventId, now: Duration) {
        let tally = self.event(event_id, now).at(now);
        tally.booked = tally.booked.saturating_add(1);
    }

    fn refused(&mut self, event_id: EventId, seats_left: Option<Capacity>, now: Duration) {
        let event = self.event(event_id, now);
        let tally = event.at(now);
        tally.refused = tally.refused.saturating_add(1);
        let Some(left) = seats_left else { return };
        let is_fresh = |(_, told): (_, Duration)| now.saturating_sub(told) < FRESH;
        if !event.seats_left.is_some_and(is_fresh) {
            event.seats_left = Some((left, now));
        }
    }

    fn event(&mut self, event_id: EventId, now: Duration) -> &mut Tracked {
        if self.0.len() >= EVENTS_MAX && !self.0.contains_key(&event_id) {
            self.forget_the_least(now);
        }
        self.0.entry(event_id).or_default()
    }

    fn forget_the_least(&mut self, now: Duration) {
        let ranks = self.0.iter();
        let mut ranks: Vec<_> = ranks
            .map(|(event_id, event)| (event.rank(now), *event_id))
            .collect();
        ranks.select_nth_unstable(EVENTS_KEPT);
        for (_, event_id) in &ranks[EVENTS_KEPT..] {
            self.0.remove(event_id);
        }
    }

    fn hottest(&self, events_max: usize, now: Duration) -> Hottest {
        let events = self.0.iter();
        let mut ranked: Vec<_> = events
            .map(|(event_id, event)| (event.rank(now), *event_id))
            .collect();
        ranked.sort_unstable();
        ranked.truncate(events_max);
        let hottest = ranked.iter().filter_map(|(_, event_id)| {
            let event = self.0.get(event_id)?;
            let ago = |(left, told): (Capacity, Duration)| (left, now.saturating_sub(told));
            Some(HotEvent {
                event_id: *event_id,
                tally: event.lately(now),
                seats_left: event.seats_left.map(ago),
            })
        });
        Hottest {
            window: window(now),
            events: hottest.collect(),
        }
    }
}

fn window(now: Duration) -> Duration {
    let before = (SECONDS as u64 - 1).min(now.as_secs());
    Duration::from_secs(before) + Duration::from_nanos(now.subsec_nanos().into())
}

/// Least is hottest.
type Rank = (Reverse<u32>, Reverse<u64>);

#[derive(Debug, Clone, Copy, Default)]
struct Tracked {
    /// Of the second `latest` and those before it, each at its place in the ring.
    tallies: [Tally; SECONDS],
    /// The second in which something was counted last.
    latest: u64,
    /// And when that was.
    seats_left: Option<(Capacity, Duration)>,
}

impl Tracked {
    /// The tally of that moment's second.
    fn at(&mut self, now: Duration) -> &mut Tally {
        let passed = now.as_secs().saturating_sub(self.latest);
        // Whoever was overtaken on the way to the lock is counted with the others.
        self.latest = self.latest.max(now.as_secs());
        for back in 0..passed.min(SECONDS as u64) {
            self.tallies[place(self.latest - back)] = Tally::default();
        }
        &mut self.tallies[place(self.latest)]
    }

    fn lately(mut self, now: Duration) -> Tally {
        self.at(now);
        let mut sum = Tally::default();
        for tally in self.tallies {
            sum.booked = sum.booked.saturating_add(tally.booked);
            sum.refused = sum.refused.saturating_add(tally.refused);
        }
        sum
    }

    fn rank(&self, now: Duration) -> Rank {
        (Reverse(self.lately(now).asked()), Reverse(self.latest))
    }
}

fn place(second: u64) -> usize {
    (second % SECONDS as u64) as usize
}

#[cfg(test)]
mod tests;
