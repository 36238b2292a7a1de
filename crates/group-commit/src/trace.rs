//! What traces show of a queue: how long a command waited, and the batch that
//! took it, which is linked to everybody whose commands it has.
//!
//! These are spans of `tracing`. Where nobody subscribes to their target, none is
//! made: to find that out takes the load of an atomic for each command.

use tracing::{Level, Span};

/// The target of spans that are made for traces, and not for a log.
pub const TRACES: &str = "traces";

/// The span for traces in which this is called, if it is called in one. Whatever makes
/// spans for traces makes them in that one, or none: so nothing is made for whom is
/// not traced, which filters of a subscriber do not see to alone.
pub fn traced() -> Option<Span> {
    if !tracing::span_enabled!(target: TRACES, Level::INFO) {
        return None;
    }
    let current = Span::current();
    let is_for_traces = current
        .metadata()
        .is_some_and(|metadata| metadata.target() == TRACES);
    is_for_traces.then_some(current)
}

/// A command's place in the trace of whoever submitted it.
pub(crate) struct Trace {
    asked_by: Span,
    /// None while a batch has the command.
    waiting: Span,
}

impl Trace {
    /// For a command that is submitted now. `None` unless who does it is traced.
    pub(crate) fn begin(queue: &'static str) -> Option<Box<Self>> {
        let asked_by = traced()?;
        let waiting = wait(&asked_by, queue);
        Some(Box::new(Self { asked_by, waiting }))
    }

    /// For a command that its batch puts off.
    pub(crate) fn wait_again(&mut self, queue: &'static str) {
        self.waiting = wait(&self.asked_by, queue);
    }
}

fn wait(asked_by: &Span, queue: &'static str) -> Span {
    tracing::info_span!(
        target: TRACES,
        parent: asked_by,
        "wait",
        otel.name = %format_args!("wait {queue}"),
        queue,
    )
}

/// The span of a batch of so many commands, and the end of their waiting. It lies
/// in the trace of the first command that has one, and is linked to all of them;
/// how each waited is linked to it. `Span::none()` if none of them is traced.
pub(crate) fn batch<'t>(
    queue: &'static str,
    commands: usize,
    traces: impl Iterator<Item = &'t mut Trace>,
) -> Span {
    let mut traces = traces.peekable();
    let Some(first) = traces.peek() else {
        return Span::none();
    };
    let batch = tracing::info_span!(
        target: TRACES,
        parent: &first.asked_by,
        "batch",
        otel.name = %format_args!("batch {queue}"),
        queue,
        commands,
    );
    for trace in traces {
        batch.follows_from(&trace.asked_by);
        let waiting = std::mem::replace(&mut trace.waiting, Span::none());
        waiting.follows_from(&batch);
    }
    batch
}
