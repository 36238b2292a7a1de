//! One client of a crowd.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use fastrand::Rng;
use futures::future::join_all;
use serde_json::json;

use super::outcome::outcome;
use super::{Common, Offer};
use crate::client::Client;
use crate::faults::history::{Ask, Call, Outcome};

/// Every user has one key, which is that.
const KEY: &str = "my wish";

/// How long a client waits after it was told to come again.
const LATER: std::ops::Range<u64> = 5_000..25_000;

/// How many copies of a wish are sent at once at most.
const COPIES_MAX: usize = 4;

pub(super) struct Buyer {
    common: Arc<Common>,
    rng: Rng,
    /// A user whose wishes were all refused.
    user: Option<i64>,
    /// Wishes under a key of which something may have come.
    wishes: Vec<Ask>,
    /// Bookings that were answered: event and id.
    bookings: BTreeSet<(i64, i64)>,
    calls: Vec<Call>,
}

impl Buyer {
    pub(super) fn new(common: Arc<Common>, rng: Rng) -> Self {
        Self {
            common,
            rng,
            user: None,
            wishes: Vec::new(),
            bookings: BTreeSet::new(),
            calls: Vec::new(),
        }
    }

    /// Asks for one thing after the other until it is over.
    pub(super) async fn buy(mut self) -> Vec<Call> {
        let habits = self.common.habits.clone();
        while !self.common.is_over.load(Ordering::SeqCst)
            && self.common.calls.load(Ordering::SeqCst) < habits.calls_max
        {
            let Some((ask, copies)) = self.choose() else {
                // Nothing to be done at the moment.
                tokio::time::sleep(Duration::from_millis(2)).await;
                continue;
            };
            let sendings = (0..copies).map(|_| {
                let process = self.rng.usize(..self.common.addresses.len());
                let hang_up = (habits.hang_up > 0 && self.rng.u32(..habits.hang_up) == 0)
                    .then(|| habits.hang_up_within.mul_f64(self.rng.f64()));
                send(&self.common, process, ask.clone(), hang_up)
            });
            let sendings: Vec<_> = sendings.collect();
            let mut come_again = false;
            for call in join_all(sendings).await {
                let Some(call) = call else {
                    come_again = true;
                    continue;
                };
                come_again |= matches!(call.outcome, Outcome::NothingDone | Outcome::Unknown);
                self.remember(call);
            }
            let pause = if come_again {
                Duration::from_micros(self.rng.u64(LATER))
            } else {
                habits.pause.mul_f64(self.rng.f64())
            };
            tokio::time::sleep(pause).await;
        }
        self.calls
    }

    /// What to ask next, and how many times at once.
    fn choose(&mut self) -> Option<(Ask, usize)> {
        let often = self.common.habits.often;
        let weights = [
            often.book,
            often.keyed,
            often.repeat,
            often.cancel,
            often.resize,
            often.delete,
            often.read,
            often.read_booking,
        ];
        let sum: u32 = weights.iter().sum();
        let mut at = self.rng.u32(..sum);
        let chosen = weights.iter().position(|weight| {
            let is_it = at < *weight;
            at = at.saturating_sub(*weight);
            is_it
        });
        match chosen? {
            0 => Some((self.wish(false)?, 1)),
            1 => {
                let copies = if self.rng.u8(..3) == 0 {
                    self.rng.usize(2..=COPIES_MAX)
                } else {
                    1
                };
                Some((self.wish(true)?, copies))
            }
            2 => {
                let index = self.rng.usize(..self.wishes.len().max(1));
                let wish = self.wishes.get(index)?.clone();
                self.offer_of(wish.event())?;
                Some((wish, 1))
            }
            3 => {
                let (event, booking) = self.booking()?;
                let copies = 1 + usize::from(self.rng.u8(..4) == 0);
                Some((Ask::Cancel { event, booking }, copies))
            }
            4 => {
                let event = self.offer(|offer| offer.is_resized)?;
                let capacity = self.rng.i64(self.common.habits.capacities.clone());
                Some((Ask::Resize { event, capacity }, 1))
            }
            5 => {
                let event = self.offer(|offer| offer.is_resized)?;
                Some((Ask::Delete { event }, 1))
            }
            6 => {
                let event = self.offer(|_| true)?;
                Some((Ask::Read { event }, 1))
            }
            _ => {
                let (event, booking) = self.booking()?;
                Some((Ask::ReadBooking { event, booking }, 1))
            }
        }
    }

    fn wish(&mut self, keyed: bool) -> Option<Ask> {
        let event = self.offer(|_| true)?;
        let user = match self.user.take() {
            Some(user) => user,
            None => self.common.users.next()?,
        };
        Some(Ask::Book {
            user,
            event,
            seats: self.rng.i64(1..=self.common.habits.seats_max),
            keyed,
        })
    }

    /// An event about which there may be another call.
    fn offer(&mut self, is_right: impl Fn(&Offer) -> bool) -> Option<i64> {
        let offers = &self.common.offers;
        let first = self.rng.usize(..offers.len());
        let mut offers = offers.iter().cycle().skip(first).take(offers.len());
        offers
            .find(|offer| is_right(offer) && take_call(offer))
            .map(|offer| offer.event)
    }

    fn offer_of(&self, event: i64) -> Option<i64> {
        let mut offers = self.common.offers.iter();
        let offer = offers.find(|offer| offer.event == event)?;
        take_call(offer).then_some(event)
    }

    fn booking(&mut self) -> Option<(i64, i64)> {
        let index = self.rng.usize(..self.bookings.len().max(1));
        let (event, booking) = *self.bookings.iter().nth(index)?;
        self.offer_of(event)?;
        Some((event, booking))
    }

    fn remember(&mut self, call: Call) {
        if let Ask::Book {
            user, event, keyed, ..
        } = call.ask
        {
            match call.outcome {
                Outcome::Booked { booking, .. } => {
                    self.bookings.insert((event, booking));
                }
                // Of the copies of a wish one may have been served.
                Outcome::Unknown => {}
                _ if keyed => {}
                _ => self.user = Some(user),
            }
            let may_be_there = matches!(call.outcome, Outcome::Booked { .. } | Outcome::Unknown);
            if keyed && may_be_there && !self.wishes.contains(&call.ask) {
                self.wishes.push(call.ask.clone());
            }
        }
        self.calls.push(call);
    }
}

fn take_call(offer: &Offer) -> bool {
    let left = &offer.calls_left;
    left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
        left.checked_sub(1)
    })
    .is_ok()
}

/// Asks once and writes down what came of it; nothing, if nobody can be asked.
pub(super) async fn send(
    common: &Common,
    process: usize,
    ask: Ask,
    hang_up: Option<Duration>,
) -> Option<Call> {
    let count = common.addresses.len();
    let mut processes = (process..process + count).map(|process| process % count);
    let (process, client) =
        processes.find_map(|process| Some((process, common.addresses[process].get()?)))?;
    let patience = hang_up.unwrap_or(common.habits.patience);
    let start = common.clock.now();
    let answer = tokio::time::timeout(patience, request(&client, &ask).try_send()).await;
    let end = common.clock.now();
    let outcome = match answer {
        Ok(answer) => outcome(&ask, answer),
        Err(_) => Outcome::Unknown,
    };
    let is_served = !matches!(
        outcome,
        Outcome::NothingDone | Outcome::Unknown | Outcome::NotEnoughSeats
    );
    if is_served {
        common.served[process].fetch_max(end, Ordering::SeqCst);
    }
    common.calls.fetch_add(1, Ordering::SeqCst);
    Some(Call {
        process,
        start,
        end,
        ask,
        outcome,
    })
}

fn request(client: &Client, ask: &Ask) -> crate::client::Call {
    match *ask {
        Ask::Book {
            user,
            event,
            seats,
            keyed,
        } => {
            let call = client.book(user, event, seats);
            if keyed {
                call.header("Idempotency-Key", KEY)
            } else {
                call
            }
        }
        Ask::Cancel { booking, .. } => client.cancel(booking),
        Ask::Resize { event, capacity } => client.change(event, &json!({ "capacity": capacity })),
        Ask::Delete { event } => client.delete_event(event),
        Ask::Read { event } => client.get(&format!("/events/{event}")),
        Ask::ReadBooking { booking, .. } => client.get(&format!("/bookings/{booking}")),
    }
}
