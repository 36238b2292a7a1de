//! Transactions by name: how long each takes, for whoever counts, and its span where what
//! asked for it is traced.

use std::sync::Arc;
use std::time::Duration;

use group_commit::{TRACES, traced};
use tokio::time::Instant;
use tracing::Span;

/// Is told of each transaction, and of each single statement that writes, when it has ended,
/// one way or another: its name, one of a few dozen, and how long it had its connection.
/// Called in the middle of things: it should return at once, and must not panic.
pub type TransactionObserver = Arc<dyn Fn(&'static str, Duration) + Send + Sync>;

/// A transaction while it is under way; it ends when this is dropped.
pub(crate) struct Measured {
    name: &'static str,
    began: Instant,
    observer: Option<TransactionObserver>,
    span: Span,
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
                db.system.name = "postgresql",
            )
        });
        let span = span.unwrap_or_else(Span::none);
        Self {
            name,
            began: Instant::now(),
            observer,
            span,
        }
    }

    /// In which its work is to be done.
    pub(crate) fn span(&self) -> Span {
        self.span.clone()
    }
}

impl Drop for Measured {
    fn drop(&mut self) {
        if let Some(observer) = &self.observer {
            observer(self.name, self.began.elapsed());
        }
    }
}
