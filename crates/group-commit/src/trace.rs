//! What traces show of a queue: how long a command waited, and the batch that
//! took it, which is linked to everybody whose commands it has.
//!
//! These are spans of `tracing`. Where nobody subscribes to their target, none is
//! made: to find that out takes the load of an atomic for each command.

use tracing::Span;

/// The target of spans that are made for traces, and not for a log.
pub const TRACES: &str = "traces";

/// A command's place in the trace of whoever submitted it.
pub(crate) struct Trace {
    asked_by: Span,
    /// None while a batch has the command.
    waiting: Span,
}

impl Trace {
    /// For a command that is submitted now. `None` unless who does it is traced.
    pub(crate) fn begin(queue: &'static str) -> Option<Box<Self>> {
        let waiting = tracing::info_span!(
            target: TRACES,
            "wait",
            otel.name = %format_args!("wait {queue}"),
            queue,
        );
        if waiting.is_disabled() {
            return None;
        }
        let asked_by = Span::current();
        Some(Box::new(Self { asked_by, waiting }))
    }

    /// For a command that its batch puts off.
    pub(crate) fn wait_again(&mut self, queue: &'static str) {
        self.waiting = tracing::info_span!(
            target: TRACES,
            parent: &self.asked_by,
            "wait",
            otel.name = %format_args!("wait {queue}"),
            queue,
        );
    }
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
