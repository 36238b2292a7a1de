//! What a batch asks: each take an entry or, with a block, two of a call of
//! `rate.lua`, a call for each shard of the keys.

use std::num::NonZeroU32;

use deadpool_redis::redis::{Cmd, Pipeline, RedisWrite, Value};
use domain::model::RateDecision;
use domain::rules::{granted, refused};

use super::local::{Answer, BucketKey};
use crate::scripts::Script;

/// Into so many hash tags buckets are spread: so many slots of a cluster, and
/// calls of a batch, at most.
const SHARDS: usize = 8;

/// Tokens that are wanted of Redis.
#[derive(Debug)]
pub(super) struct Take {
    pub(super) key: BucketKey,
    pub(super) tokens: NonZeroU32,
    /// Tokens of the block that is wanted too, or 0.
    pub(super) block: u32,
    /// By the clock of this process.
    pub(super) asked_at_us: u64,
}

/// What Redis said to a take.
#[derive(Debug, PartialEq, Eq)]
enum Entry {
    Taken { missing_us: u64 },
    NotTaken { missing_us: u64 },
}

/// The takes of a batch, by the shard of their buckets.
#[derive(Debug)]
pub(super) struct Plan<T> {
    shards: [Vec<(Take, T)>; SHARDS],
}

impl<T> Default for Plan<T> {
    fn default() -> Self {
        Self {
            shards: std::array::from_fn(|_| Vec::new()),
        }
    }
}

impl<T> Plan<T> {
    /// Adds a take behind those that are there, and who asked.
    pub(super) fn add(&mut self, take: Take, asker: T) {
        self.shards[shard(&take.key)].push((take, asker));
    }

    /// The calls: one for each shard that is asked.
    pub(super) fn calls(&self, script: &Script) -> Pipeline {
        let mut calls = Pipeline::with_capacity(SHARDS);
        for (shard, takes) in self.shards.iter().enumerate() {
            if !takes.is_empty() {
                calls.add_command(call(script, shard, takes));
            }
        }
        calls
    }

    /// Goes through the takes with what was answered to each at that time; nothing, where
    /// Redis answered with an error.
    pub(super) fn tell(
        self,
        answers: Vec<Value>,
        answered_at_us: u64,
        mut tell: impl FnMut(Take, T, Option<(Answer, RateDecision)>),
    ) {
        let mut answers = answers.into_iter();
        for takes in self.shards {
            if takes.is_empty() {
                continue;
            }
            let mut entries = match answers.next() {
                Some(Value::Array(entries)) => entries.into_iter(),
                answer => {
                    tracing::debug!(?answer, "redis refuses takes of a shard");
                    Vec::new().into_iter()
                }
            };
            for (take, asker) in takes {
                let own = entries.next();
                let block = if take.block > 0 { entries.next() } else { None };
                let answer = understood(&take, own.as_ref(), block.as_ref(), answered_at_us);
                tell(take, asker, answer);
            }
        }
    }
}

/// The hash tag of a bucket, by which a cluster knows where it belongs.
pub(super) fn tag(key: &BucketKey) -> String {
    format!("rate:{}", shard(key))
}

/// The same number in every process and every version: it is part of the key.
fn shard(key: &BucketKey) -> usize {
    // FNV-1a, which is short and never changes.
    let name = key.subject.to_string();
    let hash = name.bytes().fold(0x811c_9dc5_u32, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    });
    hash as usize % SHARDS
}

fn call<T>(script: &Script, shard: usize, takes: &[(Take, T)]) -> Cmd {
    let blocks = takes.iter().filter(|(take, _)| take.block > 0).count();
    let mut call = script.call();
    call.arg(takes.len() + blocks);
    for (take, _) in takes {
        let BucketKey { policy, subject } = &take.key;
        for _ in 0..1 + usize::from(take.block > 0) {
            call.write_arg_fmt(format_args!("{{rate:{shard}}}:{}:{subject}", policy.name()));
        }
    }
    for (take, _) in takes {
        let policy = &take.key.policy;
        let full_us = policy.full_us();
        let cost_us = |tokens: u32| u64::from(tokens).saturating_mul(policy.token_us());
        call.arg(cost_us(take.tokens.get()))
            .arg(full_us)
            .arg(full_us);
        if take.block > 0 {
            // Half of it stays for others.
            call.arg(cost_us(take.block)).arg(full_us / 2).arg(full_us);
        }
    }
    call
}

/// What Redis answered, as this process needs it and as its asker does.
fn understood(
    take: &Take,
    own: Option<&Value>,
    block: Option<&Value>,
    answered_at_us: u64,
) -> Option<(Answer, RateDecision)> {
    let own = entry(own?)?;
    let policy = &take.key.policy;
    let (decision, own_us) = match own {
        Entry::Taken { missing_us } => (granted(policy, missing_us), missing_us),
        Entry::NotTaken { missing_us } => (refused(policy, take.tokens, missing_us), missing_us),
    };
    let (block, missing_us) = match block.and_then(entry) {
        Some(Entry::Taken { missing_us }) => (take.block, missing_us),
        Some(Entry::NotTaken { .. }) | None => (0, own_us),
    };
    let answer = Answer {
        asked_at_us: take.asked_at_us,
        answered_at_us,
        missing_us,
        block,
    };
    Some((answer, decision))
}

fn entry(answer: &Value) -> Option<Entry> {
    let Value::Int(number) = answer else {
        return None;
    };
    Some(match u64::try_from(*number) {
        Ok(missing_us) => Entry::Taken { missing_us },
        Err(_) => Entry::NotTaken {
            missing_us: number.unsigned_abs() - 1,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_what_the_bucket_lacks() {
        let taken = |missing_us| Some(Entry::Taken { missing_us });
        let not_taken = |missing_us| Some(Entry::NotTaken { missing_us });
        assert_eq!(entry(&Value::Int(7)), taken(7));
        assert_eq!(entry(&Value::Int(0)), taken(0));
        assert_eq!(entry(&Value::Int(-1)), not_taken(0));
        assert_eq!(entry(&Value::Int(-8)), not_taken(7));
        assert_eq!(entry(&Value::Nil), None);
    }
}
