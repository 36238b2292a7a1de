//! The front of the gate: what a block in this process can grant is granted at
//! once, everything else goes to Redis through the lane.
//!
//! Whatever the blocks want Redis to know is put into the lane under their lock,
//! so that it arrives in the order in which it was decided. The lock is held for
//! a few map operations, never while anybody waits. The lane's own lock is taken
//! under it, never the other way round.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use domain::model::{EventId, ReservationId, SeatCount};
use domain::ports::GateAnswer;
use group_commit::{Load, NotDone};

use crate::block_sizes::{BLOCK_SEATS, PLENTY};
use crate::blocks::{Blocks, Key, Trim, unused};
use crate::commands::{GateCommand, Outcome};
use crate::lane::{Asked, Lane};
use crate::link::LinkError;
use crate::surroundings;

/// The lane, and the blocks that save going there.
pub(crate) struct Front {
    lane: Lane,
    blocks: Mutex<Blocks>,
}

/// A take that is at Redis: until it is answered, or nobody waits any more.
struct AtRedis<'a> {
    front: &'a Front,
    key: Key,
    /// Whether its owner will not come to end a lease.
    refused: bool,
}

impl Drop for AtRedis<'_> {
    fn drop(&mut self) {
        self.front.blocks().answered(self.key, self.refused);
    }
}

impl Front {
    pub(crate) fn new(lane: Lane, block_life: Duration, lease_ttl: Duration) -> Arc<Self> {
        let blocks = Blocks::new(block_life, lease_ttl, surroundings::now());
        Arc::new(Self {
            lane,
            blocks: Mutex::new(blocks),
        })
    }

    pub(crate) fn load(&self) -> Load {
        self.lane.load()
    }

    /// Takes from a block, or else asks Redis.
    pub(crate) async fn take(
        self: &Arc<Self>,
        event_id: EventId,
        reservation: ReservationId,
        seats: SeatCount,
    ) -> Result<Outcome, LinkError> {
        let key = (event_id, reservation);
        if self.take_from_block(key, seats) {
            return Ok(Outcome::Taken(GateAnswer::Granted));
        }
        let mut at_redis = AtRedis {
            front: self,
            key,
            refused: false,
        };
        let answer = self
            .lane
            .ask(GateCommand::Take {
                event_id,
                reservation,
                seats,
            })
            .await;
        at_redis.refused = !matches!(answer, Ok(Outcome::Taken(GateAnswer::Granted)));
        answer
    }

    fn take_from_block(self: &Arc<Self>, key: Key, seats: SeatCount) -> bool {
        let now = surroundings::now();
        let mut blocks = self.blocks();
        let taken = blocks.take(key, seats.get().into(), now);
        self.tell_of(&mut blocks, taken.trim);
        if taken.wants_block {
            self.ask_for_block(&mut blocks, key.0, now);
        }
        taken.granted
    }

    /// Asks for a block. Whoever waits for the answer then watches over the life
    /// of the block.
    fn ask_for_block(self: &Arc<Self>, blocks: &mut Blocks, event_id: EventId, now: Instant) {
        let block = ReservationId::from_random_bits(surroundings::random_bits());
        let asked = self.lane.submit(
            GateCommand::Block {
                event_id,
                block,
                seats: BLOCK_SEATS,
                plenty: PLENTY,
            },
            now,
            None,
        );
        let Ok(asked) = asked else { return };
        blocks.wanted(event_id, block);
        let front = Arc::clone(self);
        self.lane.runtime().spawn(async move {
            if let Some(ends_at) = front.receive(event_id, block, asked, now).await {
                // A gate that is dropped is not held by its blocks.
                let front_later = Arc::downgrade(&front);
                drop(front);
                surroundings::sleep_until(ends_at).await;
                if let Some(front) = front_later.upgrade() {
                    let mut blocks = front.blocks();
                    let trims = blocks.end_due(surroundings::now());
                    front.tell_of(&mut blocks, trims);
                }
            }
        });
    }

    async fn receive(
        &self,
        event_id: EventId,
        block: ReservationId,
        asked: Asked,
        asked_at: Instant,
    ) -> Option<Instant> {
        let answer = asked.await;
        let mut blocks = self.blocks();
        let ends_at = match answer {
            Ok(Outcome::Taken(GateAnswer::Granted)) => blocks.granted(event_id, block, asked_at),
            Ok(Outcome::Taken(_)) | Err(NotDone::NotRun(_)) => {
                blocks.refused(event_id, block);
                return None;
            }
            // Nobody knows, so perhaps it is leased.
            Ok(Outcome::Done | Outcome::Failed) | Err(NotDone::Lost) => {
                blocks.refused(event_id, block);
                None
            }
        };
        if ends_at.is_none() {
            self.tell_of(&mut blocks, [unused(event_id, block)]);
        }
        ends_at
    }

    /// Ends a lease whose seats are spent.
    pub(crate) fn settle(
        &self,
        event_id: EventId,
        reservation: ReservationId,
    ) -> Result<(), LinkError> {
        let mut blocks = self.blocks();
        match blocks.settle((event_id, reservation)) {
            Some(trim) => self.tell_of(&mut blocks, trim),
            None => self.lane.tell(GateCommand::Settle {
                event_id,
                reservation,
            })?,
        }
        Ok(())
    }

    /// Ends a lease whose seats go back.
    pub(crate) async fn release(
        &self,
        event_id: EventId,
        reservation: ReservationId,
    ) -> Result<(), LinkError> {
        let asked = {
            let mut blocks = self.blocks();
            let now = surroundings::now();
            let command = match blocks.release((event_id, reservation), now) {
                Some(None) => return Ok(()),
                // It is told until Redis has heard it; the wait has an end.
                Some(Some(trim)) => {
                    self.tell_of(&mut blocks, [trim]);
                    GateCommand::Catch(Some(event_id))
                }
                None => GateCommand::Release {
                    event_id,
                    reservation,
                },
            };
            self.lane.submit_soon(command, now)?
        };
        self.lane.answer(asked).await.map(drop)
    }

    /// Asks for something that changes more than bookings do. What nobody is to
    /// take any more is not left in blocks.
    pub(crate) async fn ask(&self, command: GateCommand) -> Result<(), LinkError> {
        let asked = {
            let mut blocks = self.blocks();
            let ends = match command {
                GateCommand::Close(event_id) => Some(event_id),
                GateCommand::Adjust { event_id, seats } if seats < 0 => Some(event_id),
                _ => None,
            };
            if let Some(event_id) = ends {
                let trims = blocks.end_event(event_id);
                self.tell_of(&mut blocks, trims);
            }
            self.lane.submit_soon(command, surroundings::now())?
        };
        self.lane.answer(asked).await.map(drop)
    }

    /// Puts blocks of these events back, and waits until everything that was
    /// asked or told before is done, be it in vain.
    pub(crate) async fn catch_up(&self, event_ids: &[EventId]) -> Result<(), LinkError> {
        {
            let mut blocks = self.blocks();
            if !blocks.is_empty() {
                let mut trims = blocks.end_due(surroundings::now());
                trims.extend(event_ids.iter().flat_map(|id| blocks.end_event(*id)));
                self.tell_of(&mut blocks, trims);
            }
        }
        self.lane.catch_up(event_ids).await
    }

    /// Takes nothing any more, and waits until all that was taken is done.
    pub(crate) async fn drain(&self) {
        {
            let mut blocks = self.blocks();
            let trims = blocks.end_all();
            self.tell_of(&mut blocks, trims);
        }
        self.lane.drain().await;
    }

    /// Under the lock of the blocks, hence in the order in which it was decided.
    fn tell_of(&self, blocks: &mut Blocks, trims: impl IntoIterator<Item = Trim>) {
        for trim in trims {
            if let Err(error) = self.lane.tell_of(trim) {
                tracing::debug!(%error, event_id = %trim.event_id, "a block is left to run out");
                blocks.forget(trim.block);
            }
        }
    }

    /// No method of [`Blocks`] panics halfway through a change.
    fn blocks(&self) -> MutexGuard<'_, Blocks> {
        self.blocks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Front {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Front")
            .field("lane", &self.lane)
            .finish_non_exhaustive()
    }
}
