//! Counts what the seat gate says.

use std::sync::Arc;

use async_trait::async_trait;
use domain::model::{EventId, EventSeats, ReservationId, SeatCount};
use domain::ports::{GateAnswer, GateError, GateGeneration, GateReading, SeatGate};

use crate::metrics::GateAnswers;

/// Another gate, whose answers are counted.
pub(super) struct CountedGate {
    gate: Arc<dyn SeatGate>,
    answers: GateAnswers,
}

impl CountedGate {
    pub(super) fn new(gate: Arc<dyn SeatGate>, answers: GateAnswers) -> Self {
        Self { gate, answers }
    }
}

#[async_trait]
impl SeatGate for CountedGate {
    async fn take(
        &self,
        event_id: EventId,
        reservation: ReservationId,
        seats: SeatCount,
    ) -> GateAnswer {
        let answer = self.gate.take(event_id, reservation, seats).await;
        self.answers.count(&answer);
        answer
    }

    async fn settle(&self, event_id: EventId, reservation: ReservationId) {
        self.gate.settle(event_id, reservation).await;
    }

    async fn release(&self, event_id: EventId, reservation: ReservationId) {
        self.gate.release(event_id, reservation).await;
    }

    async fn adjust(&self, event_id: EventId, seats: i64) {
        self.gate.adjust(event_id, seats).await;
    }

    async fn open(&self, event: EventSeats) {
        self.gate.open(event).await;
    }

    async fn close(&self, event_id: EventId) {
        self.gate.close(event_id).await;
    }

    async fn read(&self, event_ids: &[EventId]) -> Result<Vec<Option<GateReading>>, GateError> {
        self.gate.read(event_ids).await
    }

    async fn raise(&self, event: EventSeats) -> Result<bool, GateError> {
        self.gate.raise(event).await
    }

    async fn rebuild(
        &self,
        event: EventSeats,
        generation: GateGeneration,
    ) -> Result<bool, GateError> {
        self.gate.rebuild(event, generation).await
    }
}
