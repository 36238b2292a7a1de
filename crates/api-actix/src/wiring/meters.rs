//! What the adapters know by themselves, shown when somebody reads the metrics.

use std::sync::Arc;

use adapters_embedded::{SqliteAuditLog, SqliteBookingStore};
use adapters_postgres::{PgAuditLog, PgBookingStore, Replica};
use adapters_redis::RedisSeatGate;

use crate::metrics::{Metrics, set};
use crate::reconciliation::ReconciliationCounts;

/// The queue of bookings and cancellations.
pub(super) const BOOKINGS: &str = "bookings";

/// The queue of entries of the audit log.
pub(super) const AUDIT: &str = "audit";

/// The queue of what is asked of the gate in Redis.
pub(super) const SEAT_GATE: &str = "seat_gate";

/// The pool of connections to PostgreSQL, and the queues before it.
pub(super) fn watch_postgres(
    metrics: &Metrics,
    database: &adapters_postgres::Database,
    bookings: &Arc<PgBookingStore>,
    audit: &Arc<PgAuditLog>,
) {
    let (of_bookings, of_audit) = (metrics.batches.load(BOOKINGS), metrics.batches.load(AUDIT));
    let (bookings, audit) = (Arc::clone(bookings), Arc::clone(audit));
    metrics.refresh(move || {
        of_bookings(bookings.load());
        of_audit(audit.load());
    });
    watch_pool(metrics, database.clone());
}

fn watch_pool(metrics: &Metrics, database: adapters_postgres::Database) {
    let families = metrics.families();
    let connections = families.gauges(
        "utsavam_database_connections",
        "Connections to PostgreSQL that are open, by whether somebody uses them.",
        &["state"],
    );
    let [idle, used] = ["idle", "used"].map(|state| connections.with_label_values(&[state]));
    let connections_max = families.gauge(
        "utsavam_database_connections_max",
        "Connections to PostgreSQL that there may be.",
    );
    let transactions = families.gauge(
        "utsavam_database_transactions_in_progress",
        "Transactions that are under way on PostgreSQL.",
    );
    let transactions_max = families.gauge(
        "utsavam_database_transactions_max",
        "Transactions that may be under way on PostgreSQL.",
    );
    let opened = families.counter(
        "utsavam_database_connections_opened_total",
        "Connections to PostgreSQL that were opened.",
    );
    let waits = families.counter(
        "utsavam_database_connection_waits_total",
        "Times that a connection to PostgreSQL had to be waited for.",
    );
    let wait_time = families.counter_of_seconds(
        "utsavam_database_connection_wait_seconds_total",
        "How long connections to PostgreSQL were waited for, all waits together.",
    );
    let timeouts = families.counter(
        "utsavam_database_connection_timeouts_total",
        "Times that a connection to PostgreSQL was waited for in vain.",
    );
    metrics.refresh(move || {
        let now = database.pool_use();
        idle.set(now.idle.into());
        used.set(now.connections.saturating_sub(now.idle).into());
        connections_max.set(now.connections_max.into());
        set(&transactions, now.transactions);
        set(&transactions_max, now.transactions_max);
        opened.inc_by(now.opened.saturating_sub(opened.get()));
        waits.inc_by(now.waited.saturating_sub(waits.get()));
        wait_time.inc_by((now.wait_time.as_secs_f64() - wait_time.get()).max(0.0));
        timeouts.inc_by(now.timed_out.saturating_sub(timeouts.get()));
    });
}

/// Reads that may be stale, and the replica that they go to.
pub(super) fn watch_replica(metrics: &Metrics, replica: &Arc<Replica>) {
    let families = metrics.families();
    let reads = families.counters(
        "utsavam_stale_reads_total",
        "Reads that may be stale, by the server that answered: a replica, or the primary after all.",
        &["server"],
    );
    let [by_replica, by_primary] =
        ["replica", "primary"].map(|server| reads.with_label_values(&[server]));
    let is_used = families.gauge(
        "utsavam_replica_used",
        "1 while reads that may be stale go to the replica, 0 while they go around it.",
    );
    let lag = families.gauge_of_seconds(
        "utsavam_replica_lag_seconds",
        "How old the oldest change is that the replica is known to lack.",
    );
    // Not kept alive by whoever reads figures: it goes with the stores.
    let replica = Arc::downgrade(replica);
    metrics.refresh(move || {
        let Some(now) = replica.upgrade().map(|replica| replica.how_used()) else {
            return;
        };
        by_replica.inc_by(now.by_replica.saturating_sub(by_replica.get()));
        by_primary.inc_by(now.by_primary.saturating_sub(by_primary.get()));
        is_used.set(now.is_used.into());
        lag.set(now.lag.as_secs_f64());
    });
}

/// The queues of the embedded store.
pub(super) fn watch_sqlite(
    metrics: &Metrics,
    database: &adapters_embedded::Database,
    bookings: &SqliteBookingStore,
    audit: &SqliteAuditLog,
) {
    let (of_bookings, of_audit) = (metrics.batches.load(BOOKINGS), metrics.batches.load(AUDIT));
    let jobs = metrics.families().gauges(
        "utsavam_sqlite_jobs_waiting",
        "Jobs that wait for a thread of the embedded store; a batch is one.",
        &["thread"],
    );
    let [writes, reads] = ["writer", "readers"].map(|thread| jobs.with_label_values(&[thread]));
    let (database, bookings, audit) = (database.clone(), bookings.clone(), audit.clone());
    metrics.refresh(move || {
        of_bookings(bookings.load());
        of_audit(audit.load());
        let waiting = database.jobs_waiting();
        set(&writes, waiting.writes);
        set(&reads, waiting.reads);
    });
}

/// The way to the gate in Redis.
pub(super) fn watch_redis(metrics: &Metrics, gate: &Arc<RedisSeatGate>) {
    let load = metrics.batches.load(SEAT_GATE);
    let gone_around = metrics.families().gauge(
        "utsavam_redis_gone_around",
        "1 while Redis is not asked because it did not answer, otherwise 0.",
    );
    let gate = Arc::clone(gate);
    metrics.refresh(move || {
        load(gate.load());
        gone_around.set(gate.is_gone_around().into());
    });
}

/// What comparing seats and figures with the bookings has found.
pub(super) fn watch_reconciliation(metrics: &Metrics, counts: &Arc<ReconciliationCounts>) {
    let families = metrics.families();
    let found = families.counter(
        "utsavam_reconciliation_differences_total",
        "Differences between what is kept and the bookings that were found.",
    );
    let repaired = families.counter(
        "utsavam_reconciliation_repairs_total",
        "Those of them that were repaired.",
    );
    let standing = families.gauge(
        "utsavam_reconciliation_differences_standing",
        "Differences that are there now and that nothing repairs.",
    );
    let counts = Arc::clone(counts);
    metrics.refresh(move || {
        let now = counts.read();
        found.inc_by(now.found.saturating_sub(found.get()));
        repaired.inc_by(now.repaired.saturating_sub(repaired.get()));
        standing.set(i64::try_from(now.standing).unwrap_or(i64::MAX));
    });
}
