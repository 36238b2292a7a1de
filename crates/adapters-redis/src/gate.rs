//! The seat gate's methods. What they do to Redis is in `src/lua`; how long
//! they wait for it and when they go around it is in `link`.

use std::fmt;

use async_trait::async_trait;
use deadpool_redis::redis;
use domain::model::{EventId, EventSeats, ReservationId, SeatCount};
use domain::ports::{
    GateAnswer, GateError, GateGeneration, GateReading, Probe, ProbeError, SeatGate,
};

use crate::link::{Link, LinkError};
use crate::scripts::{Call, Scripts, gate_answer};
use crate::settings::{ConnectError, GateSettings};

/// A seat gate that all processes share, on Redis 7 or newer.
///
/// The tokens of event 1 are the plain integer `event:1:tokens`, which
/// operators may read, set or delete at any time.
///
/// Redis is never a reason to fail. After a failure the gate goes around it for
/// [`GateSettings::cool_down`]: [`take`](SeatGate::take) answers
/// [`GateAnswer::Unknown`] at once and the methods without a result do nothing.
/// Then one caller tries it again. [`read`](SeatGate::read),
/// [`raise`](SeatGate::raise) and [`rebuild`](SeatGate::rebuild) try it each
/// time, so that where they are called once a second no buyer ever waits for a
/// Redis that is away. A Redis that answers, if only with an error, is there.
///
/// A bucket lives for five minutes after it was last made, set or, when half of
/// them are over, read. So that of a deleted event leaves even if
/// [`close`](SeatGate::close) never arrived.
///
/// Connections live in the runtime that first used them: use the gate on one
/// multi-thread runtime that lasts as long as the program.
pub struct RedisSeatGate {
    link: Link,
    scripts: Scripts,
    settings: GateSettings,
}

impl RedisSeatGate {
    /// A gate on the Redis at `url`, such as `redis://localhost:6379/0`. Makes
    /// no connection: Redis may still be away.
    ///
    /// # Errors
    /// The URL is not one of Redis or asks for TLS, or a setting cannot work.
    pub fn try_new(url: &str, settings: GateSettings) -> Result<Self, ConnectError> {
        Ok(Self {
            link: Link::try_new(url, &settings)?,
            scripts: Scripts::new(),
            settings,
        })
    }

    /// Makes a call whose answer nobody needs. The link logs a failure.
    async fn tell(&self, call: Call<'_>) {
        let told = self
            .link
            .ask(|mut redis| async move { call.run::<()>(&mut redis).await })
            .await;
        if let Err(error) = told {
            tracing::debug!(%error, "the seat gate was not told");
        }
    }

    async fn try_take(&self, call: Call<'_>) -> Result<GateAnswer, LinkError> {
        self.link
            .ask(|mut redis| async move { gate_answer(call.run(&mut redis).await?) })
            .await
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
        let lease_ttl = self.settings.lease_ttl;
        self.try_take(self.scripts.take(event_id, reservation, seats, lease_ttl))
            .await
            .unwrap_or_else(|error| {
                tracing::debug!(%error, %event_id, "the seat gate was not asked");
                GateAnswer::Unknown
            })
    }

    async fn settle(&self, event_id: EventId, reservation: ReservationId) {
        self.tell(self.scripts.settle(event_id, reservation)).await;
    }

    async fn release(&self, event_id: EventId, reservation: ReservationId) {
        self.tell(self.scripts.release(event_id, reservation)).await;
    }

    async fn adjust(&self, event_id: EventId, seats: i64) {
        self.tell(self.scripts.adjust(event_id, seats)).await;
    }

    async fn open(&self, event: EventSeats) {
        self.tell(self.scripts.open(event)).await;
    }

    async fn close(&self, event_id: EventId) {
        self.tell(self.scripts.close(event_id)).await;
    }

    async fn read(&self, event_ids: &[EventId]) -> Result<Vec<GateReading>, GateError> {
        if event_ids.is_empty() {
            return Ok(Vec::new());
        }
        self.link
            .insist(|redis| self.scripts.read(event_ids, redis))
            .await
            .map_err(|error| GateError(error.into()))
    }

    async fn raise(&self, event: EventSeats) -> Result<bool, GateError> {
        let call = self.scripts.raise(event);
        self.link
            .insist(|mut redis| async move { call.run(&mut redis).await })
            .await
            .map_err(|error| GateError(error.into()))
    }

    async fn rebuild(
        &self,
        event: EventSeats,
        generation: GateGeneration,
    ) -> Result<bool, GateError> {
        let call = self.scripts.rebuild(event, generation);
        self.link
            .insist(|mut redis| async move { call.run(&mut redis).await })
            .await
            .map_err(|error| GateError(error.into()))
    }
}

#[async_trait]
impl Probe for RedisSeatGate {
    async fn check(&self) -> Result<(), ProbeError> {
        self.link
            .ask(|mut connection| async move {
                redis::cmd("PING").exec_async(&mut connection).await
            })
            .await
            .map_err(|error| ProbeError(error.into()))
    }
}

impl fmt::Debug for RedisSeatGate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisSeatGate")
            .field("link", &self.link)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}
