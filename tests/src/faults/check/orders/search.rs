//! The search itself: which step may have been the next one, given those that
//! were, until all were or nothing is left to try.

use std::collections::HashSet;

use super::{Act, End, STEPS_MAX, Step};
use crate::faults::history::{Instant, NEVER};

/// Orders begun until the search gives up.
const TRIES_MAX: usize = 300_000;

pub(super) enum Found {
    Order,
    /// No order; what was stuck where most of it was explained.
    None(String),
    GaveUp,
}

type Done = [u64; STEPS_MAX / 64];

/// An event in the middle of an order.
#[derive(Debug, Clone)]
struct State {
    done: Done,
    count: usize,
    capacity: i64,
    sold: i64,
    deleted: bool,
    /// Whether a booking was made, and whether it was cancelled.
    bookings: Vec<(bool, bool)>,
}

struct Search<'s> {
    steps: Vec<Step>,
    end: &'s End,
    /// States that led nowhere. All else follows from what is done.
    seen: HashSet<(Done, i64)>,
    tries: usize,
    /// The longest order so far.
    best: Option<State>,
}

/// Looks for an order that ends as it did.
pub(super) fn search(capacity: i64, mut steps: Vec<Step>, end: &End) -> Found {
    // What certainly happened first, in the order that the store wrote down.
    steps.sort_by_key(|step| (!step.must, step.hint, step.start));
    let state = State {
        done: [0; STEPS_MAX / 64],
        count: 0,
        capacity,
        sold: 0,
        deleted: false,
        bookings: vec![(false, false); end.bookings.len()],
    };
    let mut search = Search {
        steps,
        end,
        seen: HashSet::new(),
        tries: 0,
        best: None,
    };
    if search.go(state) {
        Found::Order
    } else if search.tries > TRIES_MAX {
        Found::GaveUp
    } else {
        Found::None(search.stuck())
    }
}

impl Search<'_> {
    /// Whether an order goes on from here to the end.
    fn go(&mut self, mut state: State) -> bool {
        self.tries += 1;
        if self.tries > TRIES_MAX {
            return false;
        }
        self.look_around(&mut state);
        if self.is_over(&state) {
            return true;
        }
        if self
            .best
            .as_ref()
            .is_none_or(|best| best.count < state.count)
        {
            self.best = Some(state.clone());
        }
        if !self.seen.insert((state.done, state.capacity)) {
            return false;
        }
        let horizon = self.horizon(&state);
        for index in 0..self.steps.len() {
            let step = &self.steps[index];
            if state.is_done(index) || step.start > horizon {
                continue;
            }
            if let Some(mut next) = state.after(step.act, self.end) {
                next.mark(index);
                if self.go(next) {
                    return true;
                }
            }
        }
        false
    }

    /// Everything that changes nothing and is right here may as well be here.
    fn look_around(&self, state: &mut State) {
        loop {
            let horizon = self.horizon(state);
            let before = state.count;
            for (index, step) in self.steps.iter().enumerate() {
                let is_next = !state.is_done(index) && step.start <= horizon;
                if is_next && state.shows(step.act) {
                    state.mark(index);
                }
            }
            if state.count == before {
                return;
            }
        }
    }

    /// The first end of what certainly happened and is not yet in the order:
    /// what began later comes later.
    fn horizon(&self, state: &State) -> Instant {
        let open = self.steps.iter().enumerate();
        open.filter(|(index, step)| step.must && !state.is_done(*index))
            .map(|(_, step)| step.end)
            .min()
            .unwrap_or(NEVER)
    }

    fn is_over(&self, state: &State) -> bool {
        let mut steps = self.steps.iter().enumerate();
        let bookings = state.bookings.iter().zip(&self.end.bookings);
        steps.all(|(index, step)| !step.must || state.is_done(index))
            && state.deleted == self.end.deleted
            && state.capacity == self.end.capacity
            && (state.deleted
                || bookings.fold(true, |is_so, (&(made, cancelled), &(_, confirmed))| {
                    is_so && (made && !cancelled) == confirmed
                }))
    }

    /// Where the longest order got stuck.
    fn stuck(&self) -> String {
        let Some(state) = &self.best else {
            return "there is no order at all".to_owned();
        };
        let horizon = self.horizon(state);
        let next: Vec<_> = (0..self.steps.len())
            .filter(|&index| !state.is_done(index) && self.steps[index].start <= horizon)
            .map(|index| &self.steps[index])
            .collect();
        format!(
            "after {} of {} steps with capacity {}, {} seats sold, deleted {}, nothing explains \
             one of {next:?}; it ends with capacity {}, deleted {}",
            state.count,
            self.steps.len(),
            state.capacity,
            state.sold,
            state.deleted,
            self.end.capacity,
            self.end.deleted,
        )
    }
}

impl State {
    fn is_done(&self, index: usize) -> bool {
        self.done[index / 64] & (1 << (index % 64)) != 0
    }

    fn mark(&mut self, index: usize) {
        self.done[index / 64] |= 1 << (index % 64);
        self.count += 1;
    }

    /// The state after a change that is possible here.
    fn after(&self, act: Act, end: &End) -> Option<Self> {
        let mut next = self.clone();
        match act {
            Act::Sell { booking, seats } => {
                if self.deleted || self.sold + seats > self.capacity || self.bookings[booking].0 {
                    return None;
                }
                next.bookings[booking].0 = true;
                next.sold += seats;
            }
            Act::Cancel { booking } => {
                let (made, cancelled) = self.bookings[booking];
                if !made {
                    return None;
                }
                if !cancelled && !self.deleted {
                    next.bookings[booking].1 = true;
                    next.sold -= end.bookings[booking].0;
                }
            }
            Act::Resize {
                capacity,
                available,
            } => {
                let left = capacity - self.sold;
                if self.deleted || left < 0 || available.is_some_and(|shown| shown != left) {
                    return None;
                }
                next.capacity = capacity;
            }
            Act::Delete => {
                if self.deleted {
                    return None;
                }
                next.deleted = true;
            }
            _ => return None,
        }
        Some(next)
    }

    /// Whether that is what is to be seen here.
    fn shows(&self, act: Act) -> bool {
        match act {
            Act::Sold { booking } => self.bookings[booking].0,
            Act::NotSold { booking } => !self.bookings[booking].0,
            Act::Booking { booking, confirmed } => {
                let (made, cancelled) = self.bookings[booking];
                made && confirmed != (cancelled || self.deleted)
            }
            Act::Event {
                capacity,
                available,
            } => !self.deleted && capacity == self.capacity && available == capacity - self.sold,
            Act::TooFew { seats } => !self.deleted && self.capacity - self.sold < seats,
            Act::BelowConfirmed { capacity } => !self.deleted && self.sold > capacity,
            Act::Gone => self.deleted,
            Act::Sell { .. } | Act::Cancel { .. } | Act::Resize { .. } | Act::Delete => false,
        }
    }
}
