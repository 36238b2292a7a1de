//! Entries of the audit log that are appended at the same time share a statement.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use adapters_postgres::{Limits, PgAuditLog};
use domain::model::{Actor, AuditEntry, AuditFilter, Page, PageLimit};
use domain::ports::{AuditLog, StoreError};
use tokio::task::JoinHandle;
use tokio_postgres::Client;

use super::shop::all;
use super::support;

struct Archive {
    name: String,
    log: Arc<PgAuditLog>,
    sql: Client,
}

impl Archive {
    async fn open(limits: Limits) -> Self {
        let name = support::unique_name();
        let keep_keys = Duration::from_secs(60);
        drop(support::database(&name, keep_keys).await);
        let mut settings = support::settings(&name, keep_keys);
        settings.batches = limits;
        let database = support::connect(&settings).await;
        Self {
            log: Arc::new(PgAuditLog::new(database)),
            sql: support::session(Some(&name)).await,
            name,
        }
    }

    async fn close(self) {
        let Self { name, log, .. } = self;
        log.drain().await;
        support::run(None, &format!("DROP DATABASE {name} WITH (FORCE)")).await;
    }

    /// Nobody may append until this session commits.
    async fn hold(&self) -> Client {
        let holder = support::session(Some(&self.name)).await;
        let lock = "BEGIN; LOCK TABLE audit_log IN SHARE MODE";
        holder.batch_execute(lock).await.expect("locked");
        holder
    }

    async fn number(&self, query: &str) -> i64 {
        self.sql
            .query_one(query, &[])
            .await
            .expect("one row")
            .get(0)
    }

    async fn until_waiting(&self) {
        let waiting = "SELECT count(*) FROM pg_stat_activity
                       WHERE datname = current_database() AND wait_event_type = 'Lock'";
        while self.number(waiting).await < 1 {
            tokio::task::yield_now().await;
        }
    }

    fn append(&self, actions: &[&str]) -> JoinHandle<Result<(), StoreError>> {
        let (log, entries) = (self.log.clone(), actions.iter().map(|a| entry(a)).collect());
        tokio::spawn(async move { log.append(entries).await })
    }
}

fn entry(action: &str) -> AuditEntry {
    AuditEntry {
        actor: Actor::Admin,
        action: action.to_owned(),
        object: None,
        refused: None,
        request_id: "a request".to_owned(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_that_wait_share_the_next_statement_and_keep_their_order() {
    let archive = Archive::open(Limits::default()).await;
    let holder = archive.hold().await;
    let mut calls = vec![archive.append(&["first"])];
    archive.until_waiting().await;
    for _ in 0..50 {
        calls.push(archive.append(&["b", "a", "c"]));
    }
    // All of them are queued when every task has run once.
    while archive.log.load().waiting < 50 {
        tokio::task::yield_now().await;
    }
    holder.batch_execute("COMMIT").await.expect("let go");
    assert!(all(calls).await.iter().all(Result::is_ok));
    let statements = "SELECT count(DISTINCT at) FROM audit_log";
    assert_eq!(archive.number(statements).await, 2);
    let page = Page::first(PageLimit::MAX);
    let listed = archive.log.list(AuditFilter::default(), page).await;
    let entries = listed.expect("a list").entries;
    let actions: Vec<_> = entries.iter().map(|r| r.entry.action.as_str()).collect();
    for call in actions[..99].chunks(3) {
        assert_eq!(call, ["c", "a", "b"], "newest first");
    }
    archive.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_cannot_be_written_fails_alone() {
    let archive = Archive::open(Limits::default()).await;
    let holder = archive.hold().await;
    let first = archive.append(&["first"]);
    archive.until_waiting().await;
    let calls = [&["good"][..], &["good", "b\0d"], &["good", "too"]];
    let calls = calls.map(|actions| archive.append(actions));
    while archive.log.load().waiting < 3 {
        tokio::task::yield_now().await;
    }
    holder.batch_execute("COMMIT").await.expect("let go");
    assert!(first.await.expect("no panic").is_ok());
    let answers = all(calls).await;
    assert!(answers[0].is_ok() && answers[2].is_ok(), "{answers:?}");
    assert!(
        matches!(answers[1], Err(StoreError::Failed(_))),
        "{answers:?}"
    );
    assert_eq!(archive.number("SELECT count(*) FROM audit_log").await, 4);
    archive.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_line_refuses_at_once() {
    let two = NonZeroUsize::new(2).expect("not zero");
    let archive = Archive::open(Limits {
        waiting_max: two,
        ..Limits::default()
    })
    .await;
    let holder = archive.hold().await;
    let mut calls = vec![archive.append(&["first"])];
    archive.until_waiting().await;
    calls.extend((0..2).map(|_| archive.append(&["next"])));
    while archive.log.load().waiting < 2 {
        tokio::task::yield_now().await;
    }
    let refused = archive.log.append(vec![entry("too much")]).await;
    assert!(matches!(refused, Err(StoreError::Busy(_))), "{refused:?}");
    holder.batch_execute("COMMIT").await.expect("let go");
    assert!(all(calls).await.iter().all(Result::is_ok));
    assert_eq!(archive.number("SELECT count(*) FROM audit_log").await, 3);
    archive.close().await;
}
