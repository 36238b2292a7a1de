//! Runs one promise on one backend.

use std::any::Any;
use std::fmt;
use std::ops::Deref;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};

use crate::{
    AccountsBackend, Backend, GateBackend, LimiterBackend, ReconciliationBackend, StoreSettings,
};

/// Long enough for every promise on a machine that does other things too; a
/// promise that takes longer hangs.
const TIME_MAX: Duration = Duration::from_secs(110);

/// Keys are kept for this long unless a promise is about forgetting them.
const SETTINGS: StoreSettings = StoreSettings {
    keep_keys: Duration::from_secs(60 * 60),
};

/// Leases last this long unless a promise is about their end: longer than any
/// test, and not so long that a gate is forgotten when a clock is set ahead.
const LEASE_TIME: Duration = Duration::from_secs(2 * 60);

/// The store of one test and the counters that make its data distinct.
#[derive(Clone)]
pub struct Bench {
    backend: Arc<dyn Backend>,
    pub(crate) count: Arc<AtomicU64>,
}

impl Deref for Bench {
    type Target = dyn Backend;

    fn deref(&self) -> &Self::Target {
        self.backend.as_ref()
    }
}

impl fmt::Debug for Bench {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bench").finish_non_exhaustive()
    }
}

/// The store of one test that keeps accounts too.
#[derive(Clone)]
pub struct AccountsBench {
    backend: Arc<dyn AccountsBackend>,
    store: Bench,
}

impl AccountsBench {
    /// The ports around users, which [`Bench`] does not have.
    pub(crate) fn backend(&self) -> &dyn AccountsBackend {
        self.backend.as_ref()
    }
}

impl Deref for AccountsBench {
    type Target = Bench;

    fn deref(&self) -> &Self::Target {
        &self.store
    }
}

impl fmt::Debug for AccountsBench {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccountsBench").finish_non_exhaustive()
    }
}

/// The store of one test that is compared with its bookings.
#[derive(Clone)]
pub struct ReconciliationBench {
    backend: Arc<dyn ReconciliationBackend>,
    store: Bench,
}

impl ReconciliationBench {
    /// What [`Bench`] does not have.
    pub(crate) fn backend(&self) -> &dyn ReconciliationBackend {
        self.backend.as_ref()
    }
}

impl Deref for ReconciliationBench {
    type Target = Bench;

    fn deref(&self) -> &Self::Target {
        &self.store
    }
}

impl fmt::Debug for ReconciliationBench {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReconciliationBench")
            .finish_non_exhaustive()
    }
}

/// The gate of one test.
#[derive(Clone)]
pub struct GateBench(Arc<dyn GateBackend>);

impl Deref for GateBench {
    type Target = dyn GateBackend;

    fn deref(&self) -> &Self::Target {
        self.0.as_ref()
    }
}

impl fmt::Debug for GateBench {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GateBench").finish_non_exhaustive()
    }
}

/// The rate limiter of one test.
#[derive(Clone)]
pub struct LimiterBench(Arc<dyn LimiterBackend>);

impl Deref for LimiterBench {
    type Target = dyn LimiterBackend;

    fn deref(&self) -> &Self::Target {
        self.0.as_ref()
    }
}

impl fmt::Debug for LimiterBench {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LimiterBench").finish_non_exhaustive()
    }
}

/// Runs a promise on a fresh store.
///
/// # Panics
/// The promise is broken.
pub fn run_store<B, F>(promise: fn(Bench) -> F)
where
    B: Backend,
    F: Future<Output = ()> + Send + 'static,
{
    run_store_with::<B, F>(SETTINGS, promise);
}

/// Runs a promise on a fresh store that need not keep idempotency keys at all.
///
/// # Panics
/// The promise is broken.
pub fn run_store_forgetful<B, F>(promise: fn(Bench) -> F)
where
    B: Backend,
    F: Future<Output = ()> + Send + 'static,
{
    let settings = StoreSettings {
        keep_keys: Duration::ZERO,
    };
    run_store_with::<B, F>(settings, promise);
}

/// Runs a promise on a fresh store with these settings.
///
/// # Panics
/// The promise is broken.
pub fn run_store_with<B, F>(settings: StoreSettings, promise: fn(Bench) -> F)
where
    B: Backend,
    F: Future<Output = ()> + Send + 'static,
{
    let start = async {
        Bench {
            backend: Arc::new(B::start(settings).await),
            count: Arc::default(),
        }
    };
    run(start, promise, async |bench| bench.stop().await);
}

/// Runs a promise on a fresh store that keeps accounts too.
///
/// # Panics
/// The promise is broken.
pub fn run_accounts<B, F>(promise: fn(AccountsBench) -> F)
where
    B: AccountsBackend,
    F: Future<Output = ()> + Send + 'static,
{
    let start = async {
        let backend = Arc::new(B::start(SETTINGS).await);
        AccountsBench {
            backend: backend.clone(),
            store: Bench {
                backend,
                count: Arc::default(),
            },
        }
    };
    run(start, promise, async |bench| bench.stop().await);
}

/// Runs a promise on a fresh store that is compared with its bookings.
///
/// # Panics
/// The promise is broken.
pub fn run_reconciliation<B, F>(promise: fn(ReconciliationBench) -> F)
where
    B: ReconciliationBackend,
    F: Future<Output = ()> + Send + 'static,
{
    let start = async {
        let backend = Arc::new(B::start(SETTINGS).await);
        ReconciliationBench {
            backend: backend.clone(),
            store: Bench {
                backend,
                count: Arc::default(),
            },
        }
    };
    run(start, promise, async |bench| bench.stop().await);
}

/// Runs a promise on a fresh gate.
///
/// # Panics
/// The promise is broken.
pub fn run_gate<B, F>(promise: fn(GateBench) -> F)
where
    B: GateBackend,
    F: Future<Output = ()> + Send + 'static,
{
    run_gate_with::<B, F>(LEASE_TIME, promise);
}

/// Runs a promise on a fresh gate whose leases run out at once.
///
/// # Panics
/// The promise is broken.
pub fn run_gate_hasty<B, F>(promise: fn(GateBench) -> F)
where
    B: GateBackend,
    F: Future<Output = ()> + Send + 'static,
{
    run_gate_with::<B, F>(Duration::from_millis(1), promise);
}

fn run_gate_with<B, F>(lease_time: Duration, promise: fn(GateBench) -> F)
where
    B: GateBackend,
    F: Future<Output = ()> + Send + 'static,
{
    let start = async { GateBench(Arc::new(B::start(lease_time).await)) };
    run(start, promise, async |bench| bench.stop().await);
}

/// Runs a promise on a fresh rate limiter.
///
/// # Panics
/// The promise is broken.
pub fn run_limiter<B, F>(promise: fn(LimiterBench) -> F)
where
    B: LimiterBackend,
    F: Future<Output = ()> + Send + 'static,
{
    let start = async { LimiterBench(Arc::new(B::start().await)) };
    run(start, promise, async |bench| bench.stop().await);
}

/// Runs a promise on what starts, and stops that whatever comes of the promise.
fn run<T: Clone, F>(start: impl Future<Output = T>, promise: fn(T) -> F, stop: impl AsyncFnOnce(T))
where
    F: Future<Output = ()> + Send + 'static,
{
    runtime().block_on(async {
        let bench = start.await;
        let outcome = keep(promise(bench.clone())).await;
        stop(bench).await;
        outcome.unwrap_or_else(|panic| resume_unwind(panic));
    });
}

/// Several threads even on a small machine: races must have a chance.
fn runtime() -> Runtime {
    Builder::new_multi_thread()
        .worker_threads(4)
        .enable_all()
        .build()
        .expect("a runtime can be built")
}

/// In a task of its own, so that the backend is stopped after a panic too.
async fn keep(
    promise: impl Future<Output = ()> + Send + 'static,
) -> Result<(), Box<dyn Any + Send>> {
    let promise = tokio::spawn(promise);
    let abort = promise.abort_handle();
    match tokio::time::timeout(TIME_MAX, promise).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(error.into_panic()),
        Err(_) => {
            abort.abort();
            // What is resumed as a panic is not shown again.
            let message = format!("no end within {TIME_MAX:?}");
            eprintln!("{message}");
            Err(Box::new(message))
        }
    }
}
