use std::sync::mpsc;
use std::time::Instant;

use diesel::connection::SimpleConnection;
use diesel::result::Error;
use diesel::sql_types::BigInt;
use domain::model::{Email, NewUser, Page, PageLimit};
use domain::ports::{Probe, RegisterError, UserStore};
use futures::executor::block_on;
use futures::future::{join_all, poll_immediate};
use tempfile::TempDir;

use super::*;
use crate::prepared::{exactly_one, prepared};
use crate::{SqliteProbe, SqliteUserStore};

mod migrating;

prepared!(
    CountUsers {} -> (BigInt,),
    "SELECT count(*) FROM users"
);

fn folder() -> TempDir {
    tempfile::tempdir().expect("a folder")
}

fn in_file(folder: &TempDir) -> SqliteSettings {
    SqliteSettings::new(SqliteLocation::File(folder.path().join("data/shop.db")))
}

fn in_memory() -> SqliteSettings {
    SqliteSettings::new(SqliteLocation::Memory)
}

fn both(folder: &TempDir) -> [Database; 2] {
    [in_file(folder), in_memory()].map(|settings| Database::open(&settings).expect("opened"))
}

fn somebody(n: usize) -> NewUser {
    NewUser {
        email: Email::parse(&format!("user{n}@example.com")).expect("an address"),
        name: None,
        password: None,
    }
}

fn register(database: &Database, n: usize) -> Result<(), RegisterError> {
    block_on(SqliteUserStore::new(database.clone()).register(somebody(n))).map(|_| ())
}

fn users(database: &Database) -> i64 {
    let (users,) = block_on(database.read(|connection| exactly_one(connection, CountUsers {})))
        .expect("counted");
    users
}

/// Keeps the writer at work until the sender is dropped. Returns when it is.
pub(crate) fn keep_busy(database: &Database) -> mpsc::SyncSender<()> {
    let (release, released) = mpsc::sync_channel::<()>(0);
    let (begun, has_begun) = mpsc::sync_channel::<()>(0);
    let job = database.write("by_hand", move |_| {
        begun.send(()).expect("the test waits");
        let _ = released.recv();
        Ok::<_, StoreError>(())
    });
    assert!(
        block_on(poll_immediate(job)).is_none(),
        "queued, not awaited"
    );
    has_begun.recv().expect("the job begins");
    release
}

#[test]
fn whoever_waits_for_the_end_is_told_when_the_file_is_free() {
    let folder = folder();
    let database = Database::open(&in_file(&folder)).expect("opened");
    register(&database, 1).expect("registered");
    let mut let_go = Box::pin(database.let_go());
    let other = database.clone();
    drop(database);
    assert!(
        block_on(poll_immediate(&mut let_go)).is_none(),
        "a clone has it"
    );
    let wal = other.path().expect("a file").with_extension("db-wal");
    std::thread::scope(|scope| {
        scope.spawn(move || drop(other));
        block_on(let_go);
        assert!(!wal.exists(), "the log is folded into the file");
        Database::open(&in_file(&folder)).expect("free");
    });
}

#[test]
fn what_was_answered_is_there_after_a_restart() {
    let folder = folder();
    let database = Database::open(&in_file(&folder)).expect("opened");
    register(&database, 1).expect("registered");
    drop(database);
    let database = Database::open(&in_file(&folder)).expect("opened again");
    assert_eq!(users(&database), 1);
    register(&database, 2).expect("registered");
    assert!(matches!(
        register(&database, 1),
        Err(RegisterError::EmailTaken(_))
    ));
}

#[test]
fn a_file_has_one_server_at_a_time() {
    let folder = folder();
    let database = Database::open(&in_file(&folder)).expect("opened");
    let refusal = Database::open(&in_file(&folder)).expect_err("in use");
    assert!(matches!(refusal, OpenError::InUse { .. }), "{refusal}");
    let path = database.path().expect("a file").display().to_string();
    assert!(refusal.to_string().contains(&path), "{refusal}");
    let clone = database.clone();
    drop(database);
    assert!(Database::open(&in_file(&folder)).is_err(), "a clone has it");
    drop(clone);
    Database::open(&in_file(&folder)).expect("free");
}

#[test]
fn every_memory_is_one_of_its_own() {
    let [one, other] = [in_memory(), in_memory()].map(|s| Database::open(&s).expect("opened"));
    register(&one, 1).expect("registered");
    assert_eq!((users(&one), users(&other)), (1, 0));
    assert_eq!(one.path(), None);
}

#[test]
fn a_panic_undoes_its_own_work_and_harms_no_other() {
    let folder = folder();
    for database in both(&folder) {
        register(&database, 1).expect("registered");
        let panicked: Result<(), StoreError> = block_on(database.write("by_hand", |connection| {
            connection
                .batch_execute("DELETE FROM users")
                .expect("deleted");
            panic!("on purpose");
        }));
        assert!(matches!(panicked, Err(StoreError::Failed(_))));
        let panicked = block_on(
            database.read(|_| -> QueryResult<()> { panic!("on purpose, beside the writer") }),
        );
        assert!(matches!(panicked, Err(StoreError::Failed(_))));
        assert_eq!(users(&database), 1);
        register(&database, 2).expect("still at work");
    }
}

#[test]
fn a_refusal_leaves_no_trace() {
    let folder = folder();
    for database in both(&folder) {
        let refused: Result<(), StoreError> = block_on(database.write("by_hand", |connection| {
            connection
                .batch_execute("INSERT INTO users (email) VALUES ('a@b.c')")
                .expect("inserted");
            Err(StoreError::Busy("on purpose".into()))
        }));
        assert!(matches!(refused, Err(StoreError::Busy(_))));
        assert_eq!(users(&database), 0);
    }
}

#[test]
fn a_transaction_that_ended_by_itself_is_no_trouble() {
    let folder = folder();
    for database in both(&folder) {
        let refused: Result<(), StoreError> = block_on(database.write("by_hand", |connection| {
            connection.batch_execute("ROLLBACK").expect("rolled back");
            Err(StoreError::Failed("on purpose".into()))
        }));
        assert!(refused.is_err());
        register(&database, 1).expect("still at work");
    }
}

#[test]
fn a_full_queue_is_busy_at_once_and_loses_nothing_that_it_took() {
    let folder = folder();
    let queue_max = NonZeroUsize::new(3).expect("not zero");
    let settings = SqliteSettings {
        queue_max,
        ..in_file(&folder)
    };
    let database = Database::open(&settings).expect("opened");
    let release = keep_busy(&database);
    let store = SqliteUserStore::new(database.clone());
    // Polled once and dropped: nobody waits for the first three any more.
    let polled = (0..4).map(|n| poll_immediate(store.register(somebody(n))));
    let answers = block_on(join_all(polled));
    assert!(answers[..3].iter().all(Option::is_none));
    assert!(matches!(
        answers[3],
        Some(Err(RegisterError::Store(StoreError::Busy(_))))
    ));
    assert_eq!(users(&database), 0, "readers do not wait for the writer");
    drop(release);
    drop((store, database));
    let database = Database::open(&settings).expect("opened again");
    assert_eq!(users(&database), 3);
}

#[test]
fn a_future_that_nobody_polled_did_nothing() {
    let database = Database::open(&in_memory()).expect("opened");
    let store = SqliteUserStore::new(database.clone());
    drop(store.register(somebody(1)));
    assert_eq!(users(&database), 0);
}

#[test]
fn readers_cannot_write() {
    let folder = folder();
    let database = Database::open(&in_file(&folder)).expect("opened");
    let written =
        block_on(database.read(|connection| connection.batch_execute("DELETE FROM users")));
    assert!(written.is_err());
}

#[test]
fn every_connection_keeps_the_promises_of_the_file() {
    #[derive(QueryableByName)]
    struct Settings {
        #[diesel(sql_type = BigInt)]
        synchronous: i64,
        #[diesel(sql_type = BigInt)]
        foreign_keys: i64,
        #[diesel(sql_type = diesel::sql_types::Text)]
        journal_mode: String,
    }
    let folder = folder();
    let database = Database::open(&in_file(&folder)).expect("opened");
    let settings: Settings = block_on(database.write("by_hand", |connection| {
        diesel::sql_query(
            "SELECT synchronous, foreign_keys, journal_mode
             FROM pragma_synchronous, pragma_foreign_keys, pragma_journal_mode",
        )
        .get_result(connection)
        .map_err(crate::error::before_commit)
    }))
    .expect("read");
    // 2 is FULL.
    assert_eq!((settings.synchronous, settings.foreign_keys), (2, 1));
    assert_eq!(settings.journal_mode, "wal");
}

#[test]
fn a_writer_outside_makes_it_busy_and_not_broken() {
    let folder = folder();
    let settings = SqliteSettings {
        busy_timeout: Duration::ZERO,
        ..in_file(&folder)
    };
    let database = Database::open(&settings).expect("opened");
    let path = database.path().and_then(Path::to_str).expect("a file");
    let mut prompt = SqliteConnection::establish(path).expect("a prompt");
    prompt
        .batch_execute("BEGIN IMMEDIATE")
        .expect("it is writing");
    assert!(matches!(
        register(&database, 1),
        Err(RegisterError::Store(StoreError::Busy(_)))
    ));
    assert_eq!(users(&database), 0, "reading goes on");
    prompt.batch_execute("COMMIT").expect("it is done");
    register(&database, 1).expect("free");
}

#[test]
fn a_full_disk_is_away_and_comes_back() {
    let folder = folder();
    for database in both(&folder) {
        let limit = |pages: i64| {
            block_on(database.write("by_hand", move |connection| {
                connection
                    .batch_execute(&format!("PRAGMA max_page_count = {pages}"))
                    .map_err(crate::error::before_commit)
            }))
            .expect("set");
        };
        limit(1);
        let full = (0..500).find_map(|n| register(&database, n).err());
        let full = full.expect("some page is one too many");
        assert!(
            matches!(full, RegisterError::Store(StoreError::Unavailable(_))),
            "{full:?}"
        );
        limit(1_000_000);
        register(&database, 1_000).expect("there is room again");
    }
}

#[test]
fn a_file_of_something_else_is_refused_and_left_alone() {
    let folder = folder();
    let settings = in_file(&folder);
    std::fs::create_dir(folder.path().join("data")).expect("made");
    let path = folder.path().join("data/shop.db");
    let text = "Not a database, but long enough to look like one. ".repeat(30);
    std::fs::write(&path, &text).expect("written");
    let refusal = Database::open(&settings).expect_err("not a database");
    assert!(matches!(refusal, OpenError::Sqlite { .. }), "{refusal}");
    assert!(refusal.to_string().contains("not a database"), "{refusal}");
    assert_eq!(std::fs::read_to_string(&path).expect("read"), text);
}

#[test]
fn an_existing_file_opens_at_once() {
    let folder = folder();
    let database = Database::open(&in_file(&folder)).expect("opened");
    for n in 0..200 {
        register(&database, n).expect("registered");
    }
    drop(database);
    // The quickest of some, so that a machine busy with other tests does not count.
    let quickest = (0..5)
        .map(|_| {
            let start = Instant::now();
            let database = Database::open(&in_file(&folder)).expect("opened");
            block_on(SqliteProbe::new(database).check()).expect("answers");
            start.elapsed()
        })
        .min()
        .expect("five times");
    println!("opened and asked in {quickest:?}");
    assert!(quickest < Duration::from_millis(100), "{quickest:?}");
}

#[test]
fn pages_are_read_while_somebody_writes() {
    let folder = folder();
    let database = Database::open(&in_file(&folder)).expect("opened");
    register(&database, 1).expect("registered");
    let release = keep_busy(&database);
    let page = Page::first(PageLimit::DEFAULT);
    let listed = block_on(SqliteUserStore::new(database.clone()).list(page)).expect("listed");
    assert_eq!(listed.entries.len(), 1);
    drop(release);
}

#[test]
fn migrations_can_be_undone() {
    let mut session = migrated(Path::new("memory"), Recipe::memory()).expect("migrated");
    session
        .connection()
        .revert_all_migrations(MIGRATIONS)
        .expect("undone");
    let counted: Result<(i64,), Error> = exactly_one(session.connection(), CountUsers {});
    assert!(counted.is_err(), "the table is gone");
}
