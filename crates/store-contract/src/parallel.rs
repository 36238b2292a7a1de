//! Doing many things at the same time.

use std::sync::Arc;

use domain::ports::{
    AccountError, ApiKeyError, BeginSessionError, BookError, CancelError, ChangeEventError,
    DeleteEventError, PauseError, RedeemError, RefreshError, RegisterError, SetPasswordError,
    StoreError,
};
use tokio::sync::Barrier;
use tokio::task::JoinSet;

/// Starts so many tasks at one instant and gives their results in the order of
/// their numbers.
pub(crate) async fn parallel<T, F>(tasks: usize, task: impl Fn(usize) -> F) -> Vec<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let barrier = Arc::new(Barrier::new(tasks));
    let mut set = JoinSet::new();
    for number in 0..tasks {
        let (barrier, work) = (Arc::clone(&barrier), task(number));
        set.spawn(async move {
            barrier.wait().await;
            (number, work.await)
        });
    }
    let mut results = set.join_all().await;
    results.sort_by_key(|(number, _)| *number);
    results.into_iter().map(|(_, result)| result).collect()
}

/// An error that may be "busy": nothing was done, try again later.
pub(crate) trait MayBeBusy {
    fn is_busy(&self) -> bool;
}

impl MayBeBusy for StoreError {
    fn is_busy(&self) -> bool {
        matches!(self, Self::Busy(_))
    }
}

macro_rules! may_be_busy {
    ($($error:ident),*) => {$(
        impl MayBeBusy for $error {
            fn is_busy(&self) -> bool {
                matches!(self, Self::Store(error) if error.is_busy())
            }
        }
    )*};
}

may_be_busy!(
    AccountError,
    ApiKeyError,
    BeginSessionError,
    BookError,
    CancelError,
    ChangeEventError,
    DeleteEventError,
    PauseError,
    RedeemError,
    RefreshError,
    RegisterError,
    SetPasswordError
);

/// Tries again while the store is busy, as callers do.
pub(crate) async fn patiently<T, E, F>(call: impl Fn() -> F) -> Result<T, E>
where
    E: MayBeBusy,
    F: Future<Output = Result<T, E>>,
{
    const ATTEMPTS_MAX: usize = 50;
    for _ in 1..ATTEMPTS_MAX {
        match call().await {
            Err(error) if error.is_busy() => tokio::task::yield_now().await,
            outcome => return outcome,
        }
    }
    call().await
}
