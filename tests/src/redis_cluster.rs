//! A cluster of Redis, whose nodes may be killed.

use std::ops::RangeInclusive;
use std::path::Path;
use std::process::Command;

use deadpool_redis::redis::{FromRedisValue, Value};
use futures::future::join_all;

use crate::encryption::Encryption;
use crate::eventually;
use crate::faults::instances::{OwnRedis, output, variable};
use crate::ports::free_port;

/// Three nodes with a third of the slots each, gone when dropped.
#[derive(Debug)]
pub struct RedisCluster {
    nodes: Vec<OwnRedis>,
}

impl RedisCluster {
    /// How many nodes it has.
    pub const NODES: usize = 3;

    /// Starts an empty one. What is left of it goes on when a node is lost.
    pub async fn start() -> Self {
        Self::create([None; Self::NODES]).await
    }

    /// The same, whose nodes speak TLS alone.
    pub async fn start_encrypted(encryptions: [&Encryption; Self::NODES]) -> Self {
        Self::create(encryptions.map(Some)).await
    }

    async fn create(encryptions: [Option<&Encryption>; Self::NODES]) -> Self {
        let nodes = join_all(encryptions.map(start_node)).await;
        let cluster = Self { nodes };
        let cli = Path::new(&variable("SERVICES_REDIS"))
            .with_file_name("redis-cli")
            .into_os_string();
        let addresses = cluster.nodes.iter().map(address);
        output(
            Command::new(cli)
                .args(cluster.nodes[0].options_of_cli())
                .args(["--cluster", "create", "--cluster-yes"])
                .args(addresses),
        );
        cluster.agrees().await;
        cluster
    }

    /// Adds a node that has no slot yet, and gives its number.
    pub async fn add(&mut self) -> usize {
        self.join(start_node(None).await).await
    }

    /// The same, with a node that speaks TLS alone.
    pub async fn add_encrypted(&mut self, encryption: &Encryption) -> usize {
        self.join(start_node(Some(encryption)).await).await
    }

    async fn join(&mut self, node: OwnRedis) -> usize {
        let port = self.nodes[0].port().to_string();
        let known: Vec<String> = self.ask(0, &["CONFIG", "GET", "cluster-port"]).await;
        let words = ["CLUSTER", "MEET", "127.0.0.1", &port, &known[1]];
        self.nodes.push(node);
        let count = self.nodes.len();
        eventually("all nodes have met", async || {
            // A node gives up after a second without an answer. Nothing comes of asking it
            // for what it is about to do, or has done.
            let _: String = self.ask(count - 1, &words).await;
            for node in &self.nodes {
                let info: String = node.ask(&["CLUSTER", "INFO"]).await;
                let knows_all = info.contains(&format!("cluster_known_nodes:{count}\r"));
                if !knows_all || !info.contains("cluster_state:ok") {
                    return false;
                }
            }
            true
        })
        .await;
        count - 1
    }

    /// The URL under which a server finds it.
    pub fn url(&self) -> String {
        format!("redis+cluster://{}", self.addresses())
    }

    /// Where all nodes are, as URLs have it.
    pub fn addresses(&self) -> String {
        let addresses: Vec<_> = self.nodes.iter().map(address).collect();
        addresses.join(",")
    }

    /// Where one node is.
    pub fn address_of(&self, node: usize) -> String {
        address(&self.nodes[node])
    }

    /// The node that has the gate of an event.
    pub async fn node_of(&self, event_id: i64) -> usize {
        let slot = self.slot_of(event_id).await;
        let (_, port) = self
            .ranges()
            .await
            .into_iter()
            .find(|(slots, _)| slots.contains(&slot))
            .expect("somebody has the slot");
        self.nodes
            .iter()
            .position(|node| node.port() == port)
            .expect("one of ours")
    }

    /// The slot of the gate of an event.
    pub async fn slot_of(&self, event_id: i64) -> i64 {
        let key = format!("event:{event_id}:tokens");
        for node in 0..self.nodes.len() {
            if let Ok(slot) = self.nodes[node]
                .try_ask(&["CLUSTER", "KEYSLOT", &key])
                .await
            {
                return slot;
            }
        }
        panic!("no node is alive");
    }

    /// Which slots are at which port, as a node says that is alive.
    async fn ranges(&self) -> Vec<(RangeInclusive<i64>, u16)> {
        let mut answer = Vec::new();
        for node in &self.nodes {
            let slots = node.try_ask::<Vec<Vec<Value>>>(&["CLUSTER", "SLOTS"]);
            if let Ok(slots) = slots.await {
                answer = slots;
                break;
            }
        }
        let number = |value: &Value| match value {
            Value::Int(number) => *number,
            other => panic!("{other:?} is not a number"),
        };
        let range = |parts: Vec<Value>| {
            let Value::Array(primary) = &parts[2] else {
                panic!("{parts:?}");
            };
            let port = u16::try_from(number(&primary[1])).expect("a port");
            (number(&parts[0])..=number(&parts[1]), port)
        };
        answer.into_iter().map(range).collect()
    }

    /// Has all nodes name themselves by that name and not by their addresses.
    pub async fn announce(&self, name: &str) {
        for node in 0..self.nodes.len() {
            for (setting, value) in [
                ("cluster-announce-hostname", name),
                ("cluster-preferred-endpoint-type", "hostname"),
            ] {
                let _: String = self.ask(node, &["CONFIG", "SET", setting, value]).await;
            }
        }
        eventually("each node knows the names", async || {
            let slots: Vec<Vec<Value>> = self.ask(0, &["CLUSTER", "SLOTS"]).await;
            let names = slots.iter().filter(|range| {
                matches!(&range[2], Value::Array(primary)
                    if matches!(&primary[0], Value::BulkString(told) if told == name.as_bytes()))
            });
            names.count() == slots.len()
        })
        .await;
    }

    /// Sends a command to one node and reads its answer.
    pub async fn ask<T: FromRedisValue>(&self, node: usize, words: &[&str]) -> T {
        self.nodes[node].ask(words).await
    }

    /// What the node that has the gate of an event says of a key of it.
    pub async fn ask_for_event<T: FromRedisValue>(&self, event_id: i64, words: &[&str]) -> T {
        let node = self.node_of(event_id).await;
        self.ask(node, words).await
    }

    /// What `GET event:{id}:tokens` says; `None` when the key is missing.
    pub async fn tokens(&self, event_id: i64) -> Option<String> {
        let key = format!("event:{event_id}:tokens");
        self.ask_for_event(event_id, &["GET", &key]).await
    }

    /// Empties all nodes.
    pub async fn flush(&self) {
        for node in &self.nodes {
            let _: String = node.ask(&["FLUSHALL"]).await;
        }
    }

    /// Ends a node at once, like `kill -9`.
    pub fn kill(&mut self, node: usize) {
        self.nodes[node].kill();
    }

    /// Starts a node that was killed. It has its slots, and nothing in them.
    pub async fn start_again(&mut self, node: usize) {
        self.nodes[node].start_again().await;
        self.agrees().await;
    }

    /// Makes a node silent, with all its connections, or lets it go on.
    pub fn signal(&self, node: usize, name: &str) {
        self.nodes[node].signal(name);
    }

    /// Moves the slot of an event, halfway: its keys are at neither node, and new
    /// ones are made at the second.
    pub async fn begin_to_move(&self, event_id: i64, from: usize, to: usize) {
        let slot = self.slot_of(event_id).await.to_string();
        let [from_id, to_id] = [self.id(from).await, self.id(to).await];
        let importing = ["CLUSTER", "SETSLOT", &slot, "IMPORTING", &from_id];
        let _: String = self.ask(to, &importing).await;
        let migrating = ["CLUSTER", "SETSLOT", &slot, "MIGRATING", &to_id];
        let _: String = self.ask(from, &migrating).await;
        let port = self.nodes[to].port().to_string();
        loop {
            let listed = ["CLUSTER", "GETKEYSINSLOT", &slot, "100"];
            let keys: Vec<String> = self.ask(from, &listed).await;
            if keys.is_empty() {
                return;
            }
            let mut migrate = vec!["MIGRATE", "127.0.0.1", &port, "", "0", "5000", "KEYS"];
            migrate.extend(keys.iter().map(String::as_str));
            let _: String = self.ask(from, &migrate).await;
        }
    }

    /// Ends what [`begin_to_move`](Self::begin_to_move) began.
    pub async fn end_move(&self, event_id: i64, to: usize) {
        let slot = self.slot_of(event_id).await.to_string();
        let id = self.id(to).await;
        let words = ["CLUSTER", "SETSLOT", &slot, "NODE", &id];
        let _: String = self.ask(to, &words).await;
        for node in (0..self.nodes.len()).filter(|node| *node != to) {
            let _: String = self.ask(node, &words).await;
        }
    }

    /// Makes a node the replica of another, and waits until it has all of it.
    pub async fn follow(&self, replica: usize, primary: usize) {
        let id = self.id(primary).await;
        let _: String = self.ask(replica, &["CLUSTER", "REPLICATE", &id]).await;
        eventually("the replica follows", async || {
            let info: String = self.ask(replica, &["INFO", "replication"]).await;
            info.contains("role:slave") && info.contains("master_link_status:up")
        })
        .await;
    }

    /// Waits until a replica has all that its primary has been told.
    pub async fn has_told(&self, primary: usize, replica: usize) {
        self.nodes[primary].has_told(&self.nodes[replica]).await;
    }

    async fn id(&self, node: usize) -> String {
        self.ask(node, &["CLUSTER", "MYID"]).await
    }

    /// Waits until all nodes have heard of all slots.
    async fn agrees(&self) {
        eventually("the cluster is whole", async || {
            for node in &self.nodes {
                let info: String = node.ask(&["CLUSTER", "INFO"]).await;
                if !info.contains("cluster_state:ok")
                    || !info.contains("cluster_slots_ok:16384")
                    || !info.contains(&format!("cluster_known_nodes:{}\r", self.nodes.len()))
                {
                    return false;
                }
            }
            true
        })
        .await;
    }
}

async fn start_node(encryption: Option<&Encryption>) -> OwnRedis {
    OwnRedis::start_with(encryption, |_| {
        let bus_port = free_port().to_string();
        [
            ("--cluster-enabled", "yes"),
            ("--cluster-port", &bus_port),
            ("--cluster-node-timeout", "1000"),
            ("--cluster-require-full-coverage", "no"),
        ]
        .iter()
        .flat_map(|(name, value)| [(*name).to_owned(), (*value).to_owned()])
        .collect()
    })
    .await
}

fn address(node: &OwnRedis) -> String {
    format!("127.0.0.1:{}", node.port())
}
