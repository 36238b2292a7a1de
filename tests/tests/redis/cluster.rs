//! A cluster that loses a node, gets one more, or moves slots.

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use adapters_redis::{GateSettings, RedisRateLimiter, RedisSeatGate};
use domain::model::{LimitSubject, RatePolicy};
use domain::ports::{GateAnswer, Probe, RateLimiter, SeatGate};
use futures::future::join_all;
use utsavam_tests::{RedisCluster, eventually};

use crate::support::{event, gate, look, reservation, seats_left, settings, standing, take};

/// An event at each node, in their order.
pub(crate) async fn one_each(cluster: &RedisCluster) -> [i64; RedisCluster::NODES] {
    let mut found = [0; RedisCluster::NODES];
    let mut id = 0;
    while found.contains(&0) {
        id += 1;
        found[cluster.node_of(id).await] = id;
    }
    found
}

pub(crate) async fn open_all(gate: &RedisSeatGate, events: &[i64]) {
    for id in events {
        gate.open(seats_left(*id, 10)).await;
        assert_eq!(standing(gate, *id).await, (Some(10), 0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_dies_is_missed_by_its_own_events_alone() {
    let mut cluster = RedisCluster::start().await;
    let [lost, kept, _] = one_each(&cluster).await;
    let gate = gate(&cluster.url());
    open_all(&gate, &[lost, kept]).await;
    gate.check().await.expect("all are there");

    cluster.kill(0);
    assert_eq!(take(&gate, lost, 1).await, GateAnswer::Unknown);
    for bits in 1..=5 {
        assert_eq!(take(&gate, kept, bits).await, GateAnswer::Granted);
        assert_eq!(take(&gate, lost, bits).await, GateAnswer::Unknown);
    }
    let readings = gate.read(&[event(kept), event(lost)]).await;
    let readings = readings.expect("one of both is reached");
    assert_eq!(readings[0].and_then(|reading| reading.tokens), Some(5));
    assert_eq!(readings[1], None);
    look_fails(&gate, lost).await;
    gate.check().await.expect_err("one is not there");
    assert!(gate.is_gone_around());

    cluster.start_again(0).await;
    eventually("the node is asked again", async || {
        look(&gate, lost).await.is_some() && !gate.is_gone_around()
    })
    .await;
    assert_eq!(standing(&gate, lost).await, (None, 0), "it forgot all");
    let reading = look(&gate, lost).await.expect("it is reached");
    let rebuilt = gate.rebuild(seats_left(lost, 7), reading.generation).await;
    assert!(rebuilt.expect("it is reached"));
    assert_eq!(take(&gate, lost, 9).await, GateAnswer::Granted);
    assert_eq!(standing(&gate, lost).await, (Some(6), 1));
    gate.check().await.expect("all are there");
}

async fn look_fails(gate: &RedisSeatGate, event_id: i64) {
    let error = gate.read(&[event(event_id)]).await.expect_err("not there");
    assert_eq!(error.to_string(), "the seat gate did not answer");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_node_keeps_no_other_event_waiting() {
    let cluster = RedisCluster::start().await;
    let [silent, kept, _] = one_each(&cluster).await;
    let gate = gate(&cluster.url());
    open_all(&gate, &[silent, kept]).await;

    cluster.signal(0, "STOP");
    let start = Instant::now();
    let waiting = take(&gate, silent, 1);
    let going_on = async {
        for bits in 1..=10 {
            assert_eq!(take(&gate, kept, bits).await, GateAnswer::Granted);
        }
        start.elapsed()
    };
    let (answer, went_on_for) = tokio::join!(waiting, going_on);
    let waited_for = start.elapsed();
    cluster.signal(0, "CONT");
    assert_eq!(answer, GateAnswer::Unknown);
    let timeout = settings().response_timeout;
    assert!(went_on_for < timeout, "{went_on_for:?}");
    assert!(waited_for >= timeout, "{waited_for:?}");
    eventually("the node is asked again", async || {
        take(&gate, silent, 2).await == GateAnswer::Granted
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slot_that_moves_takes_its_commands_along_once_each() {
    let mut cluster = RedisCluster::start().await;
    let [moving, ..] = one_each(&cluster).await;
    let to = cluster.add().await;
    let gate = gate(&cluster.url());
    open_all(&gate, &[moving]).await;
    gate.adjust(event(moving), 5).await;
    assert_eq!(take(&gate, moving, 1).await, GateAnswer::Granted);

    cluster.begin_to_move(moving, 0, to).await;
    // The node that is asked first sends on to one of which nobody has heard.
    gate.adjust(event(moving), 5).await;
    assert_eq!(take(&gate, moving, 2).await, GateAnswer::Granted);
    assert_eq!(standing(&gate, moving).await, (Some(18), 2));

    cluster.end_move(moving, to).await;
    gate.adjust(event(moving), 5).await;
    assert_eq!(take(&gate, moving, 3).await, GateAnswer::Granted);
    gate.release(event(moving), reservation(2)).await;
    assert_eq!(standing(&gate, moving).await, (Some(23), 2));
    assert_eq!(cluster.node_of(moving).await, to);
    assert_eq!(cluster.tokens(moving).await.as_deref(), Some("23"));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_node_is_taught_the_scripts_that_it_forgot() {
    let cluster = RedisCluster::start().await;
    let gate = gate(&cluster.url());
    let events: Vec<_> = (1..=60).collect();
    open_all(&gate, &one_each(&cluster).await).await;
    for id in &events {
        gate.open(seats_left(*id, 10)).await;
    }
    for node in 0..RedisCluster::NODES {
        let _: String = cluster.ask(node, &["SCRIPT", "FLUSH"]).await;
    }
    join_all(events.iter().map(|id| gate.adjust(event(*id), 1))).await;
    let ids: Vec<_> = events.iter().map(|id| event(*id)).collect();
    let readings = gate.read(&ids).await.expect("all are there");
    let tokens: Vec<_> = readings.iter().flatten().map(|r| r.tokens).collect();
    assert_eq!(tokens, vec![Some(11); 60]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_takes_over_is_found() {
    let mut cluster = RedisCluster::start().await;
    let [event_id, ..] = one_each(&cluster).await;
    let replica = cluster.add().await;
    cluster.follow(replica, 0).await;
    let gate = gate(&cluster.url());
    open_all(&gate, &[event_id]).await;
    cluster.has_told(0, replica).await;

    // Silent, not dead: nobody says that the slots are elsewhere now.
    cluster.signal(0, "STOP");
    eventually("the replica is asked", async || {
        take(&gate, event_id, 1).await == GateAnswer::Granted
    })
    .await;
    cluster.kill(0);
    eventually("nobody is gone around", async || {
        let _ = gate.read(&[event(event_id)]).await;
        !gate.is_gone_around()
    })
    .await;
    assert_eq!(standing(&gate, event_id).await, (Some(9), 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_node_limits_nobody_whose_bucket_is_elsewhere() {
    let mut cluster = RedisCluster::start().await;
    let settings = GateSettings {
        cool_down: Duration::from_secs(60),
        ..settings()
    };
    let gate = RedisSeatGate::try_new(&cluster.url(), settings).expect("a good URL");
    let limiter = RedisRateLimiter::beside(&gate);
    let policy = RatePolicy::try_new("read", 100, Duration::from_secs(60), 100).expect("a policy");
    let subjects: Vec<_> = (1..=40)
        .map(|number| LimitSubject::principal(&format!("user:{number}")).expect("a name"))
        .collect();
    let answers = async |limiter: &RedisRateLimiter| {
        let takes = subjects
            .iter()
            .map(|subject| limiter.take(&policy, subject, NonZeroU32::MIN));
        join_all(takes)
            .await
            .into_iter()
            .filter(Result::is_ok)
            .count()
    };
    assert_eq!(answers(&limiter).await, subjects.len());
    cluster.kill(1);
    answers(&limiter).await;
    let answered = answers(&limiter).await;
    assert!(
        answered > 0 && answered < subjects.len(),
        "{answered} of {}",
        subjects.len()
    );
}
