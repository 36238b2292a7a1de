//! What is between the processes and Redis, and Redis itself: messages that arrive
//! late, twice or never, a Redis that goes away, forgets, or has an odd clock.

use std::cell::RefCell;

use deadpool_redis::redis::{Arg, Cmd, Pipeline, Value};
use domain::model::EventId;
use tokio::sync::oneshot;

use crate::executor::{PROCESSES_MAX, after, current_owner, now_us, sleep_us};
use crate::redis::{Keyspace, SimulatedRedis, Stored};
use crate::watch;

/// When histories begin by the clock of Redis: any time will do.
const EPOCH_US: u64 = 1_700_000_000_000_000;

/// Later than anybody waits for an answer.
const LATE_US: u64 = 400_000;

/// Nobody waits longer before taking Redis for lost.
const NOTICED_US: u64 = 150_000;

type Answers = oneshot::Sender<Vec<Value>>;

/// Redis and the way to it.
struct Network {
    redis: SimulatedRedis,
    /// What is read back after a restart.
    snapshot: Option<Keyspace>,
    is_up: bool,
    /// Whether one that is away lets everybody wait instead of refusing.
    is_silent: bool,
    /// Connections end with it.
    life: u32,
    clock_offset_us: i64,
    /// Of 1,000 messages, how many go astray.
    astray: u32,
    /// Of 1,000 messages, how many are done twice at once.
    twice: u32,
    /// The longest way of an ordinary message.
    delay_us_max: u64,
    /// Those who never get an answer.
    left_waiting: Vec<Answers>,
    /// For each process by when it will know that it has lost Redis, until it finds it
    /// again: meanwhile it goes around it, and says nothing.
    lost_at_us: [Option<u64>; PROCESSES_MAX],
}

thread_local! {
    static NETWORK: RefCell<Network> = RefCell::new(Network {
        redis: SimulatedRedis::new(),
        snapshot: None,
        is_up: true,
        is_silent: false,
        life: 0,
        clock_offset_us: 0,
        astray: 0,
        twice: 0,
        delay_us_max: 0,
        left_waiting: Vec::new(),
        lost_at_us: [None; PROCESSES_MAX],
    });
}

/// Begins with a Redis without data.
pub(crate) fn reset(twice: u32, delay_us_max: u64) {
    drop(with(|network| std::mem::take(&mut network.left_waiting)));
    with(|network| {
        network.redis.reset();
        network.snapshot = None;
        network.is_up = true;
        network.life = 0;
        network.clock_offset_us = 0;
        network.astray = 0;
        network.twice = twice;
        network.delay_us_max = delay_us_max;
        network.lost_at_us = [None; PROCESSES_MAX];
    });
}

/// Whether every process believes Redis to be there.
pub(crate) fn is_found_by_all() -> bool {
    with(|network| network.lost_at_us.iter().all(Option::is_none))
}

/// A process begins anew, without memories.
pub(crate) fn forget(process: usize) {
    with(|network| network.lost_at_us[process] = None);
}

fn lost(process: usize, why: &str) {
    watch::fault_all(why);
    with(|network| network.lost_at_us[process] = Some(now_us() + NOTICED_US));
}

/// Only what was sent after the loss shows that Redis is back.
fn found(process: usize, sent_at_us: u64) {
    with(|network| {
        let lost_at_us = &mut network.lost_at_us[process];
        *lost_at_us = lost_at_us.filter(|lost_at_us| *lost_at_us >= sent_at_us);
    });
}

fn with<T>(work: impl FnOnce(&mut Network) -> T) -> T {
    NETWORK.with_borrow_mut(work)
}

impl Network {
    fn now_us(&self) -> u64 {
        (EPOCH_US + now_us()).saturating_add_signed(self.clock_offset_us)
    }

    fn on_time(&mut self) -> &mut SimulatedRedis {
        let now_us = self.now_us();
        self.redis.set_clock(now_us);
        &mut self.redis
    }
}

/// The clock of Redis, in milliseconds.
pub(crate) fn redis_now_ms() -> u64 {
    with(|network| network.now_us() / 1000)
}

/// What an attempt to connect came to.
pub(crate) enum Reached {
    Redis { life: u32 },
    Nobody,
}

pub(crate) async fn connect() -> Reached {
    let process = current_owner().process;
    let delay_us = with(|network| fastrand::u64(..=network.delay_us_max / 2));
    sleep_us(delay_us).await;
    let (is_up, is_silent, life) = with(|network| (network.is_up, network.is_silent, network.life));
    if is_up {
        return Reached::Redis { life };
    }
    lost(process, "redis is not reached");
    if is_silent {
        std::future::pending().await
    } else {
        Reached::Nobody
    }
}

/// What becomes of a message.
#[derive(Clone, Copy, PartialEq)]
enum Fate {
    Arrives,
    /// Done twice, one after the other; the second answer counts.
    ArrivesTwice,
    NeverArrives,
    /// Done when nobody waits any more.
    ArrivesLate,
    AnswerLost,
}

/// A message on its way to Redis.
struct Message {
    process: usize,
    sent_at_us: u64,
    /// The life of Redis to which its connection belongs.
    life: u32,
    commands: Pipeline,
    is_atomic: bool,
    fate: Fate,
    answers: Answers,
}

/// Sends commands to Redis.
pub(crate) fn send(life: u32, commands: Pipeline, is_atomic: bool, answers: Answers) {
    let (fate, delay_us) = with(|network| {
        let dice = fastrand::u32(..1000);
        let fate = if dice < network.astray {
            [Fate::NeverArrives, Fate::ArrivesLate, Fate::AnswerLost][fastrand::usize(..3)]
        } else if dice < network.astray + network.twice && is_repeatable(&commands) {
            Fate::ArrivesTwice
        } else {
            Fate::Arrives
        };
        (fate, fastrand::u64(..=network.delay_us_max))
    });
    let message = Message {
        process: current_owner().process,
        sent_at_us: now_us(),
        life,
        commands,
        is_atomic,
        fate,
        answers,
    };
    if matches!(fate, Fate::NeverArrives | Fate::ArrivesLate) {
        lost(message.process, "a message to redis goes astray");
    }
    let late_us = if fate == Fate::ArrivesLate {
        LATE_US
    } else {
        0
    };
    after(delay_us + late_us, move || message.arrive());
}

impl Message {
    fn arrive(self) {
        let is_there = with(|network| network.is_up && network.life == self.life);
        if self.fate == Fate::NeverArrives || !is_there {
            lost(self.process, "a message to redis is lost");
            return never(self.answers);
        }
        if self.answers.is_closed() {
            lost(self.process, "redis does what nobody waits for");
        }
        watch::redis_is_asked(&blocks(&self.commands));
        let mut values = run(&self.commands);
        if self.fate == Fate::ArrivesTwice {
            values = run(&self.commands);
        }
        if self.is_atomic {
            values = vec![Value::Array(values)];
        }
        watch::trace(|| describe(self.process, &self.commands, &values));
        watch::redis_was_asked();
        if self.fate == Fate::AnswerLost {
            lost(self.process, "an answer of redis is lost");
            return never(self.answers);
        }
        let delay_us = with(|network| fastrand::u64(..=network.delay_us_max));
        after(delay_us, move || match self.answers.send(values) {
            Ok(()) => found(self.process, self.sent_at_us),
            Err(_) => lost(self.process, "an answer of redis comes too late"),
        });
    }
}

fn run(commands: &Pipeline) -> Vec<Value> {
    with(|network| {
        let redis = network.on_time();
        let commands = commands.cmd_iter();
        commands.map(|command| redis.execute(command)).collect()
    })
}

/// The connection breaks, or is silent until whoever waits gives up.
fn never(answers: Answers) {
    if fastrand::bool() {
        with(|network| network.left_waiting.push(answers));
    }
}

fn words(command: &Cmd) -> impl Iterator<Item = &[u8]> {
    command.args_iter().filter_map(|word| match word {
        Arg::Simple(word) => Some(word),
        _ => None,
    })
}

fn is_repeatable(commands: &Pipeline) -> bool {
    let mut all = commands.cmd_iter().flat_map(words);
    !all.any(|word| word == b"adjust")
}

/// The blocks that are asked for, and their events.
fn blocks(commands: &Pipeline) -> Vec<(EventId, u128)> {
    let text = |word: &[u8]| String::from_utf8_lossy(word).into_owned();
    let mut blocks = Vec::new();
    for command in commands.cmd_iter() {
        let words: Vec<_> = words(command).collect();
        for pair in words
            .windows(2)
            .filter(|pair| pair[0].starts_with(b"block "))
        {
            let event_id = text(words[3])
                .split(':')
                .nth(1)
                .and_then(|id| id.parse().ok());
            let event_id = event_id.and_then(|id: i64| EventId::try_new(id).ok());
            let block = u128::from_str_radix(&text(pair[1]), 16).ok();
            blocks.extend(event_id.zip(block));
        }
    }
    blocks
}

fn describe(process: usize, commands: &Pipeline, values: &[Value]) -> String {
    let shown = commands.cmd_iter().map(|command| {
        let words: Vec<_> = words(command)
            .enumerate()
            .filter(|(number, word)| (*number == 3 || *number >= 7) && word.len() < 60)
            .map(|(_, word)| {
                let text = String::from_utf8_lossy(word);
                let short = text.trim_start_matches('0');
                if text.len() == 32 {
                    format!("#{short}")
                } else {
                    text.into_owned()
                }
            })
            .collect();
        words.join(" ")
    });
    let shown: Vec<_> = shown.collect();
    format!(
        "redis, of process {process}: {} -> {values:?}",
        shown.join(" | ")
    )
}

/// How the gate of an event really stands.
#[derive(Debug)]
pub(crate) struct TrueGate {
    /// `None` when there is no bucket, or no number in it.
    pub(crate) tokens: Option<i64>,
    /// Reservations by their number, and their seats.
    pub(crate) leases: Vec<(u128, i64)>,
    /// When the last of them runs out, in milliseconds.
    pub(crate) last_ends_at_ms: u64,
    /// When the first of them does.
    pub(crate) first_ends_at_ms: u64,
}

pub(crate) fn true_gate(event_id: EventId) -> TrueGate {
    let bucket = format!("event:{event_id}:tokens");
    with(|network| {
        network.on_time().keyspace(|keys| {
            let tokens = match keys.get(bucket.as_bytes()) {
                Some(Stored::Text(text)) => String::from_utf8_lossy(text).parse().ok(),
                _ => None,
            };
            let seats = match keys.get(format!("{{{bucket}}}:leased_seats").as_bytes()) {
                Some(Stored::Hash(fields)) => fields
                    .iter()
                    .map(|(name, seats)| {
                        let name = u128::from_str_radix(&String::from_utf8_lossy(name), 16);
                        let seats = String::from_utf8_lossy(seats).parse();
                        (name.unwrap_or(0), seats.unwrap_or(0))
                    })
                    .collect(),
                _ => Vec::new(),
            };
            let ends = match keys.get(format!("{{{bucket}}}:leases").as_bytes()) {
                Some(Stored::Sorted(members)) => {
                    #[allow(
                        clippy::cast_possible_truncation,
                        clippy::cast_sign_loss,
                        reason = "a time"
                    )]
                    let end = |member: Option<&(f64, Vec<u8>)>| member.map(|(at, _)| *at as u64);
                    (end(members.first()), end(members.last()))
                }
                _ => (None, None),
            };
            TrueGate {
                tokens,
                leases: seats,
                first_ends_at_ms: ends.0.unwrap_or(u64::MAX),
                last_ends_at_ms: ends.1.unwrap_or(0),
            }
        })
    })
}

/// What befalls Redis, or the way there.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Trouble {
    /// Of 1,000 messages so many go astray from now on.
    Astray(u32),
    /// It goes away, and answers nothing or refuses connections.
    Dies {
        is_silent: bool,
    },
    /// It comes back with what it had.
    Returns,
    ReturnsEmpty,
    /// It comes back with an older state, if one was kept.
    ReturnsOld,
    KeepsSnapshot,
    Flushed,
    ForgetsScripts,
    ClockJumps {
        by_ms: i64,
    },
}

pub(crate) fn befall(trouble: Trouble) {
    let is_fault = !matches!(
        trouble,
        Trouble::KeepsSnapshot | Trouble::ForgetsScripts | Trouble::Astray(_)
    );
    if is_fault {
        watch::fault_all("trouble at redis");
    }
    with(|network| match trouble {
        Trouble::Astray(astray) => network.astray = astray,
        Trouble::Dies { is_silent } => {
            network.is_up = false;
            network.is_silent = is_silent;
        }
        Trouble::Returns | Trouble::ReturnsEmpty | Trouble::ReturnsOld => {
            if network.is_up {
                return;
            }
            network.is_up = true;
            network.life += 1;
            network.redis.forget_scripts();
            if let Trouble::ReturnsEmpty = trouble {
                network.redis.keyspace(Keyspace::clear);
            }
            if let (Trouble::ReturnsOld, Some(old)) = (trouble, network.snapshot.clone()) {
                network.redis.keyspace(|keys| *keys = old);
            }
        }
        Trouble::KeepsSnapshot => {
            network.snapshot = Some(network.redis.keyspace(|keys| keys.clone()));
        }
        Trouble::Flushed => network.redis.keyspace(Keyspace::clear),
        Trouble::ForgetsScripts => network.redis.forget_scripts(),
        Trouble::ClockJumps { by_ms } => network.clock_offset_us += by_ms * 1000,
    });
    if is_fault {
        watch::fault_all("trouble at redis");
    }
}

/// An operator changes a key by hand.
pub(crate) fn operate(words: &[&str]) {
    watch::operated();
    let mut command = Cmd::new();
    for word in words {
        command.arg(word);
    }
    with(|network| network.on_time().execute(&command));
    watch::operated();
}
