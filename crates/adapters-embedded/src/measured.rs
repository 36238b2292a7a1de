//! Transactions by name: how long each takes, for whoever counts, and its span where what
//! asked for it is traced.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use group_commit::{TRACES, traced};
use tracing::Span;
use tracing::span::EnteredSpan;

/// Is told of each transaction that may write when it has ended, one way or another: its
/// name, one of a few dozen, and how long it took. Called on the thread that writes: it
/// should return at once, and must not panic.
#[derive(Clone)]
pub struct TransactionObserver(Arc<dyn Fn(&'static str, Duration) + Send + Sync>);

impl TransactionObserver {
    /// One that does this.
    pub fn new(observe: impl Fn(&'static str, Duration) + Send + Sync + 'static) -> Self {
        Self(Arc::new(observe))
    }
}

impl fmt::Debug for TransactionObserver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TransactionObserver")
            .finish_non_exhaustive()
    }
}

/// A transaction while it is under way on this thread; it ends when this is dropped.
pub(crate) struct Measured {
    name: &'static str,
    began: Instant,
    observer: Option<TransactionObserver>,
    _span: EnteredSpan,
}

impl Measured {
    pub(crate) fn begin(name: &'static str, observer: Option<TransactionObserver>) -> Self {
        let span = traced().map(|parent| {
            tracing::info_span!(
                target: TRACES,
                parent: &parent,
                "transaction",
                otel.name = %format_args!("transaction {name}"),
                otel.kind = "client",
                db.system.name = "sqlite",
            )
        });
        let span = span.unwrap_or_else(Span::none);
        Self {
            name,
            began: Instant::now(),
            observer,
            _span: span.entered(),
        }
    }
}

impl Drop for Measured {
    fn drop(&mut self) {
        if let Some(TransactionObserver(observe)) = &self.observer {
            observe(self.name, self.began.elapsed());
        }
    }
}
