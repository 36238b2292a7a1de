//! Which Redis is asked of what: the one that there is, or the node of a cluster
//! that has the keys.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Instant;

use deadpool_redis::redis::{self, Pipeline, Value};
use domain::model::EventId;
use domain::ports::GateReading;

use crate::breaker::Pass;
use crate::cluster::Cluster;
use crate::commands::GateCommand;
use crate::link::{Link, LinkError};
use crate::pool::{self, Way};
use crate::scripts::{Call, Script, Scripts, bucket};
use crate::settings::{ConnectError, GateSettings};

/// One of the servers. What is asked of one waits for no other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct NodeId(pub(crate) u16);

/// The only server, or the first of a cluster.
const FIRST: NodeId = NodeId(0);

/// All servers.
pub(crate) enum Nodes {
    One(Link),
    Many(Cluster),
}

impl Nodes {
    /// Connects when something is asked.
    pub(crate) fn try_new(url: &str, settings: &GateSettings) -> Result<Self, ConnectError> {
        settings.check()?;
        Ok(match pool::way(url, settings)? {
            Way::One(address, pool) => Self::One(Link::new((address, pool), settings)),
            Way::Many(seeds) => Self::Many(Cluster::new(seeds, *settings)),
        })
    }

    /// The same servers for other batches, which do not wait for those of this
    /// one. A server is lost and found for both.
    pub(crate) fn beside(&self) -> Self {
        match self {
            Self::One(link) => Self::One(link.beside()),
            Self::Many(cluster) => Self::Many(cluster.beside()),
        }
    }

    /// How many are asked at the same time at most.
    pub(crate) fn count_max(&self) -> usize {
        match self {
            Self::One(_) => 1,
            Self::Many(cluster) => cluster.count_max(),
        }
    }

    /// Where the keys of an event are believed to be.
    pub(crate) fn of_event(&self, event_id: EventId) -> NodeId {
        self.of_key(|| bucket(event_id))
    }

    pub(crate) fn of_command(&self, command: &GateCommand) -> NodeId {
        command.event_id().map_or(FIRST, |id| self.of_event(id))
    }

    pub(crate) fn of_key(&self, key: impl FnOnce() -> String) -> NodeId {
        match self {
            Self::One(_) => FIRST,
            Self::Many(cluster) => cluster.of_key(key().as_bytes()),
        }
    }

    pub(crate) fn of_events(&self, event_ids: &[EventId]) -> Vec<NodeId> {
        match self {
            Self::One(_) => vec![FIRST],
            Self::Many(_) => {
                let nodes: BTreeSet<_> = event_ids.iter().map(|id| self.of_event(*id)).collect();
                nodes.into_iter().collect()
            }
        }
    }

    pub(crate) fn all(&self) -> Vec<NodeId> {
        match self {
            Self::One(_) => vec![FIRST],
            Self::Many(cluster) => cluster.all(),
        }
    }

    /// Leave to ask this one; `None` while it is being gone around.
    pub(crate) fn admit(&self, node: NodeId, now: Instant) -> Option<Pass> {
        match self {
            Self::One(link) => link.admit(now),
            Self::Many(cluster) => cluster.admit(node, now),
        }
    }

    pub(crate) fn is_gone_around(&self) -> bool {
        match self {
            Self::One(link) => link.is_gone_around(),
            Self::Many(cluster) => cluster.is_gone_around(),
        }
    }

    /// Sends calls of a script together: one answer for each. What a node of a
    /// cluster did not answer has nothing for an answer, or an error.
    pub(crate) async fn run_all(
        &self,
        node: NodeId,
        pass: Pass,
        script: &Script,
        calls: Pipeline,
    ) -> Result<Vec<Value>, LinkError> {
        match self {
            Self::One(link) => {
                link.share(pass, async |redis| script.run_all(&calls, redis).await)
                    .await
            }
            Self::Many(cluster) => cluster.run_all(node, pass, script, calls).await,
        }
    }

    /// Looks at gates; at least at one of them.
    pub(crate) async fn read(
        &self,
        scripts: &Scripts,
        event_ids: &[EventId],
    ) -> Result<Vec<Option<GateReading>>, LinkError> {
        match self {
            Self::One(link) => {
                let readings = link.insist(|redis| scripts.read(event_ids, redis)).await?;
                Ok(readings.into_iter().map(Some).collect())
            }
            Self::Many(cluster) => cluster.read(scripts, event_ids).await,
        }
    }

    /// Changes a gate, and says whether it did.
    pub(crate) async fn call(&self, call: Call<'_>) -> Result<bool, LinkError> {
        match self {
            Self::One(link) => {
                link.insist(|mut redis| async move { call.run(&mut redis).await })
                    .await
            }
            Self::Many(cluster) => cluster.call(call).await,
        }
    }

    /// Whether every server is there.
    pub(crate) async fn check(&self) -> Result<(), LinkError> {
        match self {
            Self::One(link) => ping(link).await,
            Self::Many(cluster) => cluster.check().await,
        }
    }
}

/// Asks a server whether it is there, unless it is being gone around.
pub(crate) async fn ping(link: &Link) -> Result<(), LinkError> {
    link.ask(|mut redis| async move { redis::cmd("PING").exec_async(&mut redis).await })
        .await
}

impl fmt::Debug for Nodes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::One(link) => link.fmt(f),
            Self::Many(cluster) => cluster.fmt(f),
        }
    }
}
