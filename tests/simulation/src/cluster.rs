//! In the place of the file of that name in `adapters-redis`: there is no cluster.

use std::time::Instant;

use deadpool_redis::redis::{Pipeline, Value};
use domain::model::EventId;
use domain::ports::GateReading;

use crate::breaker::Pass;
use crate::link::LinkError;
use crate::nodes::NodeId;
use crate::scripts::{Call, Script, Scripts};
use crate::settings::GateSettings;

/// Of which there are none.
pub(crate) enum Seeds {}

/// Of which there is none.
#[derive(Debug, Clone)]
pub(crate) enum Cluster {}

impl Cluster {
    pub(crate) fn new(seeds: Seeds, _: GateSettings) -> Self {
        match seeds {}
    }

    pub(crate) fn beside(&self) -> Self {
        match *self {}
    }

    pub(crate) fn count_max(&self) -> usize {
        match *self {}
    }

    pub(crate) fn of_key(&self, _: &[u8]) -> NodeId {
        match *self {}
    }

    pub(crate) fn all(&self) -> Vec<NodeId> {
        match *self {}
    }

    pub(crate) fn admit(&self, _: NodeId, _: Instant) -> Option<Pass> {
        match *self {}
    }

    pub(crate) fn is_gone_around(&self) -> bool {
        match *self {}
    }

    pub(crate) async fn run_all(
        &self,
        _: NodeId,
        _: Pass,
        _: &Script,
        _: Pipeline,
    ) -> Result<Vec<Value>, LinkError> {
        match *self {}
    }

    pub(crate) async fn read(
        &self,
        _: &Scripts,
        _: &[EventId],
    ) -> Result<Vec<Option<GateReading>>, LinkError> {
        match *self {}
    }

    pub(crate) async fn call(&self, _: Call<'_>) -> Result<bool, LinkError> {
        match *self {}
    }

    pub(crate) async fn check(&self) -> Result<(), LinkError> {
        match *self {}
    }
}
