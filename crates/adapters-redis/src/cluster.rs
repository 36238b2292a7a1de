//! Several Redis, each with a part of the keys. Each node has a link of its own, so
//! that one which is slow or lost is gone around alone. Knows nothing of seats.
//!
//! Commands go to where the cluster said that their keys are. A node that has not
//! got them says who has, without having run anything: so even what must not be
//! repeated is sent on. What breaks under way is not sent again.
//!
//! | module | holds |
//! |---|---|
//! | `slots` | the slot of a key, and what Redis says of slots |
//! | `map` | which node has which slots, as far as is known |

mod map;
mod slots;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use std::time::{Duration, Instant};

use deadpool_redis::redis::{
    self, Cmd, ConnectionAddr, ConnectionInfo, ErrorKind, Pipeline, RedisError, RedisResult,
    ServerErrorKind, Value,
};
use domain::model::EventId;
use domain::ports::GateReading;
use futures::future::{join_all, select_ok};
use tokio::sync::Mutex;

use self::map::{Map, Node};
use self::slots::{Address, ranges, redirect, slot_of};
use crate::breaker::Pass;
use crate::link::{Link, LinkError};
use crate::nodes::{NodeId, ping};
use crate::pool::pool;
use crate::scripts::{Call, READ_AT_ONCE, Script, Scripts, key_of, reading_of};
use crate::settings::GateSettings;
use crate::surroundings;
use crate::url::at_address;

/// Nodes that are asked at the same time at most; the others take turns.
const NODES_MAX: usize = 256;

/// How often a call is sent on. Twice where a slot moves while a node joins; more
/// means that the cluster does not know itself.
const REDIRECTS_MAX: usize = 3;

/// How old what is known of slots must be to be asked for again.
const FRESH_FOR: Duration = Duration::from_millis(100);

/// Nodes that an operator named.
pub(crate) struct Seeds(Vec<ConnectionInfo>);

impl Seeds {
    /// At least one.
    pub(crate) fn new(nodes: Vec<ConnectionInfo>) -> Self {
        Self(nodes)
    }
}

/// A cluster, for batches of one kind.
pub(crate) struct Cluster {
    known: Arc<Known>,
    /// Which of a node's links.
    side: usize,
}

/// What is known of the cluster.
struct Known {
    settings: GateSettings,
    /// How to connect, but for the address.
    like: ConnectionInfo,
    /// Who is asked for slots, besides the nodes.
    seeds: Vec<Node>,
    map: RwLock<Map>,
    learning: Mutex<()>,
    is_watching: AtomicBool,
}

/// How nodes are asked.
#[derive(Clone, Copy)]
enum Manner {
    /// Over the connections that batches share: this batch is that of a node.
    Batch { node: NodeId, pass: Pass },
    /// Even while others go around them.
    Insist,
}

/// A call on its way.
struct Errand {
    number: usize,
    call: Cmd,
    node: NodeId,
    /// Whether the node is only about to get the slot.
    is_importing: bool,
}

impl Cluster {
    pub(crate) fn new(Seeds(infos): Seeds, settings: GateSettings) -> Self {
        let like = infos[0].clone();
        let seeds: Vec<_> = infos
            .iter()
            .filter_map(|info| node(info.clone(), &settings))
            .collect();
        let map = RwLock::new(Map::guess(seeds.clone()));
        let known = Known {
            settings,
            like,
            seeds,
            map,
            learning: Mutex::new(()),
            is_watching: AtomicBool::new(false),
        };
        Self {
            known: Arc::new(known),
            side: 0,
        }
    }

    pub(crate) fn beside(&self) -> Self {
        Self {
            known: Arc::clone(&self.known),
            side: 1,
        }
    }

    pub(crate) fn count_max(&self) -> usize {
        NODES_MAX
    }

    pub(crate) fn of_key(&self, key: &[u8]) -> NodeId {
        self.known.map().of_slot(slot_of(key))
    }

    pub(crate) fn all(&self) -> Vec<NodeId> {
        let count = self.known.map().nodes.len();
        (0..).take(count).map(NodeId).collect()
    }

    pub(crate) fn admit(&self, node: NodeId, now: Instant) -> Option<Pass> {
        self.link(node).admit(now)
    }

    pub(crate) fn is_gone_around(&self) -> bool {
        let map = self.known.map();
        map.nodes.iter().any(|node| node.links[0].is_gone_around())
    }

    fn link(&self, node: NodeId) -> Arc<Link> {
        Arc::clone(&self.known.map().node(node).links[self.side])
    }

    /// Sends the calls of a node's batch. Most keys are at that node, but slots may
    /// have moved since the commands were put into its queue.
    pub(crate) async fn run_all(
        &self,
        node: NodeId,
        pass: Pass,
        script: &Script,
        calls: Pipeline,
    ) -> Result<Vec<Value>, LinkError> {
        let calls = calls.cmd_iter().cloned().collect();
        self.run(Manner::Batch { node, pass }, script, calls).await
    }

    pub(crate) async fn read(
        &self,
        scripts: &Scripts,
        event_ids: &[EventId],
    ) -> Result<Vec<Option<GateReading>>, LinkError> {
        let (script, calls) = scripts.reads(event_ids);
        let answers = self.run(Manner::Insist, script, calls).await?;
        if let Some(refusal) = first_refusal(&answers) {
            tracing::warn!(error = %refusal, "redis refuses a command");
            if answers.len() == 1 {
                return Err(LinkError::Command(refusal));
            }
        }
        Ok(answers.into_iter().map(reading_of).collect())
    }

    pub(crate) async fn call(&self, call: Call<'_>) -> Result<bool, LinkError> {
        let (script, call) = call.parts();
        let answers = self.run(Manner::Insist, script, vec![call]).await?;
        let answer = answers.into_iter().next().unwrap_or(Value::Nil);
        let answer = answer.extract_error().map_err(LinkError::Command)?;
        redis::from_redis_value(answer).map_err(|error| LinkError::Command(error.into()))
    }

    pub(crate) async fn check(&self) -> Result<(), LinkError> {
        self.known.learn_first().await?;
        let nodes = self.known.map().nodes.clone();
        let checks = nodes.iter().map(|node| ping(&node.links[self.side]));
        join_all(checks).await.into_iter().collect()
    }

    /// One answer for each call; nothing, where a node did not answer. Fails if none
    /// did.
    async fn run(
        &self,
        manner: Manner,
        script: &Script,
        calls: Vec<Cmd>,
    ) -> Result<Vec<Value>, LinkError> {
        self.known.learn_first().await?;
        let mut answers = vec![Value::Nil; calls.len()];
        let mut errands = self.known.errands(calls);
        let (mut is_reached, mut has_moved, mut failure) = (false, false, None);
        for _ in 0..=REDIRECTS_MAX {
            let parties = parties(std::mem::take(&mut errands));
            if parties.is_empty() {
                break;
            }
            let sent = parties.iter().map(|party| self.send(manner, script, party));
            let outcomes = join_all(sent).await;
            for (party, outcome) in parties.into_iter().zip(outcomes) {
                match outcome {
                    Ok(values) => {
                        is_reached = true;
                        for (errand, value) in party.into_iter().zip(values) {
                            match self.known.sent_on(errand, &value) {
                                Ok(errand) => {
                                    has_moved |= !errand.is_importing;
                                    errands.push(errand);
                                }
                                Err(number) => answers[number] = value,
                            }
                        }
                    }
                    Err(error) => {
                        self.known.watch();
                        failure.get_or_insert(error);
                    }
                }
            }
        }
        if has_moved {
            self.known.learn_soon();
        }
        match failure {
            Some(error) if !is_reached => Err(error),
            _ => Ok(answers),
        }
    }

    /// Sends those for one node.
    async fn send(
        &self,
        manner: Manner,
        script: &Script,
        party: &[Errand],
    ) -> Result<Vec<Value>, LinkError> {
        let (node, is_importing) = (party[0].node, party[0].is_importing);
        let link = self.link(node);
        match manner {
            Manner::Batch { node: own, pass } => {
                let pass = if own == node { pass } else { Pass::Ordinary };
                let calls = pipeline(party);
                link.share(pass, async |redis| {
                    if is_importing {
                        script.run_all_on_importing(&calls, redis).await
                    } else {
                        script.run_all_on_node(&calls, redis).await
                    }
                })
                .await
            }
            Manner::Insist => {
                let pipelines: Vec<_> = party.chunks(READ_AT_ONCE).map(pipeline).collect();
                link.insist(|mut redis| async move {
                    let mut answers = Vec::with_capacity(party.len());
                    for calls in &pipelines {
                        answers.extend(if is_importing {
                            script.run_all_on_importing(calls, &mut redis).await?
                        } else {
                            script.run_all_on_node(calls, &mut redis).await?
                        });
                    }
                    Ok(answers)
                })
                .await
            }
        }
    }
}

impl Known {
    /// No method of [`Map`] panics halfway through a change.
    fn map(&self) -> RwLockReadGuard<'_, Map> {
        self.map.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn errands(&self, calls: Vec<Cmd>) -> Vec<Errand> {
        let map = self.map();
        let errand = |(number, call): (usize, Cmd)| Errand {
            number,
            node: map.of_slot(slot_of(key_of(&call))),
            call,
            is_importing: false,
        };
        calls.into_iter().enumerate().map(errand).collect()
    }

    /// The errand to another node, if that has the slot or is about to get it; or
    /// else its number.
    fn sent_on(self: &Arc<Self>, errand: Errand, answer: &Value) -> Result<Errand, usize> {
        let Value::ServerError(error) = answer else {
            return Err(errand.number);
        };
        let is_importing = match error.kind() {
            Some(ServerErrorKind::Moved) => false,
            Some(ServerErrorKind::Ask) => true,
            _ => return Err(errand.number),
        };
        let asked = self.map().node(errand.node).address.0.clone();
        let named = redirect(error.details().unwrap_or_default(), &asked);
        let Some(node) = named.and_then(|address| self.at(&address)) else {
            return Err(errand.number);
        };
        Ok(Errand {
            node,
            is_importing,
            ..errand
        })
    }

    /// The node at an address, which may be a new one.
    fn at(&self, address: &Address) -> Option<NodeId> {
        if let Some(node) = self.map().find(address) {
            return Some(node);
        }
        let node = self.make(address)?;
        let mut map = self.map.write().unwrap_or_else(PoisonError::into_inner);
        Some(map.find(address).unwrap_or_else(|| map.add(node)))
    }

    fn make(&self, (host, port): &Address) -> Option<Node> {
        let info = at_address(&self.like, host.clone(), *port);
        node(info, &self.settings)
    }

    /// Asks for slots, if nobody has told any yet.
    async fn learn_first(&self) -> Result<(), LinkError> {
        if self.map().learned_at.is_some() {
            return Ok(());
        }
        self.learn().await
    }

    /// Asks everybody for slots, and believes who answers first. If that one is
    /// mistaken, other nodes will say so.
    async fn learn(&self) -> Result<(), LinkError> {
        let _turn = self.learning.lock().await;
        let now = surroundings::now();
        let (nodes, learned_at) = {
            let map = self.map();
            (map.nodes.clone(), map.learned_at)
        };
        if learned_at.is_some_and(|at| now.saturating_duration_since(at) < FRESH_FOR) {
            return Ok(());
        }
        // A guess consists of the seeds.
        let seeds = if learned_at.is_some() {
            &self.seeds[..]
        } else {
            &[]
        };
        let asked = nodes.iter().chain(seeds);
        let asked = asked.map(|node| Box::pin(ask_for_slots(node)));
        let (ranges, _) = select_ok(asked).await?;
        let mut map = self.map.write().unwrap_or_else(PoisonError::into_inner);
        map.take_over(ranges, surroundings::now(), |address| self.make(address));
        Ok(())
    }

    /// Asks for slots while others go on.
    fn learn_soon(self: &Arc<Self>) {
        let known = Arc::clone(self);
        tokio::spawn(async move {
            if let Err(error) = known.learn().await {
                tracing::debug!(%error, "nobody tells where the slots are");
            }
        });
    }

    /// Until all nodes answer, asks from time to time for slots, which may be at
    /// others by then, and whether the lost ones are back.
    fn watch(self: &Arc<Self>) {
        if self.is_watching.swap(true, Ordering::Relaxed) {
            return;
        }
        let cool_down = self.settings.cool_down;
        let known = Arc::downgrade(self);
        tokio::spawn(async move {
            loop {
                surroundings::sleep_until(surroundings::now() + cool_down).await;
                let Some(known) = known.upgrade() else { return };
                if known.is_whole().await {
                    known.is_watching.store(false, Ordering::Relaxed);
                    return;
                }
            }
        });
    }

    async fn is_whole(&self) -> bool {
        let has_learned = self.learn().await.is_ok();
        let nodes = self.map().nodes.clone();
        let lost = nodes.iter().filter(|node| node.links[0].is_gone_around());
        let back = join_all(lost.map(|node| {
            node.links[0]
                .insist(|mut redis| async move { redis::cmd("PING").exec_async(&mut redis).await })
        }));
        has_learned && back.await.iter().all(Result::is_ok)
    }
}

async fn ask_for_slots(
    node: &Node,
) -> Result<Vec<(std::ops::RangeInclusive<u16>, Address)>, LinkError> {
    let host = &node.address.0;
    node.links[0]
        .insist(|mut redis| async move {
            let answer = redis::cmd("CLUSTER")
                .arg("SLOTS")
                .query_async(&mut redis)
                .await?;
            slots_known(answer, host)
        })
        .await
}

/// A node that has not met the others yet knows of no slots.
fn slots_known(
    answer: Value,
    host: &str,
) -> RedisResult<Vec<(std::ops::RangeInclusive<u16>, Address)>> {
    match ranges(answer, host) {
        Some(ranges) if !ranges.is_empty() => Ok(ranges),
        _ => Err((ErrorKind::UnexpectedReturnType, "a node knows of no slots").into()),
    }
}

fn node(info: ConnectionInfo, settings: &GateSettings) -> Option<Node> {
    let address = match info.addr() {
        ConnectionAddr::Tcp(host, port) | ConnectionAddr::TcpTls { host, port, .. } => {
            (host.clone(), *port)
        }
        _ => return None,
    };
    let link = Link::new(pool(info, settings).ok()?, settings);
    let beside = Arc::new(link.beside());
    Some(Node {
        address,
        links: [Arc::new(link), beside],
    })
}

/// What goes to the same node in the same way.
fn parties(errands: Vec<Errand>) -> Vec<Vec<Errand>> {
    let mut parties = BTreeMap::<_, Vec<Errand>>::new();
    for errand in errands {
        let party = parties.entry((errand.node, errand.is_importing));
        party.or_default().push(errand);
    }
    parties.into_values().collect()
}

fn pipeline(errands: &[Errand]) -> Pipeline {
    let mut pipeline = Pipeline::with_capacity(errands.len());
    for errand in errands {
        pipeline.add_command(errand.call.clone());
    }
    pipeline
}

fn first_refusal(answers: &[Value]) -> Option<RedisError> {
    let refusal = answers
        .iter()
        .find(|answer| matches!(answer, Value::ServerError(_)));
    refusal.and_then(|answer| answer.clone().extract_error().err())
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let map = self.known.map();
        let links = map.nodes.iter().map(|node| &node.links[self.side]);
        f.debug_list().entries(links).finish()
    }
}
