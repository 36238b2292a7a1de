//! The lane to Redis: commands wait here while a batch is under way, and go
//! together in the next one. When Redis is gone around nobody waits. Only trims
//! are kept until Redis has heard them.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use group_commit::{Batch, GroupCommit, Load, NotDone, Observer, Pending, Slot, TRACES, traced};
use tracing::{Instrument, Span};

use domain::model::EventId;

use crate::blocks::Trim;
use crate::breaker::Pass;
use crate::commands::{COMMANDS_MAX, GateCommand, Outcome, Plan};
use crate::link::{LinkError, one_at_a_time};
use crate::nodes::{NodeId, Nodes};
use crate::scripts::Scripts;
use crate::settings::GateSettings;
use crate::surroundings::{self, Handle};

/// How many commands wait for their batch at most. More than requests are let
/// in by a server, since those whose answer nobody needs wait here too.
const WAITING_MAX: usize = 16_384;

/// One queue for all events of a node, and one batch of each at a time: so the
/// commands of an event take effect in the order in which they came, and a node that
/// is slow or lost keeps no other waiting.
pub(crate) struct Lane {
    queue: GroupCommit<NodeId, Admitted, Outcome>,
    nodes: Arc<Nodes>,
    runtime: Arc<OnceLock<Handle>>,
    response_timeout: Duration,
}

/// The answer to a command that was put into the lane. A command whose answer
/// nobody waits for runs all the same.
pub(crate) type Asked = Pending<NodeId, Admitted, Outcome>;

/// A command with its leave to ask Redis.
pub(crate) struct Admitted {
    command: GateCommand,
    pass: Pass,
}

/// What batches need.
struct Runner {
    nodes: Arc<Nodes>,
    scripts: Arc<Scripts>,
    lease_ttl: Duration,
    /// Trims, in their order, that batches could not tell Redis.
    untold: Mutex<Vec<Trim>>,
}

impl Lane {
    /// Batches run on the runtime in which this is called, or else the one that
    /// first uses the lane.
    pub(crate) fn new(
        nodes: Arc<Nodes>,
        scripts: Arc<Scripts>,
        settings: &GateSettings,
        observer: Option<Arc<dyn Observer>>,
    ) -> Self {
        let limits = one_at_a_time(COMMANDS_MAX, WAITING_MAX, nodes.count_max());
        let runner = Arc::new(Runner {
            nodes: Arc::clone(&nodes),
            scripts,
            lease_ttl: settings.lease_ttl,
            untold: Mutex::new(Vec::new()),
        });
        let runtime = Arc::new(OnceLock::new());
        if let Ok(current) = Handle::try_current() {
            runtime.get_or_init(|| current);
        }
        let batches_run_on = Arc::clone(&runtime);
        let start = move |slot: Slot<NodeId, Admitted, Outcome>| {
            let runner = Arc::clone(&runner);
            batches_run_on
                .get_or_init(Handle::current)
                .spawn(async move {
                    if let Some(batch) = slot.take_at(surroundings::now()) {
                        let span = batch.span();
                        runner.run(batch).instrument(span).await;
                    }
                });
        };
        Self {
            queue: GroupCommit::observed(limits, observer, start),
            nodes,
            runtime,
            response_timeout: settings.response_timeout,
        }
    }

    /// Asks, unless Redis is being gone around, and waits for what becomes of
    /// it: for the batch under way, and then its own.
    pub(crate) async fn ask(&self, command: GateCommand) -> Result<Outcome, LinkError> {
        let asked = self.submit_soon(command, surroundings::now())?;
        self.answer(asked).await
    }

    /// Asks something that is of no use later than an answer may take.
    pub(crate) fn submit_soon(
        &self,
        command: GateCommand,
        now: Instant,
    ) -> Result<Asked, LinkError> {
        self.submit(command, now, Some(now + self.response_timeout))
    }

    /// Waits for what becomes of it.
    pub(crate) async fn answer(&self, asked: Asked) -> Result<Outcome, LinkError> {
        asked.await.map_err(|not_done| self.why(not_done))
    }

    pub(crate) fn load(&self) -> Load {
        self.queue.load()
    }

    /// Where batches run, and what else works for the gate.
    pub(crate) fn runtime(&self) -> &Handle {
        self.runtime.get_or_init(Handle::current)
    }

    /// Asks without waiting for the answer.
    pub(crate) fn tell(&self, command: GateCommand) -> Result<(), LinkError> {
        drop(self.submit(command, surroundings::now(), None)?);
        Ok(())
    }

    /// Tells Redis of a block, now or as soon as it listens again: a trim that a
    /// batch could not tell goes in front of the next one.
    pub(crate) fn tell_of(&self, trim: Trim) -> Result<(), LinkError> {
        let node = self.nodes.of_event(trim.event_id);
        drop(self.enter_always(node, GateCommand::Trim(trim))?);
        Ok(())
    }

    /// Waits until everything that was asked or told before of the nodes of these
    /// events is done, be it in vain.
    pub(crate) async fn catch_up(&self, event_ids: &[EventId]) -> Result<(), LinkError> {
        let mut caught = Vec::with_capacity(1);
        for node in self.nodes.of_events(event_ids) {
            caught.push(self.enter_always(node, GateCommand::Catch(None))?);
        }
        for asked in caught {
            self.answer(asked).await?;
        }
        Ok(())
    }

    /// Takes nothing any more, and waits until all that was taken is done.
    pub(crate) async fn drain(&self) {
        // One batch more for trims that are still to be told. It runs even if
        // nobody waits for it, and if the lane is full others will follow.
        for node in self.nodes.all() {
            drop(self.enter_always(node, GateCommand::Catch(None)));
        }
        self.queue.close();
        self.queue.drained().await;
    }

    /// Puts a command into the lane, unless Redis is being gone around.
    pub(crate) fn submit(
        &self,
        command: GateCommand,
        now: Instant,
        deadline: Option<Instant>,
    ) -> Result<Asked, LinkError> {
        let node = self.nodes.of_command(&command);
        let pass = self.nodes.admit(node, now).ok_or(LinkError::GoneAround)?;
        self.enter(node, Admitted { command, pass }, deadline)
    }

    /// Puts a command into the lane that needs no leave: while Redis is gone
    /// around, its batch ends without asking.
    fn enter_always(&self, node: NodeId, command: GateCommand) -> Result<Asked, LinkError> {
        let pass = Pass::Ordinary;
        self.enter(node, Admitted { command, pass }, None)
    }

    fn enter(
        &self,
        node: NodeId,
        admitted: Admitted,
        deadline: Option<Instant>,
    ) -> Result<Asked, LinkError> {
        self.queue
            .submit(node, admitted, deadline)
            .map_err(|not_run| self.why(not_run.into()))
    }

    fn why(&self, not_done: NotDone) -> LinkError {
        LinkError::not_done(not_done, self.response_timeout)
    }
}

impl Runner {
    /// Runs a batch. Everybody in it gets an answer, within the time that the
    /// link allows.
    async fn run(&self, mut batch: Batch<NodeId, Admitted, Outcome>) {
        let mut plan = Plan::new(&self.scripts, self.lease_ttl);
        let mut pass = Pass::Ordinary;
        // There is one group: keys do not share a batch.
        let Some(group) = batch.take_groups().pop() else {
            return;
        };
        for trim in self.take_untold(group.key) {
            plan.repeat(trim);
        }
        for entry in group.entries {
            let (admitted, reply) = entry.into_parts();
            if admitted.pass == Pass::Trial {
                pass = Pass::Trial;
            }
            plan.add(admitted.command, reply);
        }
        let nothing_to_ask = plan.is_empty();
        let (question, audience) = plan.split();
        if nothing_to_ask {
            return audience.tell(Vec::new());
        }
        let asked = self
            .nodes
            .run_all(group.key, pass, question.script, question.commands);
        let asked = asked.instrument(round_trip()).await;
        self.keep(audience.untold(asked.as_deref().unwrap_or_default()));
        // The next batch may begin while everybody is told of this one.
        drop(batch);
        match asked {
            Ok(answers) => audience.tell(answers),
            Err(error) => {
                tracing::debug!(%error, "a batch did not reach the seat gate");
                audience.fail();
            }
        }
    }

    /// Keeps trims for the next batch. It tells them before what it has of its
    /// own, so a block's trims arrive in their order; and one that Redis has
    /// heard without anybody knowing does nothing the second time.
    fn keep(&self, mut trims: Vec<Trim>) {
        if trims.is_empty() {
            return;
        }
        let mut untold = self.untold();
        if untold.len() + trims.len() > COMMANDS_MAX {
            tracing::debug!(count = trims.len(), "the last blocks are left to run out");
            trims.truncate(COMMANDS_MAX.saturating_sub(untold.len()));
        }
        untold.append(&mut trims);
    }

    /// Those for events of this node. Its next batch comes when this one is over.
    fn take_untold(&self, node: NodeId) -> Vec<Trim> {
        let mut untold = self.untold();
        untold
            .extract_if(.., |trim| self.nodes.of_event(trim.event_id) == node)
            .collect()
    }

    /// Only batches that are under way have it, so nobody waits.
    fn untold(&self) -> MutexGuard<'_, Vec<Trim>> {
        self.untold.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a trace shows of the asking.
fn round_trip() -> Span {
    let span = traced().map(|batch| {
        tracing::info_span!(
            target: TRACES,
            parent: &batch,
            "round_trip",
            otel.name = "round trip redis",
            otel.kind = "client",
            db.system.name = "redis",
        )
    });
    span.unwrap_or_else(Span::none)
}

impl fmt::Debug for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lane")
            .field("load", &self.queue.load())
            .finish_non_exhaustive()
    }
}
