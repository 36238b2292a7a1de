//! `utsavam backup`: a copy of the embedded store that is worth something.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tempfile::TempDir;
use utsavam_tests::{Client, Finished, Program, TestDatabase, TestServer};

/// Clients who book while the copy is made.
const BUYERS: usize = 8;

/// Ids of bookings that were answered.
type Answered = Arc<Mutex<BTreeSet<i64>>>;

fn server(url: &str) -> utsavam_tests::ServerBuilder {
    TestServer::builder(url).without("REDIS_URL")
}

async fn back_up(url: &str, file: &Path) -> Finished {
    let file = file.to_str().expect("UTF-8");
    let program = Program::new(&["backup", file]);
    program.env("DATABASE_URL", url).run().await
}

/// Books one seat after the other until it is over.
async fn buy(client: Client, user: i64, event: i64, answered: Answered, is_over: Arc<AtomicBool>) {
    while !is_over.load(Ordering::SeqCst) {
        let booking = client.booked(user, event, 1).await;
        let mut answered = answered.lock().unwrap_or_else(PoisonError::into_inner);
        answered.insert(booking);
    }
}

fn so_far(answered: &Answered) -> BTreeSet<i64> {
    let answered = answered.lock();
    answered.unwrap_or_else(PoisonError::into_inner).clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_made_while_bookings_go_on_has_all_that_were_answered_and_adds_up() {
    let database = TestDatabase::embedded();
    let folder = TempDir::new().expect("a folder");
    let mut first = server(database.url()).start().await;
    let client = first.client();
    let event = client.publish(1_000_000).await;
    let user = client.register("alice@example.com").await;
    let (answered, is_over) = (Answered::default(), Arc::new(AtomicBool::new(false)));
    let buyers: Vec<_> = (0..BUYERS)
        .map(|_| {
            let (answered, is_over) = (Arc::clone(&answered), Arc::clone(&is_over));
            tokio::spawn(buy(client.clone(), user, event, answered, is_over))
        })
        .collect();

    let copy = folder.path().join("copy.db");
    for round in 1..=3 {
        utsavam_tests::eventually("there are bookings", async || {
            so_far(&answered).len() >= round * 50
        })
        .await;
        let before = so_far(&answered);
        let finished = back_up(database.url(), &copy).await.expect_success();
        assert!(finished.stderr.contains("backed up"), "{finished}");
        assert!(
            so_far(&answered).len() > before.len(),
            "bookings went on meanwhile"
        );
        assert_has(&copy, &before, event).await;
    }
    is_over.store(true, Ordering::SeqCst);
    for buyer in buyers {
        buyer.await.expect("a buyer does not panic");
    }

    // What a killed server leaves behind can be copied as well.
    first.kill();
    back_up(database.url(), &copy).await.expect_success();
    assert_has(&copy, &so_far(&answered), event).await;
}

/// Restores the copy, and looks whether it has these bookings and adds up.
async fn assert_has(copy: &Path, bookings: &BTreeSet<i64>, event: i64) {
    let folder = TempDir::new().expect("a folder");
    let restored = folder.path().join("restored.db");
    std::fs::copy(copy, &restored).expect("a copy");
    let url = format!("sqlite://{}", restored.display());
    let check = Program::new(&["reconcile", "--check"]).env("DATABASE_URL", &url);
    let checked = check.run().await.expect_success();
    assert!(checked.stdout.contains("0 differences"), "{checked}");

    let server = server(&url).start().await;
    let listed = server
        .client()
        .entries(&format!("/admin/events/{event}/bookings"))
        .await;
    let there: BTreeSet<i64> = listed
        .iter()
        .filter_map(|booking| booking["booking_id"].as_i64())
        .collect();
    let missing: Vec<_> = bookings.difference(&there).collect();
    assert!(missing.is_empty(), "{missing:?} are missing");
    // It goes on where it was.
    let client = server.client();
    let user = client.register("bob@example.com").await;
    let next = client.booked(user, event, 1).await;
    assert!(!there.contains(&next));
}

#[tokio::test]
async fn a_database_is_never_replaced_by_a_copy() {
    let database = TestDatabase::embedded();
    let _server = server(database.url()).start().await;
    let path = database.url().trim_start_matches("sqlite://").to_owned();
    for target in [path.clone(), format!("{path}-wal")] {
        let before = std::fs::read(&target).expect("the server has made it");
        let refused = back_up(database.url(), Path::new(&target)).await;
        let sentence = refused.expect_failure();
        assert!(sentence.contains("the database itself"), "{sentence}");
        assert_eq!(std::fs::read(&target).expect("still there"), before);
    }

    let other = TestDatabase::embedded();
    let _other_server = server(other.url()).start().await;
    let target = other.url().trim_start_matches("sqlite://").to_owned();
    let refused = back_up(database.url(), Path::new(&target)).await;
    let sentence = refused.expect_failure();
    assert!(sentence.contains("in use as a database"), "{sentence}");
}

#[tokio::test]
async fn what_cannot_be_backed_up_is_said_and_leaves_nothing_behind() {
    let folder = TempDir::new().expect("a folder");
    let copy = folder.path().join("copy.db");
    let text = folder.path().join("text.db");
    std::fs::write(&text, "not a database ".repeat(100)).expect("a file");
    let absent = format!("sqlite://{}", folder.path().join("absent.db").display());
    for (url, clue) in [
        ("postgres://utsavam:geheim@127.0.0.1:1/utsavam", "pg_dump"),
        ("sqlite::memory:", "memory"),
        (absent.as_str(), "there is no database at"),
        (&format!("sqlite://{}", text.display()), "not a database"),
    ] {
        let sentence = back_up(url, &copy).await.expect_failure();
        assert!(sentence.contains(clue), "{clue}: {sentence}");
        assert!(!sentence.contains("geheim"), "{sentence}");
    }
    let left = std::fs::read_dir(folder.path()).expect("a folder").count();
    assert_eq!(left, 1, "only text.db");
}

#[cfg(unix)]
#[tokio::test]
async fn a_copy_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;

    let database = TestDatabase::embedded();
    let folder = TempDir::new().expect("a folder");
    let copy = folder.path().join("copy.db");
    let _server = server(database.url()).start().await;
    back_up(database.url(), &copy).await.expect_success();
    let permissions = std::fs::metadata(&copy).expect("a copy").permissions();
    assert_eq!(permissions.mode() & 0o777, 0o600);
}
