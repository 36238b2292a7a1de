//! Many clients who book, cancel, resize, delete, read and repeat themselves, by
//! a seeded choice, and write everything down.

mod buyer;
mod outcome;

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use fastrand::Rng;
use futures::future::join_all;
use tokio::task::JoinHandle;

use super::clock::Clock;
use super::history::{Ask, Call, Instant};
use super::stage::{Address, Stage, Users};
use crate::wait::within;
use buyer::Buyer;

/// A crowd on a machine that has much else to do takes its time.
const PATIENCE: Duration = Duration::from_secs(100);

/// What a crowd likes to do.
#[derive(Debug, Clone)]
pub(crate) struct Habits {
    /// How many clients there are.
    pub(crate) clients: usize,
    /// How often they do what, in relation to one another.
    pub(crate) often: Often,
    /// The most seats of one wish.
    pub(crate) seats_max: i64,
    /// Capacities that events are changed to.
    pub(crate) capacities: std::ops::Range<i64>,
    /// Of how many calls one hangs up early; 0 is none.
    pub(crate) hang_up: u32,
    /// When they do.
    pub(crate) hang_up_within: Duration,
    /// How long they wait for an answer.
    pub(crate) patience: Duration,
    /// The longest pause between two calls of a client.
    pub(crate) pause: Duration,
    /// Calls of everybody together, after which they rest.
    pub(crate) calls_max: usize,
}

/// Weights.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Often {
    /// Bookings.
    pub(crate) book: u32,
    /// Bookings under a key, of which some are sent several times at once.
    pub(crate) keyed: u32,
    /// The same again.
    pub(crate) repeat: u32,
    /// Cancellations.
    pub(crate) cancel: u32,
    /// Other capacities.
    pub(crate) resize: u32,
    /// Deletions.
    pub(crate) delete: u32,
    /// Looks at an event.
    pub(crate) read: u32,
    /// Looks at a booking.
    pub(crate) read_booking: u32,
}

impl Default for Habits {
    fn default() -> Self {
        Self {
            clients: 16,
            often: Often {
                book: 40,
                keyed: 16,
                repeat: 8,
                cancel: 14,
                resize: 2,
                delete: 0,
                read: 14,
                read_booking: 6,
            },
            seats_max: 3,
            capacities: 10..60,
            hang_up: 0,
            hang_up_within: Duration::from_millis(20),
            patience: Duration::from_secs(15),
            pause: Duration::from_millis(4),
            calls_max: 20_000,
        }
    }
}

/// An event that a crowd knows of.
#[derive(Debug)]
struct Offer {
    event: i64,
    /// How many calls may still be about it.
    calls_left: AtomicUsize,
    /// Whether its capacity is changed.
    is_resized: bool,
}

/// What all clients of a crowd share.
struct Common {
    addresses: Vec<Address>,
    clock: Clock,
    users: Users,
    offers: Vec<Offer>,
    habits: Habits,
    is_over: AtomicBool,
    calls: AtomicUsize,
    /// When each process last gave an answer that needed the store.
    served: Vec<AtomicU64>,
}

/// A crowd at work.
pub(crate) struct Crowd {
    common: Arc<Common>,
    buyers: Vec<JoinHandle<Vec<Call>>>,
    /// Calls of nobody among them.
    others: Mutex<Vec<Call>>,
}

/// How an event is offered.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Offered {
    /// Which.
    pub(crate) event: i64,
    /// How many calls may be about it.
    pub(crate) calls_max: usize,
    /// Whether its capacity may be changed.
    pub(crate) is_resized: bool,
}

impl Crowd {
    /// Sends a crowd to those events.
    pub(crate) fn begin(
        stage: &Stage,
        offered: &[Offered],
        habits: &Habits,
        rng: &mut Rng,
    ) -> Self {
        Self::send(
            stage.fronts(),
            stage.clock,
            stage.users(),
            offered,
            habits,
            rng,
        )
    }

    /// As `begin`, without a stage.
    pub(crate) fn send(
        addresses: Vec<Address>,
        clock: Clock,
        users: Users,
        offered: &[Offered],
        habits: &Habits,
        rng: &mut Rng,
    ) -> Self {
        let common = Arc::new(Common {
            served: addresses.iter().map(|_| AtomicU64::new(0)).collect(),
            addresses,
            clock,
            users,
            offers: offered
                .iter()
                .map(|offered| Offer {
                    event: offered.event,
                    calls_left: AtomicUsize::new(offered.calls_max),
                    is_resized: offered.is_resized,
                })
                .collect(),
            habits: habits.clone(),
            is_over: AtomicBool::new(false),
            calls: AtomicUsize::new(0),
        });
        let buyers = (0..habits.clients)
            .map(|_| tokio::spawn(Buyer::new(Arc::clone(&common), rng.fork()).buy()))
            .collect();
        Self {
            common,
            buyers,
            others: Mutex::default(),
        }
    }

    /// How many calls have come to an end.
    pub(crate) fn calls(&self) -> usize {
        self.common.calls.load(Ordering::SeqCst)
    }

    /// Waits until so many more calls have come to an end, or all that there
    /// are to be.
    pub(crate) async fn wait_calls(&self, more: usize) {
        let enough = (self.calls() + more).min(self.common.habits.calls_max);
        within(PATIENCE, "there are answers", async || {
            self.calls() >= enough || self.buyers.iter().all(JoinHandle::is_finished)
        })
        .await;
    }

    /// Waits until every process that can be asked has served something since
    /// then, and says when the last one did.
    pub(crate) async fn wait_served(&self, since: Instant) -> Instant {
        let mut latest = since;
        within(PATIENCE, "every process serves again", async || {
            let processes = self.common.addresses.iter().zip(&self.common.served);
            let served: Vec<Instant> = processes
                .filter(|(address, _)| address.get().is_some())
                .map(|(_, served)| served.load(Ordering::SeqCst))
                .collect();
            latest = served.iter().copied().max().unwrap_or(since);
            served.iter().all(|served| *served > since)
                || self.buyers.iter().all(JoinHandle::is_finished)
        })
        .await;
        latest
    }

    /// Somebody else deletes an event of which not every call was used up.
    pub(crate) async fn delete_one(&self, rng: &mut Rng) {
        let offers = &self.common.offers;
        let event = offers[rng.usize(..offers.len())].event;
        let process = rng.usize(..self.common.addresses.len());
        if let Some(call) = buyer::send(&self.common, process, Ask::Delete { event }, None).await {
            let mut others = self.others.lock().unwrap_or_else(PoisonError::into_inner);
            others.push(call);
        }
    }

    /// Has everybody finish the call that is under way, and returns all calls.
    pub(crate) async fn end(self) -> Vec<Call> {
        self.common.is_over.store(true, Ordering::SeqCst);
        let mut calls = self
            .others
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        for buyer in self.buyers {
            calls.extend(buyer.await.expect("a client does not panic"));
        }
        calls
    }
}

/// Sends the wishes of so many users, each under its key and so many times at
/// once, to all processes.
pub(crate) async fn same_at_once(
    stage: &Stage,
    event: i64,
    keys: usize,
    copies: usize,
    rng: &mut Rng,
) -> Vec<Call> {
    /// Wishes that are under way at the same time.
    const AT_ONCE: usize = 8;
    let habits = Habits {
        clients: 0,
        ..Habits::default()
    };
    let common = Arc::clone(&Crowd::begin(stage, &[], &habits, rng).common);
    let wishes: Vec<_> = (0..keys)
        .map(|_| Ask::Book {
            user: common.users.next().expect("there are enough"),
            event,
            seats: rng.i64(1..3),
            keyed: true,
        })
        .collect();
    let mut calls = Vec::new();
    for wishes in wishes.chunks(AT_ONCE) {
        let sendings = wishes.iter().flat_map(|wish| {
            let (common, first) = (&common, rng.usize(..));
            (0..copies).map(move |copy| {
                let process = first.wrapping_add(copy) % common.addresses.len();
                buyer::send(common, process, wish.clone(), None)
            })
        });
        let sendings: Vec<_> = sendings.collect();
        calls.extend(join_all(sendings).await.into_iter().flatten());
    }
    calls
}
