//! Work that goes on beside the requests: putting the gate and what is kept beside
//! the bookings right, and keeping house in the store.

use std::sync::Arc;
use std::time::Duration;

use domain::ports::StoreError;
use domain::usecases::{self, FigureReport};
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior};

use crate::app::App;
use crate::failure::with_causes;
use crate::settings::Settings;
use crate::wiring::Services;

/// How often old keys and deleted events are looked for.
const HOUSEKEEPING_INTERVAL: Duration = Duration::from_secs(10);

/// Rows that one piece of housekeeping touches: its transaction lasts for
/// milliseconds.
const ROWS_AT_ONCE: usize = 1_000;

/// Pieces in one go, so that one job cannot keep the others from their turn.
const PIECES_MAX: usize = 1_000;

/// Tasks on the main runtime that end when they are told to.
pub(crate) struct Background(Vec<JoinHandle<()>>);

impl Background {
    pub(crate) fn start(app: &App, settings: &Settings) -> Self {
        let mut tasks = vec![tokio::spawn(keep_house(app.services()))];
        if app.services().gate.kept {
            tasks.push(tokio::spawn(keep_gate(
                app.services(),
                settings.gate.reconcile_interval,
            )));
        }
        let interval = settings.reconciliation.interval;
        if !interval.is_zero() {
            tasks.push(tokio::spawn(keep_figures(app.services(), interval)));
        }
        Self(tasks)
    }

    /// Ends the tasks without waiting for that.
    pub(crate) fn abort(self) {
        self.0.iter().for_each(JoinHandle::abort);
    }

    /// Ends the tasks. What they do can be left half done: the store's part of
    /// it runs in transactions that nobody drops.
    pub(crate) async fn stop(self) {
        for task in self.0 {
            task.abort();
            let _ = task.await;
        }
    }
}

async fn keep_gate(services: Arc<Services>, interval: Duration) {
    // Where nothing is on sale nobody asks it for anything, and it would be found
    // lost when somebody buys. Its adapter says so.
    if let Some(probe) = &services.gate.probe {
        let _ = probe.check().await;
    }
    let mut ticks = tokio::time::interval(interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut reconciler = usecases::GateReconciler::default();
    loop {
        ticks.tick().await;
        let (catalogue, gate) = (&*services.stores.catalogue, &*services.gate.port);
        match reconciler.round(catalogue, gate).await {
            Ok(report) if report.gates_rebuilt > 0 => {
                tracing::info!(?report, "seat gates were rebuilt");
            }
            Ok(_) => {}
            // The adapters report a lost Redis or database when it happens.
            Err(error) => tracing::debug!(error = with_causes(&error), "no reconciliation"),
        }
    }
}

/// A start has more urgent things to do, so the first turn comes after the first
/// interval.
async fn keep_figures(services: Arc<Services>, interval: Duration) {
    let mut ticks = tokio::time::interval_at(Instant::now() + interval, interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut reconciler = usecases::FigureReconciler::default();
    loop {
        ticks.tick().await;
        let report = reconciler.turn(&*services.stores.reconciliation).await;
        services.reconciliation.note(&report, reconciler.standing());
        log_figures(&report);
    }
}

fn log_figures(report: &FigureReport) {
    for found in &report.found {
        let difference = found.difference;
        if found.repaired {
            tracing::warn!("{difference}: repaired");
        } else {
            tracing::error!("{difference}: somebody has to see to it");
        }
    }
    for (event_id, error) in &report.passed_by {
        let error = with_causes(error);
        tracing::warn!(%event_id, error, "an event was not compared with its bookings");
    }
    match &report.trouble {
        None => {}
        Some(error @ StoreError::Failed(_)) => {
            tracing::warn!(error = with_causes(error), "figures were not compared");
        }
        // The adapters report a lost database when it happens.
        Some(error) => tracing::debug!(error = with_causes(error), "figures were not compared"),
    }
}

async fn keep_house(services: Arc<Services>) {
    let mut ticks = tokio::time::interval(HOUSEKEEPING_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        do_chore(&services, Chore::FinishDeletions).await;
        do_chore(&services, Chore::ForgetSessions).await;
        finish_erasures(&services).await;
        do_chore(&services, Chore::ForgetKeys).await;
    }
}

/// Cancels what users had booked who are erased, as far as that was not done
/// when they were.
async fn finish_erasures(services: &Services) {
    let (stores, gate) = (&services.stores, &*services.gate.port);
    let finished =
        usecases::cancel_bookings_of_erased(&*stores.accounts, &*stores.bookings, gate).await;
    if let Err(error) = finished {
        let error = with_causes(&error);
        tracing::warn!(error, "an erasure is not finished; it is tried again later");
    }
}

/// Something to be done in bounded pieces until nothing is left to do.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Chore {
    /// Marking the bookings of deleted events as cancelled.
    FinishDeletions,
    /// Forgetting sessions that have ended.
    ForgetSessions,
    /// Forgetting old idempotency keys.
    ForgetKeys,
}

impl Chore {
    async fn piece(self, services: &Services) -> Result<usize, StoreError> {
        match self {
            Self::FinishDeletions => {
                services
                    .stores
                    .maintenance
                    .finish_deletions(ROWS_AT_ONCE)
                    .await
            }
            Self::ForgetSessions => services.stores.sessions.forget_ended(ROWS_AT_ONCE).await,
            Self::ForgetKeys => services.stores.maintenance.forget_keys(ROWS_AT_ONCE).await,
        }
    }
}

/// Does a chore to its end, or until it fails.
pub(crate) async fn do_chore(services: &Services, chore: Chore) {
    for _ in 0..PIECES_MAX {
        match chore.piece(services).await {
            Ok(0) => return,
            Ok(_) => {}
            Err(error) => {
                let error = with_causes(&error);
                tracing::warn!(?chore, error, "a chore failed; it is tried again later");
                return;
            }
        }
    }
}
