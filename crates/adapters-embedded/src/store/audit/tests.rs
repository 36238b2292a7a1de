use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::pin::Pin;

use domain::model::{Actor, PageLimit};
use domain::ports::UserStore;
use futures::executor::block_on;
use futures::future::{join_all, poll_immediate};

use super::*;
use crate::database::tests::keep_busy;
use crate::{SqliteLocation, SqliteSettings, SqliteUserStore};

type Waiting<'l> = Pin<Box<dyn Future<Output = Answer> + 'l>>;

fn open(queue_max: usize) -> (Database, SqliteAuditLog) {
    let settings = SqliteSettings {
        queue_max: NonZeroUsize::new(queue_max).expect("not zero"),
        ..SqliteSettings::new(SqliteLocation::Memory)
    };
    let database = Database::open(&settings).expect("opened");
    (database.clone(), SqliteAuditLog::new(database))
}

fn entry(request: usize) -> AuditEntry {
    AuditEntry {
        actor: Actor::Admin,
        action: "publish_event".to_owned(),
        object: None,
        refused: None,
        request_id: request.to_string(),
    }
}

/// Begins to append an entry each; `None` in the place of those that wait.
fn submit(log: &SqliteAuditLog, requests: usize) -> Vec<(Waiting<'_>, Option<Answer>)> {
    let waiting = (0..requests).map(|request| {
        let mut append: Waiting<'_> = Box::pin(log.append(vec![entry(request)]));
        let answer = block_on(poll_immediate(&mut append));
        (append, answer)
    });
    waiting.collect()
}

fn listed(log: &SqliteAuditLog) -> Vec<AuditRecord> {
    let page = Page::first(PageLimit::MAX);
    let listing = block_on(log.list(AuditFilter::default(), page)).expect("listed");
    listing.entries
}

#[test]
fn those_who_append_at_the_same_time_share_a_transaction() {
    let (database, log) = open(100);
    let release = keep_busy(&database);
    let waiting = submit(&log, 20);
    assert!(waiting.iter().all(|(_, answer)| answer.is_none()));
    drop(release);
    let answers = block_on(join_all(waiting.into_iter().map(|(append, _)| append)));
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    let listed = listed(&log);
    let requests: Vec<_> = listed
        .iter()
        .map(|record| &record.entry.request_id)
        .collect();
    let expected: Vec<_> = (0..20).rev().map(|n: usize| n.to_string()).collect();
    assert_eq!(requests, expected.iter().collect::<Vec<_>>());
    // The clock is read once in a transaction.
    let times: BTreeSet<_> = listed.iter().map(|record| record.at).collect();
    assert_eq!(times.len(), 1);
}

#[test]
fn a_full_queue_is_busy_at_once_and_what_it_took_is_kept() {
    let (database, log) = open(3);
    let release = keep_busy(&database);
    let waiting = submit(&log, 4);
    let busy: Vec<_> = waiting
        .iter()
        .map(|(_, answer)| matches!(answer, Some(Err(StoreError::Busy(_)))))
        .collect();
    assert_eq!(busy, [false, false, false, true]);
    // Other writes have a queue of their own.
    let users = SqliteUserStore::new(database.clone());
    let user = domain::model::NewUser {
        email: domain::model::Email::parse("a@x.in").expect("an address"),
        name: None,
        password: None,
    };
    let registration = users.register(user);
    assert!(block_on(poll_immediate(registration)).is_none(), "it waits");
    // Nobody waits for the answers any more.
    drop(waiting);
    drop(release);
    assert_eq!(listed(&log).len(), 3);
}

#[test]
fn a_transaction_that_fails_adds_nothing_and_says_so_to_all() {
    let (database, log) = open(100);
    let by_hand = |statement: &'static str| {
        block_on(database.write("by_hand", move |connection| {
            let done = diesel::sql_query(statement).execute(connection);
            done.map_err(before_commit)
        }))
        .expect("done")
    };
    by_hand(
        "CREATE TRIGGER refuse BEFORE INSERT ON audit_log WHEN new.request_id = '1'
         BEGIN SELECT RAISE(ABORT, 'refused on purpose'); END",
    );
    let release = keep_busy(&database);
    let waiting = submit(&log, 3);
    drop(release);
    let answers = block_on(join_all(waiting.into_iter().map(|(append, _)| append)));
    let failed = |answer: &Answer| matches!(answer, Err(StoreError::Failed(_)));
    assert!(answers.iter().all(failed), "{answers:?}");
    assert_eq!(listed(&log), []);
    by_hand("DROP TRIGGER refuse");
    block_on(log.append(vec![entry(1)])).expect("appended");
    assert_eq!(listed(&log).len(), 1);
}
