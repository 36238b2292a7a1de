//! A pair behind a Sentinel, whose primary is lost or demoted.

use domain::ports::{GateAnswer, Probe, SeatGate};
use utsavam_tests::{RedisBehindSentinel, eventually};

use crate::support::{event, gate, reservation, seats_left, standing, take};

#[tokio::test(flavor = "multi_thread")]
async fn the_replica_that_takes_over_is_asked() {
    let mut pair = RedisBehindSentinel::start().await;
    let gate = gate(&pair.url());
    gate.open(seats_left(1, 10)).await;
    assert_eq!(take(&gate, 1, 1).await, GateAnswer::Granted);
    pair.has_told().await;

    pair.kill(0);
    assert_eq!(take(&gate, 1, 2).await, GateAnswer::Unknown);
    pair.is_primary(1).await;
    eventually("the new primary is asked", async || {
        take(&gate, 1, 3).await == GateAnswer::Granted
    })
    .await;
    assert_eq!(standing(&gate, 1).await, (Some(8), 2));
    gate.check().await.expect("it is there");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_primary_that_was_demoted_is_left() {
    let pair = RedisBehindSentinel::start().await;
    let gate = gate(&pair.url());
    gate.open(seats_left(1, 10)).await;
    assert_eq!(take(&gate, 1, 1).await, GateAnswer::Granted);
    pair.has_told().await;

    pair.swap().await;
    eventually("the new primary is asked", async || {
        take(&gate, 1, 2).await == GateAnswer::Granted
    })
    .await;
    gate.settle(event(1), reservation(1)).await;
    assert_eq!(standing(&gate, 1).await, (Some(8), 1));
    let tokens: Option<String> = pair.ask(1, &["GET", "event:1:tokens"]).await;
    assert_eq!(tokens.as_deref(), Some("8"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sentinel_that_names_a_replica_is_not_believed() {
    let pair = RedisBehindSentinel::start().await;
    pair.tell_sentinel(1).await;
    let gate = gate(&pair.url());
    gate.check().await.expect_err("it is not the primary");
    pair.tell_sentinel(0).await;
    eventually("the primary is asked", async || gate.check().await.is_ok()).await;
}
