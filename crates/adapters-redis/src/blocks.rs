//! Which tokens this process has leased as blocks, and to whom it gave them. Pure:
//! asks nobody, waits for nothing, and is told what time it is.
//!
//! A block is a lease in Redis for many seats at once. Each of its seats is
//! free, under way (given to a reservation), or spent. What Redis should know
//! of that is a [`Trim`], which the owner sends in the order in which it gets
//! them.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::{Duration, Instant};

use domain::model::{EventId, ReservationId};

use crate::block_sizes::{BLOCK_SEATS, CROWD, SEATS_MAX};

/// A reservation of an event. The same one may be used at several events.
pub(crate) type Key = (EventId, ReservationId);

/// Tells Redis how much of a block is still leased.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Trim {
    pub(crate) event_id: EventId,
    pub(crate) block: ReservationId,
    /// Seats leased according to Redis. If it is another number there, or there
    /// is no lease, nothing happens: so repeating does nothing.
    pub(crate) from: i64,
    /// Seats leased from now on; at 0 the lease ends.
    pub(crate) to: i64,
    /// Seats that go back. The rest of the difference is spent.
    pub(crate) back: i64,
}

/// What becomes of a take.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Taken {
    /// Whether a block granted it; otherwise Redis is to be asked.
    pub(crate) granted: bool,
    /// A block that has too little left.
    pub(crate) trim: Option<Trim>,
    /// Whether to take a block now.
    pub(crate) wants_block: bool,
}

/// All blocks of one gate object.
#[derive(Debug)]
pub(crate) struct Blocks {
    life: Duration,
    lease_ttl: Duration,
    /// Those with a block to take from or one asked for, or with takes at Redis.
    events: BTreeMap<EventId, Event>,
    /// In an order of their own, so that the same happens each time.
    blocks: BTreeMap<ReservationId, Block>,
    /// What blocks gave and nobody settled or released.
    given: HashMap<Key, Share>,
    /// Who may have a lease of their own in Redis: asking again, they must not
    /// get another out of a block.
    asked: Recent,
}

#[derive(Debug, Default)]
struct Event {
    /// Takes that are at Redis.
    asking: usize,
    live: Option<ReservationId>,
    /// Asked for and not answered yet.
    wanted: Option<ReservationId>,
    /// The one that follows the live one.
    next: Option<ReservationId>,
}

impl Event {
    fn is_idle(&self) -> bool {
        self.asking == 0 && self.live.or(self.wanted).or(self.next).is_none()
    }
}

#[derive(Debug)]
struct Block {
    event_id: EventId,
    /// What Redis believes to be leased.
    leased: i64,
    free: i64,
    under_way: i64,
    /// Whether it still gives.
    live: bool,
    ends_at: Instant,
    /// When nobody is waited for any more.
    given_up_at: Instant,
}

#[derive(Debug)]
struct Share {
    block: ReservationId,
    seats: i64,
}

/// Keys of the last while: those that nobody removes leave after one to two
/// leases.
#[derive(Debug)]
struct Recent {
    young: HashSet<Key>,
    old: HashSet<Key>,
    turns_at: Instant,
}

impl Blocks {
    /// No blocks. One gives for `life` at most, and whoever was given seats may
    /// keep them for `lease_ttl` after that.
    pub(crate) fn new(life: Duration, lease_ttl: Duration, now: Instant) -> Self {
        Self {
            life,
            lease_ttl,
            events: BTreeMap::new(),
            blocks: BTreeMap::new(),
            given: HashMap::new(),
            asked: Recent {
                young: HashSet::new(),
                old: HashSet::new(),
                turns_at: now + lease_ttl,
            },
        }
    }

    /// Takes from a block. What is not granted counts as asked of Redis, until
    /// [`answered`](Self::answered).
    pub(crate) fn take(&mut self, key: Key, seats: i64, now: Instant) -> Taken {
        let mut taken = Taken {
            granted: self.given.contains_key(&key),
            trim: None,
            wants_block: false,
        };
        if taken.granted {
            return taken;
        }
        let may_share = seats <= SEATS_MAX && !self.asked.contains(&key);
        if may_share {
            taken.trim = self.leave_behind(key.0, seats, now);
            taken.granted = self.give(key, seats, now);
        }
        if !taken.granted {
            self.asked.insert(key, now, self.lease_ttl);
            self.events.entry(key.0).or_default().asking += 1;
        }
        taken.wants_block = may_share && self.wants_block(key.0);
        taken
    }

    /// Ends the live block if it is over or has too little, and begins the next.
    fn leave_behind(&mut self, event_id: EventId, seats: i64, now: Instant) -> Option<Trim> {
        let event = self.events.get_mut(&event_id)?;
        let live = event.live?;
        let block = self.blocks.get(&live)?;
        if now < block.ends_at && block.free >= seats {
            return None;
        }
        event.live = event.next.take();
        self.retire(live)
    }

    fn give(&mut self, key: Key, seats: i64, now: Instant) -> bool {
        let Some(id) = self.events.get(&key.0).and_then(|event| event.live) else {
            return false;
        };
        let Some(block) = self.blocks.get_mut(&id) else {
            return false;
        };
        if now >= block.ends_at || block.free < seats {
            return false;
        }
        block.free -= seats;
        block.under_way += seats;
        self.given.insert(key, Share { block: id, seats });
        true
    }

    fn wants_block(&self, event_id: EventId) -> bool {
        let Some(event) = self.events.get(&event_id) else {
            return false;
        };
        if event.wanted.or(event.next).is_some() {
            return false;
        }
        match event.live.and_then(|live| self.blocks.get(&live)) {
            Some(live) => live.free <= BLOCK_SEATS / 2,
            None => event.asking >= CROWD,
        }
    }

    /// Redis has answered a take, or will not. Who was not granted anything does
    /// not come to end a lease, so nobody would ever remove its name.
    pub(crate) fn answered(&mut self, key: Key, refused: bool) {
        if refused {
            self.asked.remove(&key);
        }
        if let Some(event) = self.events.get_mut(&key.0) {
            event.asking = event.asking.saturating_sub(1);
            self.drop_if_idle(key.0);
        }
    }

    /// A block is being asked for.
    pub(crate) fn wanted(&mut self, event_id: EventId, block: ReservationId) {
        self.events.entry(event_id).or_default().wanted = Some(block);
    }

    /// A block that was asked for is not granted.
    pub(crate) fn refused(&mut self, event_id: EventId, block: ReservationId) {
        if let Some(event) = self.events.get_mut(&event_id)
            && event.wanted == Some(block)
        {
            event.wanted = None;
            self.drop_if_idle(event_id);
        }
    }

    /// A block is leased. Returns until when it gives, unless it was given up
    /// before it came.
    pub(crate) fn granted(
        &mut self,
        event_id: EventId,
        block: ReservationId,
        asked_at: Instant,
    ) -> Option<Instant> {
        let event = self.events.get_mut(&event_id)?;
        if event.wanted != Some(block) {
            return None;
        }
        event.wanted = None;
        match event.live {
            None => event.live = Some(block),
            Some(_) => event.next = Some(block),
        }
        let ends_at = asked_at + self.life;
        self.blocks.insert(
            block,
            Block {
                event_id,
                leased: BLOCK_SEATS,
                free: BLOCK_SEATS,
                under_way: 0,
                live: true,
                ends_at,
                given_up_at: ends_at + self.lease_ttl,
            },
        );
        Some(ends_at)
    }

    /// The seats are spent. `None` when no block gave them, otherwise what
    /// Redis has to hear, if anything.
    pub(crate) fn settle(&mut self, key: Key) -> Option<Option<Trim>> {
        let Some(share) = self.given.remove(&key) else {
            self.asked.remove(&key);
            return None;
        };
        let block = self.blocks.get_mut(&share.block)?;
        block.under_way -= share.seats;
        let done = !block.live && block.under_way == 0;
        Some(if done { self.trim(share.block) } else { None })
    }

    /// The seats go back to their block, or with it to Redis. Answers as
    /// [`settle`](Self::settle).
    pub(crate) fn release(&mut self, key: Key, now: Instant) -> Option<Option<Trim>> {
        let Some(share) = self.given.remove(&key) else {
            self.asked.remove(&key);
            return None;
        };
        let block = self.blocks.get_mut(&share.block)?;
        block.under_way -= share.seats;
        block.free += share.seats;
        let gives = block.live && now < block.ends_at;
        Some(if gives { None } else { self.end(share.block) })
    }

    /// Ends the blocks of an event, one that is on its way included. What is
    /// under way stays leased.
    pub(crate) fn end_event(&mut self, event_id: EventId) -> Vec<Trim> {
        let mut trims = Vec::new();
        if let Some(event) = self.events.get_mut(&event_id) {
            // It is behind the question in the lane: if that was granted, this
            // undoes it, or else does nothing.
            trims.extend(event.wanted.take().map(|block| unused(event_id, block)));
        }
        let blocks: Vec<_> = self.of_event(event_id).collect();
        trims.extend(blocks.into_iter().filter_map(|block| self.end(block)));
        self.drop_if_idle(event_id);
        trims
    }

    /// Ends all blocks.
    pub(crate) fn end_all(&mut self) -> Vec<Trim> {
        let mut event_ids: Vec<_> = self.events.keys().copied().collect();
        event_ids.extend(self.blocks.values().map(|block| block.event_id));
        event_ids
            .into_iter()
            .flat_map(|event_id| self.end_event(event_id))
            .collect()
    }

    /// Ends blocks that have given for long enough, and leases under somebody who
    /// has not come back for as long as a lease may last. Redis would let the
    /// latter go on: it counts from the last trim.
    pub(crate) fn end_due(&mut self, now: Instant) -> Vec<Trim> {
        let due: Vec<_> = self
            .blocks
            .iter()
            .filter(|(_, block)| block.live && now >= block.ends_at)
            .map(|(id, _)| *id)
            .collect();
        let mut trims: Vec<_> = due
            .into_iter()
            .filter_map(|block| self.end(block))
            .collect();
        let given_up = self.remove_if(|_, block| now >= block.given_up_at);
        // Only the store knows whether seats under way were sold, so they count
        // as spent: as those of any lease that runs out.
        trims.extend(given_up.into_iter().map(|(id, block)| Trim {
            event_id: block.event_id,
            block: id,
            from: block.leased,
            to: 0,
            back: block.free,
        }));
        trims
    }

    /// Forgets a block of which Redis cannot be told: its lease runs out by
    /// itself.
    pub(crate) fn forget(&mut self, id: ReservationId) {
        self.remove_if(|block, _| *block == id);
    }

    /// Removes blocks and what they have given.
    fn remove_if(
        &mut self,
        is_over: impl Fn(&ReservationId, &Block) -> bool,
    ) -> BTreeMap<ReservationId, Block> {
        let over: BTreeMap<_, _> = self
            .blocks
            .extract_if(.., |id, block| is_over(id, block))
            .collect();
        if !over.is_empty() {
            self.given
                .retain(|_, share| !over.contains_key(&share.block));
        }
        for (id, block) in &over {
            self.take_down(block.event_id, *id);
        }
        over
    }

    /// Ends a block now, if it has not ended.
    fn end(&mut self, id: ReservationId) -> Option<Trim> {
        let event_id = self.blocks.get(&id)?.event_id;
        self.take_down(event_id, id);
        self.retire(id)
    }

    /// Nobody is to take from this block any more.
    fn take_down(&mut self, event_id: EventId, id: ReservationId) {
        let Some(event) = self.events.get_mut(&event_id) else {
            return;
        };
        if event.next == Some(id) {
            event.next = None;
        }
        if event.live == Some(id) {
            event.live = event.next.take();
        }
        self.drop_if_idle(event_id);
    }

    fn retire(&mut self, id: ReservationId) -> Option<Trim> {
        self.blocks.get_mut(&id)?.live = false;
        self.trim(id)
    }

    /// Leaves leased what is under way, and drops a block that has nothing.
    fn trim(&mut self, id: ReservationId) -> Option<Trim> {
        let block = self.blocks.get_mut(&id)?;
        let trim = Trim {
            event_id: block.event_id,
            block: id,
            from: block.leased,
            to: block.under_way,
            back: std::mem::take(&mut block.free),
        };
        block.leased = block.under_way;
        if trim.to == 0 {
            self.blocks.remove(&id);
        }
        (trim.from != trim.to).then_some(trim)
    }

    fn of_event(&self, event_id: EventId) -> impl Iterator<Item = ReservationId> {
        self.blocks
            .iter()
            .filter(move |(_, block)| block.event_id == event_id)
            .map(|(id, _)| *id)
    }

    fn drop_if_idle(&mut self, event_id: EventId) {
        if self.events.get(&event_id).is_some_and(Event::is_idle) {
            self.events.remove(&event_id);
        }
    }

    /// Whether there is a block, or one on its way.
    pub(crate) fn is_empty(&self) -> bool {
        self.blocks.is_empty() && self.events.values().all(|event| event.wanted.is_none())
    }
}

/// Gives back a block that nobody took from.
pub(crate) fn unused(event_id: EventId, block: ReservationId) -> Trim {
    Trim {
        event_id,
        block,
        from: BLOCK_SEATS,
        to: 0,
        back: BLOCK_SEATS,
    }
}

impl Recent {
    fn contains(&self, key: &Key) -> bool {
        self.young.contains(key) || self.old.contains(key)
    }

    fn insert(&mut self, key: Key, now: Instant, stay: Duration) {
        if now >= self.turns_at {
            self.old = std::mem::take(&mut self.young);
            self.turns_at = now + stay;
        }
        self.young.insert(key);
    }

    fn remove(&mut self, key: &Key) {
        if !self.young.remove(key) {
            self.old.remove(key);
        }
    }
}

// By its path, as the simulation has this file elsewhere among its modules.
#[cfg(test)]
#[path = "blocks/tests.rs"]
mod tests;
