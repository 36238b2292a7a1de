//! The gate of event 1 as promises use it: short calls that fail the test on
//! trouble.

use domain::ports::{GateAnswer, GateGeneration, GateReading};

use crate::GateBench;
use crate::values::{event_id, reservation, seats, seats_of};

/// The event of promises that need only one.
const EVENT: i64 = 1;

impl GateBench {
    pub(crate) async fn open(&self, left: i64) {
        self.gate().open(seats_of(EVENT, left)).await;
    }

    /// Opens a gate that may have been closed before.
    pub(crate) async fn open_again(&self, left: i64) {
        let generation = self.read().await.generation;
        assert!(self.rebuild(left, generation).await);
    }

    pub(crate) async fn close(&self) {
        self.gate().close(event_id(EVENT)).await;
    }

    pub(crate) async fn take(&self, number: u128, count: i64) -> GateAnswer {
        let reservation = reservation(number);
        self.gate()
            .take(event_id(EVENT), reservation, seats(count))
            .await
    }

    pub(crate) async fn settle(&self, number: u128) {
        self.gate()
            .settle(event_id(EVENT), reservation(number))
            .await;
    }

    pub(crate) async fn release(&self, number: u128) {
        self.gate()
            .release(event_id(EVENT), reservation(number))
            .await;
    }

    pub(crate) async fn adjust(&self, seats: i64) {
        self.gate().adjust(event_id(EVENT), seats).await;
    }

    pub(crate) async fn raise(&self, left: i64) -> bool {
        let raised = self.gate().raise(seats_of(EVENT, left)).await;
        raised.expect("an answer")
    }

    pub(crate) async fn rebuild(&self, left: i64, generation: GateGeneration) -> bool {
        let rebuilt = self.gate().rebuild(seats_of(EVENT, left), generation).await;
        rebuilt.expect("an answer")
    }

    pub(crate) async fn read(&self) -> GateReading {
        self.read_event(EVENT).await
    }

    pub(crate) async fn read_event(&self, event: i64) -> GateReading {
        let readings = self.gate().read(&[event_id(event)]).await;
        let readings = readings.expect("an answer");
        assert_eq!(readings.len(), 1, "one answer to one question");
        readings[0].expect("the gate was reached")
    }

    /// Tokens left and leases out.
    pub(crate) async fn standing(&self) -> (Option<i64>, u64) {
        let reading = self.read().await;
        (reading.tokens, reading.leases)
    }
}
