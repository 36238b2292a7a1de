//! What is going to happen in a history: drawn from the seed before it begins, so
//! that it can be shown, and parts of it left out.

use domain::model::{Capacity, EventId, SeatCount, UserId};
use fastrand::Rng;

use crate::database::{self, BatchSizes};
use crate::network;
use crate::process::Wish;

/// Events of a history are numbered from 1 to this at most.
pub(crate) const EVENTS_MAX: i64 = 2;

/// A history that is going to be.
#[derive(Debug, Clone)]
pub struct Plan {
    pub(crate) seed: u64,
    /// How many processes serve.
    pub(crate) processes: usize,
    /// Nothing fails in it, so that the gate must be exact.
    pub(crate) is_calm: bool,
    pub(crate) batches: BatchSizes,
    /// Of 1,000 messages that may be repeated, how many arrive twice.
    pub(crate) twice: u32,
    pub(crate) redis_delay_us: u64,
    pub(crate) database_delay_us: u64,
    /// How often a task that could go on is held up until something else happened,
    /// of 1,000 steps.
    pub(crate) stalls: u32,
    pub(crate) actions: Vec<Planned>,
}

/// An action and its time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Planned {
    pub(crate) at_us: u64,
    pub(crate) action: Action,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Action {
    Publish {
        process: usize,
        capacity: Capacity,
        starts_in_ms: i64,
    },
    Book {
        process: usize,
        wish: Wish,
    },
    /// One of the bookings that there are then.
    Cancel {
        process: usize,
        number: usize,
    },
    Resize {
        process: usize,
        event_id: EventId,
        capacity: Capacity,
    },
    Delete {
        process: usize,
        event_id: EventId,
    },
    Reconcile {
        process: usize,
    },
    Crash {
        process: usize,
    },
    Start {
        process: usize,
    },
    Redis(network::Trouble),
    Database(database::Trouble),
    Operator {
        event_id: EventId,
        hand: Hand,
    },
}

/// What an operator may do to a gate.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Hand {
    SetsTokens(i64),
    DeletesBucket,
    SpoilsBucket,
    SpoilsLeases,
    DeletesLeasedSeats,
    DeletesGeneration,
}

impl Plan {
    /// What the seed says.
    pub fn new(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0x5EED);
        let is_calm = rng.u32(..10) < 3;
        let processes = rng.usize(1..=3);
        let events = rng.i64(1..=EVENTS_MAX);
        let batches = BatchSizes {
            commands: rng.usize(1..=8),
            events: rng.usize(1..=2),
            batches: rng.usize(1..=3),
        };
        let mut plan = Self {
            seed,
            processes,
            is_calm,
            batches,
            twice: if rng.bool() { rng.u32(..150) } else { 0 },
            redis_delay_us: rng.u64(100..=8_000),
            database_delay_us: rng.u64(100..=6_000),
            stalls: if is_calm || rng.bool() {
                0
            } else {
                rng.u32(1..60)
            },
            actions: Vec::new(),
        };
        let mut scribe = Scribe {
            rng,
            processes,
            events,
            wishes: Vec::new(),
            at_us: 0,
        };
        scribe.write(&mut plan);
        plan
    }

    /// How many actions there are.
    pub fn len(&self) -> usize {
        self.actions.len()
    }

    /// Whether nothing happens.
    pub fn is_empty(&self) -> bool {
        self.actions.is_empty()
    }

    /// Whether the clock of Redis is put forward or back.
    pub(crate) fn has_odd_clock(&self) -> bool {
        let mut actions = self.actions.iter();
        actions.any(|planned| {
            matches!(
                planned.action,
                Action::Redis(network::Trouble::ClockJumps { .. })
            )
        })
    }

    /// The same with these actions alone.
    #[must_use]
    pub fn only(&self, numbers: &[usize]) -> Self {
        let actions = numbers
            .iter()
            .filter_map(|number| self.actions.get(*number));
        Self {
            actions: actions.copied().collect(),
            ..self.clone()
        }
    }
}

/// Shows what is planned, an action on each line.
pub fn describe(plan: &Plan) -> String {
    let Plan {
        seed,
        processes,
        is_calm,
        batches,
        ..
    } = plan;
    let calm = if *is_calm { ", calm" } else { "" };
    let mut text = format!("seed {seed}: {processes} processes{calm}, {batches:?}\n");
    for (number, Planned { at_us, action }) in plan.actions.iter().enumerate() {
        let ms = *at_us as f64 / 1000.0;
        text += &format!("{number:4} {ms:9.3} ms  {action:?}\n");
    }
    text
}

/// Draws actions one after the other.
struct Scribe {
    rng: Rng,
    processes: usize,
    events: i64,
    wishes: Vec<Wish>,
    at_us: u64,
}

impl Scribe {
    fn write(&mut self, plan: &mut Plan) {
        let size = self.rng.u32(..10);
        for _ in 0..self.events {
            let capacity = self.capacity(size);
            let starts_in_ms = if self.rng.u32(..20) == 0 {
                self.rng.i64(100..1_500)
            } else {
                600_000
            };
            let process = self.process();
            self.push(
                plan,
                Action::Publish {
                    process,
                    capacity,
                    starts_in_ms,
                },
            );
            self.at_us += 40_000;
        }
        let pace_us = [300, 2_000, 15_000, 60_000][self.rng.usize(..4)];
        for _ in 0..self.rng.usize(5..=32) {
            self.at_us += self.rng.u64(..=pace_us);
            let action = match self.rng.u32(..100) {
                0..58 => self.book(size),
                58..74 => Action::Cancel {
                    process: self.process(),
                    number: self.rng.usize(..64),
                },
                74..78 => Action::Resize {
                    process: self.process(),
                    event_id: self.event(),
                    capacity: self.capacity(size),
                },
                78 => Action::Delete {
                    process: self.process(),
                    event_id: self.event(),
                },
                79..88 => Action::Reconcile {
                    process: self.process(),
                },
                _ if plan.is_calm => self.book(size),
                _ => self.trouble(plan),
            };
            self.push(plan, action);
        }
    }

    fn push(&mut self, plan: &mut Plan, action: Action) {
        plan.actions.push(Planned {
            at_us: self.at_us,
            action,
        });
    }

    fn process(&mut self) -> usize {
        self.rng.usize(..self.processes)
    }

    fn event(&mut self) -> EventId {
        EventId::try_new(self.rng.i64(1..=self.events)).expect("positive")
    }

    fn capacity(&mut self, size: u32) -> Capacity {
        let seats = match size {
            0..5 => self.rng.i64(0..=6),
            5..7 => self.rng.i64(4..=14),
            _ => self.rng.i64(16..=60),
        };
        Capacity::try_new(seats).expect("in range")
    }

    fn book(&mut self, size: u32) -> Action {
        let process = self.process();
        let keyed: Vec<_> = self
            .wishes
            .iter()
            .filter(|wish| wish.has_key)
            .copied()
            .collect();
        if !keyed.is_empty() && self.rng.u32(..3) == 0 {
            let wish = keyed[self.rng.usize(..keyed.len())];
            return Action::Book { process, wish };
        }
        let seats = match size {
            _ if self.rng.bool() => 1,
            0..5 => self.rng.i64(1..=3),
            _ => self.rng.i64(1..=12),
        };
        let wish = Wish {
            user_id: UserId::try_new(i64::try_from(self.wishes.len()).unwrap_or(0) + 1)
                .expect("positive"),
            event_id: self.event(),
            seats: SeatCount::try_new(seats).expect("in range"),
            has_key: self.rng.u32(..4) == 0,
        };
        self.wishes.push(wish);
        Action::Book { process, wish }
    }

    /// Something fails, and what failed a moment ago may come back.
    fn trouble(&mut self, plan: &mut Plan) -> Action {
        let pause_us = self.rng.u64(1_000..=300_000);
        let at_us = self.at_us + pause_us;
        let mut later = |action| plan.actions.push(Planned { at_us, action });
        match self.rng.u32(..20) {
            0..4 => {
                let process = self.process();
                later(Action::Start { process });
                Action::Crash { process }
            }
            4..7 => {
                later(Action::Redis(network::Trouble::Astray(0)));
                Action::Redis(network::Trouble::Astray(self.rng.u32(50..700)))
            }
            7..9 => {
                let how = [
                    network::Trouble::Returns,
                    network::Trouble::ReturnsEmpty,
                    network::Trouble::ReturnsOld,
                ];
                later(Action::Redis(how[self.rng.usize(..3)]));
                Action::Redis(network::Trouble::Dies {
                    is_silent: self.rng.bool(),
                })
            }
            9 => {
                later(Action::Redis(network::Trouble::Dies { is_silent: false }));
                Action::Redis(network::Trouble::KeepsSnapshot)
            }
            10 => Action::Redis(network::Trouble::Flushed),
            11 => Action::Redis(network::Trouble::ForgetsScripts),
            12 => {
                let by_ms = [-3_600_000, -2_000, -50, 50, 1_999, 2_500, 3_600_000];
                Action::Redis(network::Trouble::ClockJumps {
                    by_ms: by_ms[self.rng.usize(..7)],
                })
            }
            13..15 => {
                later(Action::Database(database::Trouble::Astray(0)));
                Action::Database(database::Trouble::Astray(self.rng.u32(50..700)))
            }
            15 => {
                later(Action::Database(database::Trouble::Returns));
                Action::Database(database::Trouble::Dies)
            }
            16 => {
                let by_ms = [-3_600_000, -100, 100, 599_000, 3_600_000];
                Action::Database(database::Trouble::ClockJumps {
                    by_ms: by_ms[self.rng.usize(..5)],
                })
            }
            _ => Action::Operator {
                event_id: self.event(),
                hand: self.hand(),
            },
        }
    }

    fn hand(&mut self) -> Hand {
        match self.rng.u32(..8) {
            0..3 => Hand::SetsTokens(self.rng.i64(-3..70)),
            3 => Hand::DeletesBucket,
            4 => Hand::SpoilsBucket,
            5 => Hand::SpoilsLeases,
            6 => Hand::DeletesLeasedSeats,
            _ => Hand::DeletesGeneration,
        }
    }
}
