use std::fs;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use domain::model::{Email, NewUser};
use domain::ports::UserStore;
use futures::executor::block_on;
use tempfile::TempDir;

use super::*;
use crate::{Database, SqliteLocation, SqliteSettings, SqliteUserStore};

fn folder() -> TempDir {
    tempfile::tempdir().expect("a folder")
}

fn database(path: &Path) -> Database {
    let location = SqliteLocation::File(path.to_owned());
    Database::open(&SqliteSettings::new(location)).expect("opened")
}

fn register(database: &Database, n: usize) {
    let user = NewUser {
        email: Email::parse(&format!("user{n}@example.com")).expect("an address"),
        name: None,
        password: None,
    };
    block_on(SqliteUserStore::new(database.clone()).register(user)).expect("registered");
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = diesel::sql_types::BigInt)]
    users: i64,
}

fn users(path: &Path) -> usize {
    let mut connection = open(path, "mode=ro").expect("opened");
    let count = diesel::sql_query("SELECT count(*) AS users FROM users");
    let count: Count = count.get_result(&mut connection).expect("counted");
    usize::try_from(count.users).expect("not negative")
}

#[test]
fn a_copy_holds_what_was_answered_before_although_somebody_writes() {
    let folder = folder();
    let path = folder.path().join("a shop?50%#1.db");
    let database = database(&path);
    let (answered, is_over) = (AtomicUsize::new(0), AtomicBool::new(false));
    let mut copies = Vec::new();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::SeqCst) {
                let n = answered.load(Ordering::SeqCst);
                register(&database, n);
                answered.store(n + 1, Ordering::SeqCst);
            }
        });
        // What fails is told when the writer has ended.
        copies = (0..20)
            .map(|number| {
                while answered.load(Ordering::SeqCst) < 20 * (number + 1) {
                    std::thread::yield_now();
                }
                let copy = folder.path().join(format!("copy {number}.db"));
                let before = answered.load(Ordering::SeqCst);
                let backed_up = back_up(&path, &copy);
                let after = answered.load(Ordering::SeqCst) + 1;
                (copy, before..=after, backed_up)
            })
            .collect();
        is_over.store(true, Ordering::SeqCst);
    });
    let schema = last_migration(&mut open(&path, "mode=ro").expect("opened"));
    assert!(schema.is_some(), "the database has a schema");
    for (copy, possible, backed_up) in copies {
        assert_eq!(Some(backed_up.expect("copied").schema), schema);
        let copied = users(&copy);
        assert!(possible.contains(&copied), "{copied} of {possible:?}");
    }
}

#[test]
fn a_copy_is_a_database_that_a_server_can_go_on_with() {
    let folder = folder();
    let (path, copy) = (folder.path().join("shop.db"), folder.path().join("copy.db"));
    let shop = database(&path);
    register(&shop, 1);
    back_up(&path, &copy).expect("copied");
    let copied = database(&copy);
    register(&copied, 2);
    register(&shop, 2);
    register(&shop, 3);
    drop((shop, copied));
    assert_eq!((users(&path), users(&copy)), (3, 2));
}

#[test]
fn a_database_that_nobody_has_open_can_be_copied_and_then_opened() {
    let folder = folder();
    let (path, copy) = (folder.path().join("shop.db"), folder.path().join("copy.db"));
    register(&database(&path), 1);
    back_up(&path, &copy).expect("copied");
    assert_eq!(users(&copy), 1);
    register(&database(&path), 2);
}

#[test]
fn what_is_not_ours_is_not_copied() {
    let folder = folder();
    let copy = folder.path().join("copy.db");
    let other = folder.path().join("other.db");
    let mut connection = SqliteConnection::establish(other.to_str().expect("UTF-8")).expect("made");
    let table = connection.batch_execute("CREATE TABLE bookings (id)");
    table.expect("made");
    let refusal = back_up(&other, &copy).expect_err("of somebody else");
    assert!(matches!(refusal, BackupError::NotOurs(_)), "{refusal}");

    let text = folder.path().join("text.db");
    fs::write(&text, "to be, or not to be, ".repeat(1000)).expect("written");
    let refusal = back_up(&text, &copy).expect_err("no database");
    assert!(refusal.to_string().contains("not a database"), "{refusal}");

    let missing = folder.path().join("missing.db");
    let refusal = back_up(&missing, &copy).expect_err("nothing there");
    assert!(matches!(refusal, BackupError::Sqlite { .. }), "{refusal}");
    assert!(!missing.exists() && !copy.exists());
}

/// A row that refers to nothing, as a program with foreign keys off makes it.
#[test]
fn a_copy_that_is_not_in_order_is_told() {
    let folder = folder();
    let (path, copy) = (folder.path().join("shop.db"), folder.path().join("copy.db"));
    drop(database(&path));
    let mut connection = SqliteConnection::establish(path.to_str().expect("UTF-8")).expect("ours");
    let row = connection.batch_execute(
        "PRAGMA foreign_keys = OFF; INSERT INTO event_sales (event_id, confirmed_bookings)
         VALUES (77, 0)",
    );
    row.expect("inserted");
    let refusal = back_up(&path, &copy).expect_err("damaged").to_string();
    assert!(refusal.contains("event_sales"), "{refusal}");
}
