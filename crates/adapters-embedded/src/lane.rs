//! Threads that do the work: one with the right to write, some that read.
//!
//! SQLite blocks the thread that calls it, so it never runs on a thread of an
//! async runtime. A job goes through a bounded queue and answers through a
//! channel; whoever stops waiting for the answer does not stop the job. A job
//! is one transaction, however many commands that covers.
//!
//! A queue of commands that are run in batches has its own bound and one job in
//! here for each batch, which always finds room: see [`Turns`].

use std::collections::VecDeque;
use std::io;
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use domain::ports::StoreError;
use tokio::sync::oneshot;
use tracing::Span;

use crate::session::Session;

type Job = Box<dyn FnOnce(&mut Session) + Send>;

/// A queue and the threads behind it, one for each session.
pub(crate) struct Lane {
    queue: Arc<Queue>,
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
        let mut lane = Self {
            queue: Arc::new(Queue::new(queue_max)),
            threads: Vec::with_capacity(sessions.len()),
        };
        for session in sessions {
            let queue = Arc::clone(&lane.queue);
            // If this fails, dropping the lane ends the threads before it.
            let thread = std::thread::Builder::new()
                .name(name.to_owned())
                .spawn(move || work(session, &queue))?;
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
        let asked_by = Span::current();
        let job: Job = Box::new(move |session| {
            let outcome = asked_by.in_scope(|| work(session));
            // Nobody may be waiting any more.
            let _ = reply.send(outcome);
        });
        self.queue.push(job)?;
        match answer.await {
            Ok(outcome) => outcome,
            // The sender went without a word: it was in the job's hands.
            Err(_) => Err(StoreError::Failed("the work panicked".into()).into()),
        }
    }

    /// How many jobs have not begun.
    pub(crate) fn waiting(&self) -> usize {
        self.queue.lock().jobs.len()
    }

    /// For those who bring batches.
    pub(crate) fn turns(&self) -> Turns {
        Turns(Arc::clone(&self.queue))
    }
}

impl Drop for Lane {
    /// Waits until all that is queued is done: it was promised to be.
    fn drop(&mut self) {
        self.queue.close();
        let this_thread = std::thread::current().id();
        for thread in self.threads.drain(..) {
            // A thread that drops the last handle itself cannot wait for itself.
            if thread.thread().id() != this_thread && thread.join().is_err() {
                tracing::error!("a thread of the store ended in a panic");
            }
        }
    }
}

/// Takes a turn in a lane's queue for each of a few batches. Keeps no thread of
/// the lane alive: whoever has one of these has a handle on the database too, or
/// runs on a thread of the lane.
#[derive(Clone)]
pub(crate) struct Turns(Arc<Queue>);

impl Turns {
    /// Queues a batch's job behind all others, be the queue full or about to
    /// end: the commands in the batch were accepted before. It is up to the
    /// caller to have only a few at a time.
    pub(crate) fn take(&self, job: impl FnOnce(&mut Session) + Send + 'static) {
        self.0.push_beyond(Box::new(job));
    }
}

/// Jobs in their order.
struct Queue {
    waiting: Mutex<Waiting>,
    /// Rung for each job, and for everybody at the end.
    bell: Condvar,
    jobs_max: usize,
}

#[derive(Default)]
struct Waiting {
    jobs: VecDeque<Queued>,
    /// How many of the jobs count against the bound.
    bounded: usize,
    closed: bool,
}

struct Queued {
    job: Job,
    bounded: bool,
}

impl Queue {
    fn new(jobs_max: NonZeroUsize) -> Self {
        Self {
            waiting: Mutex::default(),
            bell: Condvar::new(),
            jobs_max: jobs_max.get(),
        }
    }

    /// Nothing panics halfway through a change.
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, job: Job) -> Result<(), StoreError> {
        let mut waiting = self.lock();
        if waiting.bounded >= self.jobs_max {
            return Err(StoreError::Busy("too much work is waiting".into()));
        }
        waiting.bounded += 1;
        waiting.jobs.push_back(Queued { job, bounded: true });
        drop(waiting);
        self.bell.notify_one();
        Ok(())
    }

    /// A thread that does this as part of a job looks again before it ends, so
    /// the job is done even after the end was announced.
    fn push_beyond(&self, job: Job) {
        let bounded = false;
        self.lock().jobs.push_back(Queued { job, bounded });
        self.bell.notify_one();
    }

    /// The next job, waited for; `None` when all is done and no more will come.
    fn pop(&self) -> Option<Job> {
        let mut waiting = self.lock();
        loop {
            if let Some(queued) = waiting.jobs.pop_front() {
                waiting.bounded -= usize::from(queued.bounded);
                return Some(queued.job);
            }
            if waiting.closed {
                return None;
            }
            waiting = self
                .bell
                .wait(waiting)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn close(&self) {
        self.lock().closed = true;
        self.bell.notify_all();
    }
}

fn work(mut session: Session, queue: &Queue) {
    while let Some(job) = queue.pop() {
        // After a panic the session is only rolled back or replaced, so nothing
        // half done is seen again.
        let done = catch_unwind(AssertUnwindSafe(|| job(&mut session)));
        if done.is_err() {
            tracing::error!("a piece of work panicked; its transaction is rolled back");
        }
        // A thread that ended would leave its queue to nobody.
        if catch_unwind(AssertUnwindSafe(|| session.recover())).is_err() {
            tracing::error!("a connection could not be made fit again");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;
    use crate::session::Recipe;

    /// As a batch does whose successor is ready: the end was announced meanwhile.
    #[test]
    fn a_turn_taken_by_the_last_job_still_comes() {
        let session = Session::open(Recipe::memory()).expect("opened");
        let lane = Lane::start("test", vec![session], NonZeroUsize::MIN).expect("a thread");
        let (turns, (done, is_done)) = (lane.turns(), mpsc::channel());
        lane.turns().take(move |_| {
            while !turns.0.lock().closed {
                std::thread::yield_now();
            }
            turns.take(move |_| done.send(()).expect("the test waits"));
        });
        drop(lane);
        assert_eq!(is_done.try_recv(), Ok(()), "done before the lane was gone");
    }
}
