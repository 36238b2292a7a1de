//! The waiting side of a command.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::sync::oneshot;

use crate::group_commit::Shared;
use crate::lanes::Place;
use crate::limits::Key;

/// Why a command did not run. It left no trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotRun {
    /// As many commands are waiting as may.
    #[error("too many commands are waiting")]
    Full,
    /// Its deadline passed while it was waiting.
    #[error("the command waited until its deadline")]
    Expired,
    /// Nothing is taken any more.
    #[error("no more commands are taken")]
    Closed,
}

/// Why a command has no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotDone {
    /// It did not run.
    #[error(transparent)]
    NotRun(#[from] NotRun),
    /// Its batch ended without answering it, in a panic for instance. It may
    /// have run or not.
    #[error("the batch ended without an answer")]
    Lost,
}

/// A command's answer to come. Dropping it ends the wait, not the command.
#[must_use = "the command runs anyway, but its answer is lost"]
pub struct Pending<K: Key, C, A> {
    pub(crate) answer: oneshot::Receiver<Result<A, NotRun>>,
    pub(crate) place: Place<K>,
    pub(crate) shared: Arc<Shared<K, C, A>>,
}

impl<K: Key, C, A> Pending<K, C, A> {
    /// Takes the command back if no batch has it yet; says whether it did, and
    /// then the command never runs. If it did not, go on waiting: an answer is
    /// there or on its way.
    pub fn withdraw(&self) -> bool {
        self.shared.withdraw(&self.place)
    }
}

impl<K: Key + Unpin, C, A> Future for Pending<K, C, A> {
    type Output = Result<A, NotDone>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.answer)
            .poll(context)
            .map(|answer| match answer {
                Ok(Ok(answer)) => Ok(answer),
                Ok(Err(not_run)) => Err(not_run.into()),
                Err(_) => Err(NotDone::Lost),
            })
    }
}

impl<K: Key, C, A> fmt::Debug for Pending<K, C, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pending").finish_non_exhaustive()
    }
}
