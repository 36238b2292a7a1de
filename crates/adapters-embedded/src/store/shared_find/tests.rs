use std::sync::mpsc;

use diesel::connection::SimpleConnection;
use diesel::result::QueryResult;
use domain::model::PublishEvent;
use domain::ports::EventStore;
use futures::executor::block_on;
use futures::future::{join_all, poll_immediate};

use super::*;
use crate::{SqliteEventStore, SqliteLocation, SqliteSettings};

/// A file with one reader, and one event in it.
fn shop(folder: &tempfile::TempDir) -> (Database, SqliteEventStore, Event) {
    let settings = SqliteSettings {
        readers: NonZeroUsize::MIN,
        ..SqliteSettings::new(SqliteLocation::File(folder.path().join("shop.db")))
    };
    let database = Database::open(&settings).expect("opened");
    let events = SqliteEventStore::new(database.clone());
    let concert = PublishEvent {
        name: domain::model::EventName::parse("Concert").expect("a name"),
        venue: None,
        start_at: chrono::DateTime::UNIX_EPOCH,
        capacity: domain::model::Capacity::try_new(10).expect("in range"),
    };
    let event = block_on(events.publish(concert)).expect("published");
    (database, events, event)
}

/// Keeps the reader at work until the sender is dropped.
fn keep_reader_busy(database: &Database) -> mpsc::SyncSender<()> {
    let (release, released) = mpsc::sync_channel::<()>(0);
    let (begun, has_begun) = mpsc::sync_channel::<()>(0);
    let job = database.read(move |_| -> QueryResult<()> {
        begun.send(()).expect("the test waits");
        let _ = released.recv();
        Ok(())
    });
    assert!(block_on(poll_immediate(job)).is_none());
    has_begun.recv().expect("the job begins");
    release
}

fn by_hand(database: &Database, statement: &'static str) {
    block_on(database.write("by_hand", move |connection| {
        connection.batch_execute(statement).map_err(before_commit)
    }))
    .expect("done by hand");
}

#[test]
fn those_who_ask_together_share_a_job_and_see_what_was_committed_before_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let (database, events, event) = shop(&folder);
    let finds = SharedFind::new(&database);
    let release = keep_reader_busy(&database);
    let mut asked: Vec<_> = (0..100).map(|_| Box::pin(finds.find(event.id()))).collect();
    for find in &mut asked {
        assert!(block_on(poll_immediate(find)).is_none());
    }
    let load = finds.questions.load();
    assert_eq!((load.waiting, load.batches), (100, 1));
    block_on(events.delete(event.id())).expect("deleted");
    drop(release);
    for found in block_on(join_all(asked)) {
        assert_eq!(found.expect("answered"), None, "older than the deletion");
    }
}

#[test]
fn a_broken_event_fails_only_those_who_ask_for_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let (database, _, event) = shop(&folder);
    by_hand(
        &database,
        "INSERT INTO events (id, name, start_at, capacity, seats_available)
         VALUES (7, 'Never', 9223372036854775807, 1, 1)",
    );
    let id = |n| EventId::try_new(n).expect("positive");
    let finds = SharedFind::new(&database);
    let release = keep_reader_busy(&database);
    let mut asked: Vec<_> = [event.id(), id(7), id(99), id(7), event.id()]
        .map(|id| Box::pin(finds.find(id)))
        .into();
    for find in &mut asked {
        assert!(block_on(poll_immediate(find)).is_none());
    }
    drop(release);
    let found = block_on(join_all(asked));
    for mine in [&found[0], &found[4]] {
        assert!(
            matches!(mine, Ok(Some(found)) if *found == event),
            "{mine:?}"
        );
    }
    assert!(matches!(found[2], Ok(None)), "{:?}", found[2]);
    for broken in [&found[1], &found[3]] {
        assert!(matches!(broken, Err(StoreError::Failed(_))), "{broken:?}");
    }
}

#[test]
fn a_full_queue_of_questions_is_busy_at_once() {
    let settings = SqliteSettings {
        queue_max: NonZeroUsize::MIN,
        ..SqliteSettings::new(SqliteLocation::Memory)
    };
    let database = Database::open(&settings).expect("opened");
    let release = crate::database::tests::keep_busy(&database);
    let finds = SharedFind::new(&database);
    let id = EventId::try_new(1).expect("positive");
    let (mut first, second) = (Box::pin(finds.find(id)), finds.find(id));
    assert!(block_on(poll_immediate(&mut first)).is_none());
    assert!(matches!(block_on(second), Err(StoreError::Busy(_))));
    drop(release);
    assert!(matches!(block_on(first), Ok(None)));
}
