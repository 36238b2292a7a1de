//! A cluster, and a pair behind a Sentinel, that speak TLS alone. What is not let in
//! for its certificate is a matter of the whole program's tests.

use domain::ports::{GateAnswer, Probe, SeatGate};
use utsavam_tests::{Authority, Encryption, RedisBehindSentinel, RedisCluster, eventually};

use crate::cluster::{one_each, open_all};
use crate::support::{event, gate, reservation, seats_left, standing, take};

/// The host as which nodes name one another.
const HOST: &str = "127.0.0.1";

#[tokio::test(flavor = "multi_thread")]
async fn an_encrypted_cluster_is_used_also_where_it_sends_on_to() {
    let authority = Authority::new("trusted");
    let encryption = Encryption::new(HOST, &authority, &[&authority]);
    let mut cluster = RedisCluster::start_encrypted([&encryption; RedisCluster::NODES]).await;
    let events = one_each(&cluster).await;
    let to = cluster.add_encrypted(&encryption).await;
    // The others are known by what this one says.
    let first = cluster.address_of(0);
    let root = authority.file();
    let gate = gate(&format!(
        "rediss+cluster://{first}?sslrootcert={}",
        root.display()
    ));
    open_all(&gate, &events).await;
    for id in events {
        assert_eq!(take(&gate, id, 1).await, GateAnswer::Granted);
        assert_eq!(cluster.tokens(id).await.as_deref(), Some("9"));
    }
    gate.check().await.expect("all are there");

    let [moving, ..] = events;
    cluster.begin_to_move(moving, 0, to).await;
    gate.adjust(event(moving), 5).await;
    assert_eq!(standing(&gate, moving).await, (Some(14), 1));
    cluster.end_move(moving, to).await;
    gate.release(event(moving), reservation(1)).await;
    assert_eq!(standing(&gate, moving).await, (Some(15), 0));
    assert_eq!(cluster.node_of(moving).await, to);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_encrypted_failover_is_followed() {
    let authority = Authority::new("trusted");
    let encryption = Encryption::new(HOST, &authority, &[&authority]);
    let mut pair = RedisBehindSentinel::start_encrypted(&encryption, &encryption).await;
    let sentinel = pair.sentinel_address();
    let root = authority.file();
    let gate = gate(&format!(
        "rediss+sentinel://{sentinel}/tickets?sslrootcert={}",
        root.display()
    ));
    gate.open(seats_left(1, 10)).await;
    assert_eq!(take(&gate, 1, 1).await, GateAnswer::Granted);
    pair.has_told().await;

    pair.kill(0);
    pair.is_primary(1).await;
    eventually("the new primary is asked", async || {
        take(&gate, 1, 2).await == GateAnswer::Granted
    })
    .await;
    assert_eq!(standing(&gate, 1).await, (Some(8), 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_are_for_the_names_that_servers_have() {
    let authority = Authority::new("trusted");
    let name = "localhost";
    let encryption = Encryption::new(name, &authority, &[&authority]);
    let root = authority.file();
    let root = root.display();

    let cluster = RedisCluster::start_encrypted([&encryption; RedisCluster::NODES]).await;
    let events = one_each(&cluster).await;
    cluster.announce(name).await;
    let first = cluster.address_of(0).replace(HOST, name);
    let nodes = gate(&format!("rediss+cluster://{first}?sslrootcert={root}"));
    open_all(&nodes, &events).await;
    nodes.check().await.expect("all are there");

    let pair = RedisBehindSentinel::start_encrypted(&encryption, &encryption).await;
    pair.announce(name).await;
    let sentinel = pair.sentinel_address().replace(HOST, name);
    let primary = gate(&format!(
        "rediss+sentinel://{sentinel}/tickets?sslrootcert={root}"
    ));
    primary.open(seats_left(1, 10)).await;
    assert_eq!(standing(&primary, 1).await, (Some(10), 0));
}
