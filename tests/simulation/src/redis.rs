//! A Redis in memory: the commands that the scripts of the seat gate call, and the
//! scripts themselves, run by the Lua that Redis has. A test compares it with the
//! real one.

mod commands;
mod keyspace;
mod lua;

use std::collections::{BTreeSet, HashMap};

use deadpool_redis::redis::{Arg, Cmd, Value};

pub(crate) use keyspace::{Keyspace, Stored};

use commands::Reply;
use lua::Interpreter;

/// A script as `adapters-redis` puts it together.
macro_rules! script {
    ($name:literal) => {
        concat!(
            include_str!("../../../crates/adapters-redis/src/lua/prelude.lua"),
            include_str!(concat!(
                "../../../crates/adapters-redis/src/lua/",
                $name,
                ".lua"
            )),
        )
    };
}

/// What a Redis that has been in use for a while knows.
/// In this order: batch, read, raise, rebuild.
pub const GATE_SCRIPTS: [&str; 4] = [
    script!("batch"),
    script!("read"),
    script!("raise"),
    script!("rebuild"),
];

/// Its data, its scripts and its clock.
pub struct SimulatedRedis {
    interpreter: Interpreter,
    /// Scripts by hash that were sent in this life of it.
    known: BTreeSet<String>,
    /// Hashes of sources, so that each is worked out once.
    hashes: HashMap<Vec<u8>, String>,
}

impl Default for SimulatedRedis {
    fn default() -> Self {
        Self::new()
    }
}

impl SimulatedRedis {
    /// One without data.
    pub fn new() -> Self {
        Self {
            interpreter: Interpreter::new(),
            known: BTreeSet::new(),
            hashes: HashMap::new(),
        }
    }

    /// Sets the clock, in microseconds since 1970.
    pub fn set_clock(&mut self, now_us: u64) {
        self.keyspace(|keys| keys.now_us = now_us);
    }

    /// Answers a command as Redis would.
    pub fn execute(&mut self, command: &Cmd) -> Value {
        let words: Vec<&[u8]> = command
            .args_iter()
            .filter_map(|word| match word {
                Arg::Simple(word) => Some(word),
                _ => None,
            })
            .collect();
        self.answer(&words).into_value()
    }

    fn answer(&mut self, words: &[&[u8]]) -> Reply {
        match words {
            [b"PING"] => Reply::Status("PONG"),
            [b"EVALSHA", hash, count, rest @ ..] => {
                let hash = String::from_utf8_lossy(hash);
                if !self.known.contains(hash.as_ref()) {
                    return Reply::error("NOSCRIPT No matching script. Please use EVAL.");
                }
                self.interpreter.run(&hash, count, rest)
            }
            [b"EVAL", source, count, rest @ ..] => {
                let hash = self.learn(source);
                self.interpreter.run(&hash, count, rest)
            }
            [b"SCRIPT", b"LOAD", source] => Reply::Bulk(self.learn(source).into_bytes()),
            [b"SCRIPT", b"FLUSH"] => {
                self.known.clear();
                Reply::Status("OK")
            }
            [b"FLUSHALL"] => {
                self.keyspace(Keyspace::clear);
                Reply::Status("OK")
            }
            [name, arguments @ ..] => self.keyspace(|keys| commands::call(keys, name, arguments)),
            [] => Reply::error("ERR no command"),
        }
    }

    fn learn(&mut self, source: &[u8]) -> String {
        let hash = match self.hashes.get(source) {
            Some(hash) => hash.clone(),
            None => {
                let text = String::from_utf8_lossy(source);
                let hash = deadpool_redis::redis::Script::new(&text)
                    .get_hash()
                    .to_owned();
                self.interpreter.compile(&hash, &text);
                self.hashes.insert(source.to_vec(), hash.clone());
                hash
            }
        };
        self.known.insert(hash.clone());
        hash
    }

    /// Looks at its data, or changes them behind everybody's back.
    pub(crate) fn keyspace<T>(&self, work: impl FnOnce(&mut Keyspace) -> T) -> T {
        self.interpreter.keyspace(work)
    }

    /// Knows the scripts of the gate, and has no data.
    pub(crate) fn reset(&mut self) {
        self.keyspace(Keyspace::clear);
        if self.hashes.is_empty() {
            for source in GATE_SCRIPTS {
                self.learn(source.as_bytes());
            }
        }
        self.known = self.hashes.values().cloned().collect();
    }

    /// What a restart forgets besides data.
    pub(crate) fn forget_scripts(&mut self) {
        self.known.clear();
    }
}
