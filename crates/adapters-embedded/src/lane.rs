//! Threads that do the work: one with the right to write, some that read.
//!
//! SQLite blocks the thread that calls it, so it never runs on a thread of an
//! async runtime. A job goes through a bounded queue and answers through a
//! channel; whoever stops waiting for the answer does not stop the job. A job
//! is one transaction, however many commands that covers.

use std::io;
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use domain::ports::StoreError;
use tokio::sync::oneshot;

use crate::session::Session;

type Job = Box<dyn FnOnce(&mut Session) + Send>;

/// A queue and the threads behind it, one for each session.
pub(crate) struct Lane {
    /// `None` only while it is dropped.
    jobs: Option<SyncSender<Job>>,
    threads: Vec<JoinHandle<()>>,
}

impl Lane {
    /// # Errors
    /// The operating system gives no more threads.
    pub(crate) fn start(
        name: &str,
        sessions: Vec<Session>,
        queue_max: NonZeroUsize,
    ) -> io::Result<Self> {
        let (sender, receiver) = sync_channel::<Job>(queue_max.get());
        let receiver = Arc::new(Mutex::new(receiver));
        let mut lane = Self {
            jobs: Some(sender),
            threads: Vec::with_capacity(sessions.len()),
        };
        for session in sessions {
            let receiver = Arc::clone(&receiver);
            // If this fails, dropping the lane ends the threads before it.
            let thread = std::thread::Builder::new()
                .name(name.to_owned())
                .spawn(move || work(session, &receiver))?;
            lane.threads.push(thread);
        }
        Ok(lane)
    }

    /// Has `work` done in its turn and waits for the outcome. The work is in
    /// the queue as soon as the future is polled, and done even if that is dropped.
    ///
    /// # Errors
    /// [`StoreError::Busy`] at once when the queue is full,
    /// [`StoreError::Failed`] when the work panicked, and what the work returns.
    pub(crate) async fn ask<T, E>(
        &self,
        work: impl FnOnce(&mut Session) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let job: Job = Box::new(move |session| {
            // Nobody may be waiting any more.
            let _ = reply.send(work(session));
        });
        self.submit(job)?;
        match answer.await {
            Ok(outcome) => outcome,
            // The sender went without a word: it was in the job's hands.
            Err(_) => Err(StoreError::Failed("the work panicked".into()).into()),
        }
    }

    fn submit(&self, job: Job) -> Result<(), StoreError> {
        let jobs = self.jobs.as_ref().expect("taken only when dropped");
        jobs.try_send(job).map_err(|error| match error {
            TrySendError::Full(_) => StoreError::Busy("too much work is waiting".into()),
            TrySendError::Disconnected(_) => {
                StoreError::Unavailable("the store's threads have ended".into())
            }
        })
    }
}

impl Drop for Lane {
    /// Waits until all that is queued is done: it was promised to be.
    fn drop(&mut self) {
        self.jobs = None;
        let this_thread = std::thread::current().id();
        for thread in self.threads.drain(..) {
            // A thread that drops the last handle itself cannot wait for itself.
            if thread.thread().id() != this_thread && thread.join().is_err() {
                tracing::error!("a thread of the store ended in a panic");
            }
        }
    }
}

fn work(mut session: Session, jobs: &Mutex<Receiver<Job>>) {
    loop {
        // The lock is let go with the end of the statement, before the work.
        let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = job else {
            return;
        };
        // After a panic the session is only rolled back or replaced, so nothing
        // half done is seen again.
        if catch_unwind(AssertUnwindSafe(|| job(&mut session))).is_err() {
            tracing::error!("a piece of work panicked; its transaction is rolled back");
        }
        session.recover();
    }
}
