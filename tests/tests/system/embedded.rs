//! The embedded store: what a server does that was told nothing about a
//! database, and what it refuses.

use std::path::Path;
use std::process::ExitStatus;

use serde_json::{Value, json};
use tempfile::TempDir;
use utsavam_tests::{Program, ServerBuilder, Sql, TestDatabase, TestServer};

/// Where the data are below the folder in which the program was started.
const FILE: &str = "utsavam-data/utsavam.db";

fn folder() -> TempDir {
    TempDir::with_prefix("utsavam_test_").expect("a temporary folder")
}

/// A server that is told where to listen and nothing else.
fn plain(folder: &Path) -> ServerBuilder {
    TestServer::builder("")
        .without("DATABASE_URL")
        .without("REDIS_URL")
        .working_in(folder)
}

/// A command that is told nothing.
fn command(name: &str, folder: &Path) -> Program {
    Program::new(&[name]).env("PORT", "0").working_in(folder)
}

/// The names of everything below a folder.
fn names(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder can be listed") {
        let path = entry.expect("a folder can be listed").path();
        if path.is_dir() {
            found.extend(names(&path));
        } else {
            found.push(path.display().to_string());
        }
    }
    found
}

async fn ready(server: &TestServer) -> Value {
    server.client().get("/ready").await.expect(200).json()
}

#[tokio::test]
async fn without_a_database_the_data_are_in_a_file_below_the_working_directory() {
    let folder = folder();
    let server = plain(folder.path()).start().await;
    let file = folder.path().join(FILE);
    assert!(file.is_file(), "{:?}", names(folder.path()));
    // Away from what is around the file, everything is in that folder.
    for name in names(folder.path()) {
        assert!(name.starts_with(&file.display().to_string()), "{name}");
    }

    let printed = server.printed();
    let first = printed.lines().next().unwrap_or_default();
    let file = file.canonicalize().expect("the file is there");
    for expected in [
        "embedded",
        &file.display().to_string(),
        &format!("http://{}", server.address()),
        &format!("http://{}/docs", server.address()),
    ] {
        assert!(first.contains(expected), "{expected}: {printed}");
    }
    assert_eq!(
        ready(&server).await,
        json!({ "status": "ok", "dependencies": { "database": "up", "redis": "off" } })
    );
}

#[tokio::test]
async fn data_survive_a_restart_and_the_server_ends_in_peace() {
    let folder = folder();
    let mut server = plain(folder.path()).start().await;
    let client = server.client();
    let user_id = client.register("alice@example.com").await;
    let event_id = client.publish(5).await;
    let booked = client
        .book(user_id, event_id, 2)
        .header("Idempotency-Key", "k")
        .await;
    let cancelled = client.booked(user_id, event_id, 1).await;
    client.cancel(cancelled).await.expect(200);
    let event = client.event(event_id).await;
    let history = format!("/users/{user_id}/bookings");
    let bookings = client.entries(&history).await;
    assert_eq!(server.terminate().await.code(), Some(0), "{}", server.log());
    let file = folder.path().join(FILE);
    // The log is folded into the file: a copy of that one alone is complete.
    let wal = file.with_extension("db-wal");
    assert!(!wal.exists(), "{} is left", wal.display());

    let server = plain(folder.path()).start().await;
    let client = server.client();
    assert_eq!(client.event(event_id).await, event);
    assert_eq!(client.entries(&history).await, bookings);
    let again = client
        .book(user_id, event_id, 2)
        .header("Idempotency-Key", "k")
        .await;
    assert_eq!(again.expect(201).json(), booked.expect(201).json());
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    // An id is never given out twice.
    assert!(client.booked(user_id, event_id, 1).await > cancelled);
    client
        .book(user_id, event_id, 3)
        .await
        .problem(409, "not_enough_seats");
}

#[tokio::test]
async fn requests_under_way_are_answered_before_the_end() {
    let folder = folder();
    let mut server = plain(folder.path()).start().await;
    let client = server.client();
    let user_id = client.register("alice@example.com").await;
    let event_id = client.publish(1_000).await;
    let buyers: Vec<_> = (0..8)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move {
                let mut booked = Vec::new();
                while let Ok(answer) = client.book(user_id, event_id, 1).try_send().await {
                    booked.push(answer.expect(201).id("booking_id"));
                }
                booked
            })
        })
        .collect();
    utsavam_tests::eventually("bookings are made", async || {
        client.seats_available(event_id).await < 990
    })
    .await;
    let status: ExitStatus = server.terminate().await;
    assert_eq!(status.code(), Some(0), "{}", server.log());
    let mut answered = Vec::new();
    for buyer in buyers {
        answered.extend(buyer.await.expect("every answer is a booking"));
    }
    let sql = Sql::open(&folder.path().join(FILE));
    let found = sql.rows("SELECT id FROM bookings ORDER BY id").await;
    let found: Vec<i64> = found
        .iter()
        .map(|row| row[0].parse().expect("an id"))
        .collect();
    answered.sort_unstable();
    assert!(!answered.is_empty());
    assert_eq!(found, answered, "bookings made, and bookings answered");
}

#[tokio::test]
async fn a_second_server_on_the_same_file_is_refused_in_one_sentence() {
    let folder = folder();
    let mut server = plain(folder.path()).start().await;
    let event_id = server.client().publish(5).await;
    let file = folder.path().join(FILE);
    let url = format!("sqlite://{}", file.display());
    for program in [
        command("serve", folder.path()),
        command("serve", folder.path()).env("DATABASE_URL", &url),
        command("seed-demo", folder.path()),
        command("migrate", folder.path()),
    ] {
        let finished = program.run().await;
        let sentence = finished.expect_failure();
        assert!(sentence.contains("in use"), "{finished}");
        let file = file.canonicalize().expect("the file is there");
        assert!(sentence.contains(&file.display().to_string()), "{finished}");
        assert!(!finished.stdout.contains("listening"), "{finished}");
    }
    assert_eq!(server.client().seats_available(event_id).await, 5);
    // The right to the file ends with the process, however that ends.
    server.kill();
    let server = plain(folder.path()).start().await;
    assert_eq!(server.client().seats_available(event_id).await, 5);
}

#[tokio::test]
async fn a_url_of_nothing_that_is_known_is_refused() {
    let folder = folder();
    for url in [
        "nonsense",
        "postgre://127.0.0.1/utsavam",
        "utsavam.db",
        "sqlite://",
        "sqlite:utsavam.db",
        "sqlite://utsavam.db?mode=memory",
        "sqlite://data/",
        "mysql://u:s3cret@127.0.0.1/x",
    ] {
        for name in ["serve", "migrate", "seed-demo"] {
            let finished = command(name, folder.path())
                .env("DATABASE_URL", url)
                .run()
                .await;
            let sentence = finished.expect_failure();
            assert!(sentence.contains("DATABASE_URL"), "{url}: {finished}");
            assert!(!finished.stderr.contains("s3cret"), "{finished}");
            assert!(!finished.stdout.contains("listening"), "{finished}");
        }
    }
    assert_eq!(names(folder.path()), [""; 0]);
}

#[tokio::test]
async fn no_folder_is_made_that_nobody_spoke_of() {
    let folder = folder();
    for name in ["serve", "migrate"] {
        let command = command(name, folder.path()).env("DATABASE_URL", "sqlite://dta/shop.db");
        let sentence = command.run().await.expect_failure();
        let missing = folder.path().join("dta");
        for part in ["DATABASE_URL", &missing.display().to_string()] {
            assert!(sentence.contains(part), "{sentence}");
        }
        assert_eq!(names(folder.path()), [""; 0]);
    }
    std::fs::create_dir(folder.path().join("dta")).expect("room");
    let command = command("migrate", folder.path()).env("DATABASE_URL", "sqlite://dta/shop.db");
    command.run().await.expect_success();
}

#[tokio::test]
async fn who_has_the_file_is_named_and_so_is_what_to_do() {
    let folder = folder();
    let server = plain(folder.path()).start().await;
    let sentence = command("migrate", folder.path())
        .run()
        .await
        .expect_failure();
    let process = format!("process {})", server.pid());
    for part in [&process, "stop that one", "DATABASE_URL"] {
        assert!(sentence.contains(part), "{sentence}");
    }
}

#[tokio::test]
async fn a_file_of_another_kind_is_refused_and_left_alone() {
    let folder = folder();
    let file = folder.path().join("notes.txt");
    let notes = "Buy milk. ".repeat(1000);
    std::fs::write(&file, &notes).expect("a file can be written");
    let finished = command("serve", folder.path())
        .env("DATABASE_URL", "sqlite://notes.txt")
        .run()
        .await;
    let sentence = finished.expect_failure();
    assert!(sentence.contains("notes.txt"), "{finished}");
    let left = std::fs::read_to_string(&file).expect("it is still there");
    assert_eq!(left, notes);
}

#[tokio::test]
async fn a_store_in_memory_leaves_nothing_behind() {
    let folder = folder();
    let start = || {
        plain(folder.path())
            .env("DATABASE_URL", "sqlite::memory:")
            .start()
    };
    let mut server = start().await;
    // Each has a memory of its own.
    let other = start().await;
    let client = server.client();
    let user_id = client.register("alice@example.com").await;
    let event_id = client.publish(2).await;
    client.booked(user_id, event_id, 2).await;
    client
        .book(user_id, event_id, 1)
        .await
        .problem(409, "not_enough_seats");
    assert!(server.printed().contains("memory"), "{}", server.printed());
    let nothing = other.client().entries("/admin/users").await;
    assert!(nothing.is_empty(), "{nothing:?}");
    assert_eq!(server.terminate().await.code(), Some(0));
    assert_eq!(names(folder.path()), [""; 0]);
}

#[tokio::test]
async fn a_postgresql_that_does_not_answer_is_no_reason_to_use_another_store() {
    let folder = folder();
    for name in ["serve", "migrate", "seed-demo"] {
        let finished = command(name, folder.path())
            .env("DATABASE_URL", "postgres://utsavam@127.0.0.1:1/utsavam")
            .setting("database.wait", "300ms")
            .run()
            .await;
        let sentence = finished.expect_failure().to_lowercase();
        assert!(sentence.contains("postgres"), "{finished}");
        assert!(!finished.stdout.contains("listening"), "{finished}");
        assert_eq!(names(folder.path()), [""; 0], "{name}");
    }
}

#[tokio::test]
async fn a_postgresql_that_answers_is_used_and_no_file_is_made() {
    let folder = folder();
    let database = TestDatabase::migrated().await;
    let server = plain(folder.path())
        .env("DATABASE_URL", database.url())
        .start()
        .await;
    server.client().publish(5).await;
    let sql = database.sql().await;
    assert_eq!(sql.number("SELECT count(*) FROM events").await, 1);
    assert_eq!(names(folder.path()), [""; 0]);
    assert!(
        !server.printed().contains("embedded"),
        "{}",
        server.printed()
    );
}

#[tokio::test]
async fn the_commands_work_on_the_embedded_store() {
    let folder = folder();
    let run = async |name| command(name, folder.path()).run().await.expect_success();
    for _ in 0..2 {
        run("migrate").await;
    }
    assert!(folder.path().join(FILE).is_file());
    for _ in 0..2 {
        let seeded = run("seed-demo").await;
        assert!(seeded.stdout.contains("Indie Concert"), "{seeded}");
    }
    let settings = run("config").await;
    let shown: Value = serde_json::from_str(&settings.stdout).expect("the settings are JSON");
    assert_eq!(shown["database"]["url"], "");
    assert_eq!(shown["redis"]["url"], Value::Null);

    let reconciled = run("reconcile").await;
    assert!(
        reconciled.stdout.contains("figures: 3 events"),
        "{reconciled}"
    );

    let server = plain(folder.path()).start().await;
    assert_eq!(server.client().entries("/events").await.len(), 3);
    assert_eq!(server.client().entries("/admin/users").await.len(), 3);
}

#[tokio::test]
async fn demo_data_need_no_migration_before() {
    let folder = folder();
    let seeded = command("seed-demo", folder.path()).run().await;
    seeded.expect_success();
    let server = plain(folder.path()).start().await;
    assert_eq!(server.client().entries("/events").await.len(), 3);
}

#[tokio::test]
async fn the_settings_are_shown_without_looking_for_a_store() {
    let folder = folder();
    for url in ["", "sqlite://shop.db", "sqlite::memory:"] {
        let finished = command("config", folder.path())
            .env("DATABASE_URL", url)
            .run()
            .await
            .expect_success();
        let shown: Value = serde_json::from_str(&finished.stdout).expect("the settings are JSON");
        assert_eq!(shown["database"]["url"], url);
    }
    assert_eq!(names(folder.path()), [""; 0]);
}
