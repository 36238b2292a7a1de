//! The seat gate's methods. What they do to Redis is in `src/lua`; how long
//! they wait for it and when they go around it is in `link`.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use domain::model::{EventId, EventSeats, ReservationId, SeatCount};
use domain::ports::{
    GateAnswer, GateError, GateGeneration, GateReading, Probe, ProbeError, SeatGate,
};
use group_commit::{Load, Observer};

use crate::commands::{GateCommand, Outcome};
use crate::front::Front;
use crate::lane::Lane;
use crate::link::LinkError;
use crate::nodes::Nodes;
use crate::scripts::{Call, Scripts};
use crate::settings::{ConnectError, GateSettings};

/// How long a block gives: what several processes hold back is back before
/// anybody notices.
const BLOCK_LIFE: Duration = Duration::from_millis(100);

/// A seat gate that all processes share, on Redis 7 or newer.
///
/// The tokens of event 1 are the plain integer `event:1:tokens`, which
/// operators may read, set or delete at any time.
///
/// Redis is never a reason to fail. After a failure the gate goes around it for
/// [`GateSettings::cool_down`]: [`take`](SeatGate::take) answers
/// [`GateAnswer::Unknown`] at once and the methods without a result do nothing,
/// but for seats of a block (see below).
/// Then one caller tries it again. [`read`](SeatGate::read),
/// [`raise`](SeatGate::raise) and [`rebuild`](SeatGate::rebuild) try it each
/// time, so that where they are called once a second no buyer ever waits for a
/// Redis that is away. A Redis that answers, if only with an error, is there.
///
/// A bucket lives for five minutes after it was last made, set or, when half of
/// them are over, read. So that of a deleted event leaves even if
/// [`close`](SeatGate::close) never arrived.
///
/// Commands that come at the same time share a round trip: what is asked while
/// a batch is under way is the next one. Each waits for the batch before its
/// own at most for [`GateSettings::response_timeout`], and for its own as long
/// again ([`GateSettings::connect_timeout`] more if it has to connect).
///
/// While plenty of tokens is left, a crowd at one event is served from blocks:
/// leases for many seats, of which this process gives without asking Redis.
/// [`read`](SeatGate::read), [`raise`](SeatGate::raise) and
/// [`rebuild`](SeatGate::rebuild) put the blocks of their events back first.
/// What Redis does not hear of a block, whatever the reason, it is told as soon as
/// it listens again.
///
/// Batches run on the runtime in which the gate was made, or else on the one
/// from which it was first asked. That one must last as long as the gate: make
/// it on the program's main runtime, and ask it from any.
/// [`read`](SeatGate::read), [`raise`](SeatGate::raise),
/// [`rebuild`](SeatGate::rebuild) and [`check`](Probe::check) use connections
/// that live in the runtime which first used them: call them on the main one.
pub struct RedisSeatGate {
    nodes: Arc<Nodes>,
    scripts: Arc<Scripts>,
    front: Arc<Front>,
    settings: GateSettings,
}

impl RedisSeatGate {
    /// A gate on the Redis at `url`, such as `redis://localhost:6379/0`. For a
    /// cluster some of its nodes, `redis+cluster://one:6379,two:6379`; behind
    /// Sentinels these and what they call the primary,
    /// `redis+sentinel://one:26379,two:26379/mymaster/0`. With `rediss` instead of
    /// `redis` for TLS: with certificates that are signed
    /// by one of the system's authorities, or by one in the file that
    /// `?sslrootcert=` names. Makes no connection: Redis may still be away.
    ///
    /// # Errors
    /// The URL is not one of Redis, its file of certificates is of no use, or a
    /// setting cannot work.
    pub fn try_new(url: &str, settings: GateSettings) -> Result<Self, ConnectError> {
        Self::try_with(url, settings, BLOCK_LIFE, None)
    }

    /// As [`try_new`](Self::try_new), with somebody who is told of each round trip
    /// that is made for many.
    ///
    /// # Errors
    /// As [`try_new`](Self::try_new).
    pub fn try_observed(
        url: &str,
        settings: GateSettings,
        observer: Arc<dyn Observer>,
    ) -> Result<Self, ConnectError> {
        Self::try_with(url, settings, BLOCK_LIFE, Some(observer))
    }

    /// As [`try_new`](Self::try_new), with blocks that give for so long instead
    /// of 100 ms.
    ///
    /// # Errors
    /// As [`try_new`](Self::try_new).
    pub fn try_with_block_life(
        url: &str,
        settings: GateSettings,
        block_life: Duration,
    ) -> Result<Self, ConnectError> {
        Self::try_with(url, settings, block_life, None)
    }

    fn try_with(
        url: &str,
        settings: GateSettings,
        block_life: Duration,
        observer: Option<Arc<dyn Observer>>,
    ) -> Result<Self, ConnectError> {
        let nodes = Arc::new(Nodes::try_new(url, &settings)?);
        let scripts = Scripts::shared();
        let lane = Lane::new(
            Arc::clone(&nodes),
            Arc::clone(&scripts),
            &settings,
            observer,
        );
        Ok(Self {
            front: Front::new(lane, block_life, settings.lease_ttl),
            nodes,
            scripts,
            settings,
        })
    }

    /// Waits until everything that this gate was told is done, settling above
    /// all, and takes nothing any more. For the end of the program.
    pub async fn drain(&self) {
        self.front.drain().await;
    }

    /// How many commands wait for Redis, and whether it is being asked.
    pub fn load(&self) -> Load {
        self.front.load()
    }

    /// Whether Redis, or a node of a cluster, is being gone around because it did
    /// not answer.
    pub fn is_gone_around(&self) -> bool {
        self.nodes.is_gone_around()
    }

    /// The same Redis for other batches, and how long it is waited for.
    pub(crate) fn nodes_beside(&self) -> (Nodes, Duration) {
        (self.nodes.beside(), self.settings.response_timeout)
    }

    /// Asks for something whose answer nobody needs, and waits until it is done.
    async fn ask_for(&self, command: GateCommand) {
        if let Err(error) = self.front.ask(command).await {
            tracing::debug!(%error, "the seat gate was not told");
        }
    }

    /// Asks once everything that this gate was told before is done, so that the
    /// answer shows it.
    async fn after_all<T>(
        &self,
        event_ids: &[EventId],
        asked: impl Future<Output = Result<T, LinkError>>,
    ) -> Result<T, GateError> {
        let answer = match self.front.catch_up(event_ids).await {
            Ok(()) => asked.await,
            Err(error) => Err(error),
        };
        answer.map_err(|error| GateError(error.into()))
    }

    async fn mend(&self, event_id: EventId, call: Call<'_>) -> Result<bool, GateError> {
        self.after_all(&[event_id], self.nodes.call(call)).await
    }
}

#[async_trait]
impl SeatGate for RedisSeatGate {
    async fn take(
        &self,
        event_id: EventId,
        reservation: ReservationId,
        seats: SeatCount,
    ) -> GateAnswer {
        match self.front.take(event_id, reservation, seats).await {
            Ok(Outcome::Taken(answer)) => answer,
            Ok(Outcome::Done | Outcome::Failed) => GateAnswer::Unknown,
            Err(error) => {
                tracing::debug!(%error, %event_id, "the seat gate was not asked");
                GateAnswer::Unknown
            }
        }
    }

    async fn settle(&self, event_id: EventId, reservation: ReservationId) {
        if let Err(error) = self.front.settle(event_id, reservation) {
            tracing::debug!(%error, %event_id, "a lease is left to run out");
        }
    }

    async fn release(&self, event_id: EventId, reservation: ReservationId) {
        if let Err(error) = self.front.release(event_id, reservation).await {
            tracing::debug!(%error, %event_id, "a lease may be left to run out");
        }
    }

    async fn adjust(&self, event_id: EventId, seats: i64) {
        self.ask_for(GateCommand::Adjust { event_id, seats }).await;
    }

    async fn open(&self, event: EventSeats) {
        self.ask_for(GateCommand::Open(event)).await;
    }

    async fn close(&self, event_id: EventId) {
        self.ask_for(GateCommand::Close(event_id)).await;
    }

    async fn read(&self, event_ids: &[EventId]) -> Result<Vec<Option<GateReading>>, GateError> {
        if event_ids.is_empty() {
            return Ok(Vec::new());
        }
        self.after_all(event_ids, self.nodes.read(&self.scripts, event_ids))
            .await
    }

    async fn raise(&self, event: EventSeats) -> Result<bool, GateError> {
        self.mend(event.event_id, self.scripts.raise(event)).await
    }

    async fn rebuild(
        &self,
        event: EventSeats,
        generation: GateGeneration,
    ) -> Result<bool, GateError> {
        let call = self.scripts.rebuild(event, generation);
        self.mend(event.event_id, call).await
    }
}

#[async_trait]
impl Probe for RedisSeatGate {
    async fn check(&self) -> Result<(), ProbeError> {
        let checked = self.nodes.check().await;
        checked.map_err(|error| ProbeError(error.into()))
    }
}

impl fmt::Debug for RedisSeatGate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisSeatGate")
            .field("nodes", &self.nodes)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}
