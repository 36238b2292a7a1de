//! One transaction: its locks, its steps and its end.

use std::task::Poll;
use std::time::Duration;

use domain::model::EventId;
use domain::ports::StoreError;
use tokio::sync::oneshot;

use super::{Lock, Written, with, write};
use crate::executor::{self, WORLD, sleep_us};
use crate::surroundings::timeout;
use crate::watch;

/// How long a lock is waited for.
const LOCK_TIMEOUT: Duration = Duration::from_millis(150);

/// Rolls back when it is dropped, as when its process crashes.
pub(super) struct Transaction {
    id: u64,
    life: u32,
    held: Vec<Lock>,
}

/// The answer to a step that met no database.
pub(super) fn away() -> StoreError {
    StoreError::Unavailable("the database is away".into())
}

/// Lets time pass as a statement does; an error if the database is away then.
pub(super) async fn step() -> Result<u32, StoreError> {
    let delay_us = with(|database| fastrand::u64(..=database.delay_us_max));
    sleep_us(delay_us).await;
    with(|database| database.is_up.then_some(database.life)).ok_or_else(away)
}

impl Transaction {
    pub(super) async fn begin() -> Result<Self, StoreError> {
        let life = step().await?;
        let id = with(|database| {
            database.transactions += 1;
            database.transactions
        });
        Ok(Self {
            id,
            life,
            held: Vec::new(),
        })
    }

    /// A statement.
    pub(super) async fn step(&self) -> Result<(), StoreError> {
        if step().await? == self.life {
            Ok(())
        } else {
            Err(away())
        }
    }

    /// Waits for a lock.
    pub(super) async fn lock(&mut self, lock: Lock) -> Result<(), StoreError> {
        let (id, life) = (self.id, self.life);
        let attempt = std::future::poll_fn(|context| {
            with(|database| {
                if database.life != life {
                    return Poll::Ready(Err(away()));
                }
                if *database.locks.entry(lock.clone()).or_insert(id) == id {
                    return Poll::Ready(Ok(()));
                }
                database.waiting.push(context.waker().clone());
                Poll::Pending
            })
        });
        match timeout(LOCK_TIMEOUT, attempt).await {
            Ok(locked) => locked?,
            Err(_) => return Err(StoreError::Busy("a lock was not to be had".into())),
        }
        self.held.push(lock);
        Ok(())
    }

    /// Locks an event unless somebody else has it.
    pub(super) fn try_lock(&mut self, event_id: EventId) -> bool {
        let lock = Lock::Event(event_id);
        let id = self.id;
        let is_free = with(|database| *database.locks.entry(lock.clone()).or_insert(id) == id);
        if is_free {
            self.held.push(lock);
        }
        is_free
    }

    /// Makes it durable. The database does that by itself once it has heard of it,
    /// whether anybody waits or not.
    pub(super) async fn commit(self, written: Written) -> Result<(), StoreError> {
        let (delay_us, answer_us, is_astray) = with(|database| {
            let longest = database.delay_us_max;
            let dice = fastrand::u32(..1000);
            (
                fastrand::u64(..=longest),
                fastrand::u64(..=longest),
                dice < database.astray,
            )
        });
        let how = fastrand::u32(..3);
        let (sender, answer) = oneshot::channel();
        let mut sender = Some(sender);
        if is_astray && how == 0 {
            // The connection breaks while the commit goes on.
            sender = None;
        }
        executor::spawn(WORLD, async move {
            let late_us = if sender.is_none() { 50_000 } else { 0 };
            sleep_us(delay_us + late_us).await;
            let is_there = with(|database| database.is_up && database.life == self.life);
            if !is_there || (is_astray && how == 1) {
                return;
            }
            let result = write(&written);
            drop(self);
            if is_astray {
                return;
            }
            sleep_us(answer_us).await;
            if let Some(sender) = sender {
                // Its process may be gone.
                let _ = sender.send(result);
            }
        });
        match answer.await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(fault)) => Err(StoreError::Failed(fault.into())),
            Err(_) => {
                watch::fault_all("nobody knows whether a commit happened");
                Err(StoreError::OutcomeUnknown("the connection broke".into()))
            }
        }
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        let waiting = with(|database| {
            if database.life == self.life {
                database.locks.retain(|_, holder| *holder != self.id);
            }
            std::mem::take(&mut database.waiting)
        });
        waiting.into_iter().for_each(std::task::Waker::wake);
    }
}
