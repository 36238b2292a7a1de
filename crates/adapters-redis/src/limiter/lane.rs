//! The way of takes to Redis: they wait here while a batch is under way, and go
//! together in the next one. When Redis is gone around nobody waits.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use domain::model::RateDecision;
use group_commit::{Batch, GroupCommit, NotDone, Reply, Slot};
use tokio::runtime::Handle;

use super::Clock;
use super::knowledge::Knowledge;
use super::question::{Plan, Take, tag};
use crate::breaker::Pass;
use crate::link::{LinkError, one_at_a_time};
use crate::nodes::{NodeId, Nodes};
use crate::scripts::Script;

/// Takes of one batch: Redis is done with them in a millisecond.
const TAKES_MAX: usize = 1_000;

/// How many takes wait for their batch at most.
const WAITING_MAX: usize = 16_384;

/// What becomes of a take; nothing when Redis did not answer.
type Outcome = Option<RateDecision>;

/// One queue for all buckets of a node, and one batch of each at a time.
pub(super) struct RateLane {
    queue: GroupCommit<NodeId, Admitted, Outcome>,
    runner: Arc<Runner>,
    response_timeout: Duration,
}

/// A take with its leave to ask Redis.
struct Admitted {
    take: Take,
    pass: Pass,
}

/// What batches need.
struct Runner {
    nodes: Nodes,
    script: Script,
    known: Arc<Knowledge>,
    clock: Clock,
}

impl RateLane {
    /// Batches run on the runtime in which this is called, or else the one that
    /// first uses the lane.
    pub(super) fn new(
        nodes: Nodes,
        known: Arc<Knowledge>,
        clock: Clock,
        response_timeout: Duration,
    ) -> Self {
        let limits = one_at_a_time(TAKES_MAX, WAITING_MAX, nodes.count_max());
        let runner = Arc::new(Runner {
            nodes,
            script: Script::rate(),
            known,
            clock,
        });
        let runtime = OnceLock::new();
        if let Ok(current) = Handle::try_current() {
            runtime.get_or_init(|| current);
        }
        let runs = Arc::clone(&runner);
        let start = move |slot: Slot<NodeId, Admitted, Outcome>| {
            let runner = Arc::clone(&runs);
            runtime.get_or_init(Handle::current).spawn(async move {
                if let Some(batch) = slot.take() {
                    runner.run(batch).await;
                }
            });
        };
        Self {
            queue: GroupCommit::new(limits, start),
            runner,
            response_timeout,
        }
    }

    /// Asks, unless Redis is being gone around, and waits for what becomes of
    /// it: for the batch under way, and then its own.
    pub(super) async fn ask(&self, take: Take) -> Result<Outcome, LinkError> {
        let key = take.key.clone();
        let asked = match self.submit(take) {
            Ok(pending) => pending.await,
            Err(error) => Err(error),
        };
        asked.inspect_err(|_| self.runner.known.of(&key).failed(&key))
    }

    fn submit(
        &self,
        take: Take,
    ) -> Result<impl Future<Output = Result<Outcome, LinkError>>, LinkError> {
        let now = Instant::now();
        let nodes = &self.runner.nodes;
        let node = nodes.of_key(|| tag(&take.key));
        let pass = nodes.admit(node, now).ok_or(LinkError::GoneAround)?;
        let deadline = Some(now + self.response_timeout);
        let pending = self.queue.submit(node, Admitted { take, pass }, deadline);
        let pending = pending.map_err(|not_run| self.why(not_run.into()))?;
        Ok(async { pending.await.map_err(|not_done| self.why(not_done)) })
    }

    fn why(&self, not_done: NotDone) -> LinkError {
        LinkError::not_done(not_done, self.response_timeout)
    }
}

impl Runner {
    /// Runs a batch. Everybody in it gets an answer, within the time that the
    /// link allows.
    async fn run(&self, mut batch: Batch<NodeId, Admitted, Outcome>) {
        let mut plan: Plan<Reply<Outcome>> = Plan::default();
        let mut pass = Pass::Ordinary;
        // There is one group: keys do not share a batch.
        let Some(group) = batch.take_groups().pop() else {
            return;
        };
        for entry in group.entries {
            let (admitted, reply) = entry.into_parts();
            if admitted.pass == Pass::Trial {
                pass = Pass::Trial;
            }
            plan.add(admitted.take, reply);
        }
        let calls = plan.calls(&self.script);
        let asked = self
            .nodes
            .run_all(group.key, pass, &self.script, calls)
            .await;
        let answered_at_us = self.clock.now_us();
        // The next batch may begin while everybody is told of this one.
        drop(batch);
        let answers = asked.unwrap_or_else(|error| {
            tracing::debug!(%error, "a batch did not reach the rate limiter");
            Vec::new()
        });
        // What is known first: whoever hears of it may ask again at once.
        let mut told = Vec::new();
        plan.tell(answers, answered_at_us, |take, reply, answer| {
            let mut local = self.known.of(&take.key);
            let decision = answer.map(|(answer, decision)| {
                local.answered(&take.key, answer, take.block > 0);
                decision
            });
            if decision.is_none() {
                local.failed(&take.key);
            }
            told.push((reply, decision));
        });
        for (reply, decision) in told {
            reply.send(decision);
        }
    }
}

impl fmt::Debug for RateLane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RateLane")
            .field("load", &self.queue.load())
            .finish_non_exhaustive()
    }
}
