//! The lane to Redis: commands wait here while a batch is under way, and go
//! together in the next one. When Redis is gone around nobody waits. Only trims
//! are kept until Redis has heard them.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use group_commit::{Batch, GroupCommit, Load, NotDone, Observer, Pending, Slot, TRACES, traced};
use tracing::{Instrument, Span};

use crate::blocks::Trim;
use crate::breaker::Pass;
use crate::commands::{COMMANDS_MAX, GateCommand, Outcome, Plan};
use crate::link::{Link, LinkError, one_at_a_time};
use crate::scripts::Scripts;
use crate::settings::GateSettings;
use crate::surroundings::{self, Handle};

/// How many commands wait for their batch at most. More than requests are let
/// in by a server, since those whose answer nobody needs wait here too.
const WAITING_MAX: usize = 16_384;

/// One queue for all events, and one batch at a time: so the commands of an
/// event take effect in the order in which they came.
pub(crate) struct Lane {
    queue: GroupCommit<(), Admitted, Outcome>,
    link: Arc<Link>,
    runtime: Arc<OnceLock<Handle>>,
    response_timeout: Duration,
}

/// The answer to a command that was put into the lane. A command whose answer
/// nobody waits for runs all the same.
pub(crate) type Asked = Pending<(), Admitted, Outcome>;

/// A command with its leave to ask Redis.
pub(crate) struct Admitted {
    command: GateCommand,
    pass: Pass,
}

/// What batches need.
struct Runner {
    link: Arc<Link>,
    scripts: Arc<Scripts>,
    lease_ttl: Duration,
    /// Trims, in their order, that batches could not tell Redis.
    untold: Mutex<Vec<Trim>>,
}

impl Lane {
    /// Batches run on the runtime in which this is called, or else the one that
    /// first uses the lane.
    pub(crate) fn new(
        link: Arc<Link>,
        scripts: Arc<Scripts>,
        settings: &GateSettings,
        observer: Option<Arc<dyn Observer>>,
    ) -> Self {
        let limits = one_at_a_time(COMMANDS_MAX, WAITING_MAX);
        let runner = Arc::new(Runner {
            link: Arc::clone(&link),
            scripts,
            lease_ttl: settings.lease_ttl,
            untold: Mutex::new(Vec::new()),
        });
        let runtime = Arc::new(OnceLock::new());
        if let Ok(current) = Handle::try_current() {
            runtime.get_or_init(|| current);
        }
        let batches_run_on = Arc::clone(&runtime);
        let start = move |slot: Slot<(), Admitted, Outcome>| {
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
            link,
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
        drop(self.submit_always(GateCommand::Trim(trim))?);
        Ok(())
    }

    /// Waits until everything that was asked or told before is done, be it in
    /// vain.
    pub(crate) async fn catch_up(&self) -> Result<(), LinkError> {
        let caught = self.submit_always(GateCommand::Catch)?;
        self.answer(caught).await.map(drop)
    }

    /// Takes nothing any more, and waits until all that was taken is done.
    pub(crate) async fn drain(&self) {
        // One batch more for trims that are still to be told. It runs even if
        // nobody waits for it, and if the lane is full others will follow.
        drop(self.submit_always(GateCommand::Catch));
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
        let pass = self.link.admit(now).ok_or(LinkError::GoneAround)?;
        self.enter(Admitted { command, pass }, deadline)
    }

    /// Puts a command into the lane that needs no leave: while Redis is gone
    /// around, its batch ends without asking.
    fn submit_always(&self, command: GateCommand) -> Result<Asked, LinkError> {
        let pass = Pass::Ordinary;
        self.enter(Admitted { command, pass }, None)
    }

    fn enter(&self, admitted: Admitted, deadline: Option<Instant>) -> Result<Asked, LinkError> {
        self.queue
            .submit((), admitted, deadline)
            .map_err(|not_run| self.why(not_run.into()))
    }

    fn why(&self, not_done: NotDone) -> LinkError {
        LinkError::not_done(not_done, self.response_timeout)
    }
}

impl Runner {
    /// Runs a batch. Everybody in it gets an answer, within the time that the
    /// link allows.
    async fn run(&self, mut batch: Batch<(), Admitted, Outcome>) {
        let mut plan = Plan::new(&self.scripts, self.lease_ttl);
        for trim in std::mem::take(&mut *self.untold()) {
            plan.repeat(trim);
        }
        let mut pass = Pass::Ordinary;
        for entry in batch
            .take_groups()
            .into_iter()
            .flat_map(|group| group.entries)
        {
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
            .link
            .share(pass, async |redis| question.ask(redis).await);
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
        if trims.len() > COMMANDS_MAX {
            tracing::debug!(count = trims.len(), "the last blocks are left to run out");
            trims.truncate(COMMANDS_MAX);
        }
        if !trims.is_empty() {
            *self.untold() = trims;
        }
    }

    /// Only the batch that is under way has it, so nobody waits.
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
