//! What this process knows of the buckets in Redis, and the tokens that it took
//! out of them for later. Pure: asks nobody, and is told what time it is.
//!
//! A bucket in Redis only gets fuller as time passes, so an answer is good for
//! refusing: what was missing when Redis was asked, less the time since then, is
//! missing still. Whoever is refused is told when it will be there at the latest, counted from
//! the answer: Redis may have looked at any moment before. And for giving there are blocks.
//!
//! A block of k tokens that was taken t ago never holds more than k less those
//! that came since, t / token: what it holds beyond that is lost. The bucket lacks k tokens
//! less t / token for it. So all that processes hold of a bucket is never more
//! than what it lacks: bucket and blocks together are never fuller than a burst,
//! and get tokens at the policy's pace, however many processes hold some.

use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::num::NonZeroU32;

use domain::model::{LimitSubject, RateDecision, RatePolicy};
use domain::rules::{granted, refused};

/// Who calls again within this time calls often.
const OFTEN_US: u64 = 50_000;

/// Which part of a burst a block is.
const BLOCK_SHARE: u32 = 32;

/// The fewest tokens of a block.
const BLOCK_MIN: u32 = 8;

/// Buckets of which something is known, at most. Of others Redis is asked.
const KNOWN_MAX: usize = 4_096;

/// Fewer buckets than this are never searched for those to forget.
const FORGET_FROM: usize = 64;

/// How often is searched at most when there is no room.
const FORGET_EVERY_US: u64 = 1_000_000;

/// A bucket: two policies of one name with other numbers know nothing of each
/// other here, although they have one bucket in Redis.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct BucketKey {
    pub(super) policy: RatePolicy,
    pub(super) subject: LimitSubject,
}

/// By the names, which nearly always tell buckets apart: each call is hashed.
impl Hash for BucketKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.policy.name().hash(state);
        self.subject.hash(state);
    }
}

/// What becomes of a take.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It needs nobody else.
    Decided(RateDecision),
    /// Redis is to be asked, also for a block of so many tokens if that is not 0.
    Ask { block: u32 },
}

/// What Redis said.
#[derive(Debug, Clone, Copy)]
pub(super) struct Answer {
    /// When it was asked, by the clock of this process.
    pub(super) asked_at_us: u64,
    /// When it had answered, by the same clock.
    pub(super) answered_at_us: u64,
    /// What the bucket lacked at some time in between, after what was taken.
    pub(super) missing_us: u64,
    /// Tokens of the block that it gave.
    pub(super) block: u32,
}

/// All that is known of some buckets.
#[derive(Debug)]
pub(super) struct Local {
    buckets: HashMap<BucketKey, Known>,
    /// With how many buckets the next search for those to forget begins.
    forget_at: usize,
    forgot_at_us: u64,
}

#[derive(Debug, Default)]
struct Known {
    /// When Redis was last asked, or the block last gave something.
    called_at_us: u64,
    /// The bucket is not full before.
    full_at_us: u64,
    /// It is full by then, unless others take something.
    full_by_us: u64,
    block: Block,
    /// Whether a block is on its way.
    block_asked: bool,
}

/// The default is none.
#[derive(Debug, Default)]
struct Block {
    left: u32,
    /// When as many have come as it was taken with.
    over_at_us: u64,
}

/// How many tokens a block of that policy has; none where it would not be worth
/// it, because one is lost as soon as some time has passed.
///
/// A block lasts for a 32nd of the time in which a bucket fills, whatever the
/// policy: with a bound on its tokens, that of a fast policy would be over
/// before it was of any use.
fn block_size(policy: &RatePolicy) -> u32 {
    let tokens = policy.burst() / BLOCK_SHARE;
    if tokens < BLOCK_MIN { 0 } else { tokens }
}

impl Block {
    fn tokens(&self, policy: &RatePolicy, now_us: u64) -> u32 {
        let not_come = self.over_at_us.saturating_sub(now_us) / policy.token_us();
        self.left.min(u32::try_from(not_come).unwrap_or(u32::MAX))
    }
}

impl Known {
    /// Worth nothing any more.
    fn is_stale(&self, now_us: u64) -> bool {
        !self.block_asked
            && self.full_at_us <= now_us
            && self.called_at_us.saturating_add(OFTEN_US) <= now_us
    }

    fn give(
        &mut self,
        policy: &RatePolicy,
        tokens: NonZeroU32,
        now_us: u64,
    ) -> Option<RateDecision> {
        let missing_us = self.full_at_us.saturating_sub(now_us);
        // What was lost is lost for good: of what is left then, no more is given.
        self.block.left = self.block.tokens(policy, now_us);
        if let Some(left) = self.block.left.checked_sub(tokens.get()) {
            self.block.left = left;
            self.called_at_us = now_us;
            // To its owner what is held is there.
            let held_us = u64::from(left) * policy.token_us();
            return Some(granted(policy, missing_us.saturating_sub(held_us)));
        }
        let wanted_us = u64::from(tokens.get()).saturating_mul(policy.token_us());
        let is_too_much = missing_us.saturating_add(wanted_us) > policy.full_us();
        let missing_at_most_us = self.full_by_us.saturating_sub(now_us);
        is_too_much.then(|| refused(policy, tokens, missing_at_most_us))
    }
}

impl Default for Local {
    fn default() -> Self {
        Self {
            buckets: HashMap::new(),
            forget_at: FORGET_FROM,
            forgot_at_us: 0,
        }
    }
}

impl Local {
    /// Decides, or says what to ask.
    pub(super) fn decide(&mut self, key: &BucketKey, tokens: NonZeroU32, now_us: u64) -> Verdict {
        let Some(known) = self.buckets.get_mut(key) else {
            return Verdict::Ask { block: 0 };
        };
        if let Some(decision) = known.give(&key.policy, tokens, now_us) {
            return Verdict::Decided(decision);
        }
        let calls_often = now_us.saturating_sub(known.called_at_us) < OFTEN_US;
        let block = match calls_often && !known.block_asked {
            true => block_size(&key.policy),
            false => 0,
        };
        known.block_asked |= block > 0;
        known.called_at_us = now_us;
        Verdict::Ask { block }
    }

    /// Redis has answered. `asked_block` says whether a block was asked for, too.
    pub(super) fn answered(&mut self, key: &BucketKey, answer: Answer, asked_block: bool) {
        if !self.buckets.contains_key(key) && !self.has_room(answer.asked_at_us) {
            return;
        }
        let known = self.buckets.entry(key.clone()).or_default();
        known.called_at_us = known.called_at_us.max(answer.asked_at_us);
        let full_at_us = answer.asked_at_us.saturating_add(answer.missing_us);
        known.full_at_us = known.full_at_us.max(full_at_us);
        let full_by_us = answer.answered_at_us.saturating_add(answer.missing_us);
        known.full_by_us = known.full_at_us.max(full_by_us);
        if asked_block {
            known.block_asked = false;
        }
        if answer.block > 0 {
            let comes_us = u64::from(answer.block) * key.policy.token_us();
            known.block = Block {
                left: answer.block,
                over_at_us: answer.asked_at_us.saturating_add(comes_us),
            };
        }
    }

    /// Redis has not answered, and will not: a block that was asked for does not
    /// come.
    pub(super) fn failed(&mut self, key: &BucketKey) {
        if let Some(known) = self.buckets.get_mut(key) {
            known.block_asked = false;
        }
    }

    /// Whether there is room for one more, after forgetting what is worth
    /// nothing if need be.
    fn has_room(&mut self, now_us: u64) -> bool {
        let is_due = now_us.saturating_sub(self.forgot_at_us) >= FORGET_EVERY_US;
        let is_crowded = self.buckets.len() >= KNOWN_MAX;
        if self.buckets.len() >= self.forget_at && (is_due || !is_crowded) {
            self.buckets.retain(|_, known| !known.is_stale(now_us));
            self.buckets.shrink_to(2 * self.buckets.len());
            self.forget_at = (2 * self.buckets.len()).clamp(FORGET_FROM, KNOWN_MAX);
            self.forgot_at_us = now_us;
        }
        self.buckets.len() < KNOWN_MAX
    }
}

#[cfg(test)]
mod tests;
