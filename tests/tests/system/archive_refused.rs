//! Archives that are not taken over, and stores that give none: nothing is
//! changed, and a sentence says why.

use tokio::io::AsyncReadExt;
use utsavam_tests::TestDatabase;

use crate::archive::{digests, folder, program};

const HEADER: &str = r#"{"utsavam_archive":3,"created_at":"2026-11-22T18:00:00.000000Z"}"#;
const ALICE: &str = r#"{"kind":"user","id":1,"email":"alice@example.com","name":"Alice","password_hash":null,"created_at":"2026-11-22T18:00:00.000000Z","suspended_at":null,"erased_at":null}"#;
const BOB: &str = r#"{"kind":"user","id":2,"email":"bob@example.com","name":null,"password_hash":null,"created_at":"2026-11-22T18:00:00.000000Z","suspended_at":null,"erased_at":null}"#;
const EVENT: &str = r#"{"kind":"event","id":7,"name":"Concert","venue":null,"start_at":"2099-01-01T18:00:00.000000Z","capacity":10,"seats_available":8,"version":1,"created_at":"2026-11-22T18:00:00.000000Z","updated_at":"2026-11-22T18:00:00.000000Z","deleted_at":null,"sales_paused_at":null}"#;
const BOOKING: &str = r#"{"kind":"booking","id":3,"user_id":1,"event_id":7,"seats":2,"status":"CONFIRMED","created_at":"2026-11-22T18:00:00.000000Z","updated_at":"2026-11-22T18:00:00.000000Z"}"#;
const KEY: &str = r#"{"kind":"key","user_id":1,"key":"k","booking_id":3,"event_id":7,"seats":2,"created_at":"2026-11-22T18:00:00.000000Z"}"#;
const API_KEY: &str = r#"{"kind":"api_key","id":4,"name":"till","scopes":["bookings:read"],"secret_digest":"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8","created_at":"2026-11-22T18:00:00.000000Z","rotated_at":null,"last_used_at":null,"revoked_at":null}"#;
const AUDIT: &str = r#"{"kind":"audit","id":9,"at":"2026-11-22T18:00:00.000000Z","actor_kind":"service","actor_id":4,"action":"book","object_kind":"booking","object_id":3,"refused":null,"request_id":"r"}"#;
const END: &str =
    r#"{"kind":"end","users":2,"events":1,"bookings":1,"keys":1,"api_keys":1,"audit":1}"#;

fn archive() -> String {
    let accounts = [API_KEY, AUDIT, END, ""].join("\n");
    [HEADER, ALICE, BOB, EVENT, BOOKING, KEY, &accounts].join("\n")
}

/// Imports the text and returns the last line on standard error.
async fn refusal(database: &TestDatabase, text: &str) -> String {
    let folder = folder();
    let file = folder.path().join("shop.jsonl");
    std::fs::write(&file, text).expect("room");
    let file = file.to_str().expect("UTF-8");
    let finished = program(&["import", file], database).run().await;
    finished.expect_failure()
}

/// Where the ids are given out: a refused archive takes none.
async fn sequences(database: &TestDatabase) -> Vec<Vec<String>> {
    let sql = database.sql().await;
    sql.rows(
        "SELECT last_value, is_called FROM users_id_seq UNION ALL \
         SELECT last_value, is_called FROM events_id_seq UNION ALL \
         SELECT last_value, is_called FROM bookings_id_seq UNION ALL \
         SELECT last_value, is_called FROM api_keys_id_seq UNION ALL \
         SELECT last_value, is_called FROM audit_log_id_seq",
    )
    .await
}

#[tokio::test]
async fn records_that_do_not_fit_together_are_refused_and_named() {
    let database = TestDatabase::migrated().await;
    let sql = database.sql().await;
    let before = (digests(&sql).await, sequences(&database).await);
    for (from, to, clues) in [
        (
            r#""seats_available":8"#,
            r#""seats_available":9"#,
            ["event 7", "9 left instead of 8"],
        ),
        (
            "CONFIRMED",
            "CANCELLED",
            ["event 7", "8 left instead of 10"],
        ),
        (
            r#""seats":2,"status""#,
            r#""seats":11,"status""#,
            ["line 5", "event 7 hold 11 seats, more than its 10"],
        ),
        (
            r#""user_id":1,"event_id""#,
            r#""user_id":3,"event_id""#,
            ["line 5", "booking 3 refers to user 3"],
        ),
        (
            r#""event_id":7,"seats":2,"status""#,
            r#""event_id":6,"seats":2,"status""#,
            ["line 5", "booking 3 refers to event 6"],
        ),
        (
            r#""booking_id":3"#,
            r#""booking_id":4"#,
            ["line 6", "refers to booking 4"],
        ),
        (
            r#""user_id":1,"key""#,
            r#""user_id":2,"key""#,
            ["key \"k\" of user 2", "booking 3"],
        ),
        ("bob@", "alice@", ["users", "alice@example.com"]),
        (
            r#""deleted_at":null"#,
            r#""deleted_at":"2026-11-22T18:00:00.000000Z""#,
            ["line 4", "deleted event 7"],
        ),
        (r#""id":2,"#, r#""id":1,"#, ["line 3", "out of order"]),
        (r#""venue":null"#, r#""venue":7"#, ["line 4", "string"]),
        (
            API_KEY,
            &format!("{API_KEY}\n{}", API_KEY.replace(r#""id":4"#, r#""id":5"#)),
            ["line 8", "API key 5 has the secret of another one"],
        ),
        (
            API_KEY,
            &format!("{API_KEY}\n{API_KEY}"),
            ["line 8", "API key 4 is out of order"],
        ),
        (
            AUDIT,
            &format!("{AUDIT}\n{}", AUDIT.replace(r#""id":9"#, r#""id":8"#)),
            ["line 9", "audit entry 8 is out of order"],
        ),
        (
            r#""erased_at":null"#,
            r#""erased_at":"2026-11-22T18:00:00.000000Z""#,
            ["line 2", "must be null, because erased_at is not"],
        ),
        (
            r#""password_hash":null"#,
            r#""password_hash":"secret""#,
            ["line 2", "PHC format"],
        ),
        (END, "", ["line 9", "JSON"]),
        (&format!("{END}\n"), "", ["incomplete", "behind line 8"]),
        (HEADER, "id,email", ["not an archive", "JSON"]),
    ] {
        let text = archive().replace(from, to);
        assert_ne!(text, archive(), "{from}");
        let sentence = refusal(&database, &text).await;
        assert!(sentence.contains("nothing was imported"), "{sentence}");
        for clue in clues {
            assert!(sentence.contains(clue), "{clue:?}: {sentence}");
        }
    }
    assert_eq!((digests(&sql).await, sequences(&database).await), before);

    let folder = folder();
    let file = folder.path().join("shop.jsonl");
    std::fs::write(&file, archive()).expect("room");
    let file = file.to_str().expect("UTF-8");
    let imported = program(&["import", file], &database).run().await;
    imported.expect_success();
    database.assert_seats_add_up(7).await;
}

#[tokio::test]
async fn a_store_with_anything_in_it_takes_no_archive() {
    for (insert, kind) in [
        (
            "INSERT INTO users (email) VALUES ('carol@example.com')",
            "users",
        ),
        (
            "INSERT INTO users (id, email, erased_at) VALUES (1, 'User-1@erased.invalid', now())",
            "users",
        ),
        (
            "INSERT INTO events (name, start_at, capacity, seats_available, deleted_at)
             VALUES ('Concert', now(), 5, 5, now())",
            "events",
        ),
        (
            "INSERT INTO api_keys (name, secret_digest, scopes, revoked_at)
             VALUES ('till', sha256(''), '{users:read}', now())",
            "API keys",
        ),
        (
            "INSERT INTO audit_log (at, actor_kind, action, request_id)
             VALUES (now(), 'admin', 'list_users', 'r')",
            "entries of the audit log",
        ),
    ] {
        let database = TestDatabase::migrated().await;
        let sql = database.sql().await;
        sql.run(insert).await;
        let before = digests(&sql).await;
        let sentence = refusal(&database, &archive()).await;
        let expected = format!("the database has {kind} already");
        assert!(sentence.contains(&expected), "{sentence}");
        assert_eq!(digests(&sql).await, before);
    }
}

#[tokio::test]
async fn a_store_that_does_not_add_up_gives_no_archive() {
    let database = TestDatabase::migrated().await;
    let sql = database.sql().await;
    sql.run(
        "INSERT INTO events (id, name, start_at, capacity, seats_available)
         VALUES (7, 'Concert', now(), 5, 4)",
    )
    .await;
    let folder = folder();
    let file = folder.path().join("shop.jsonl");
    std::fs::write(&file, "the former one").expect("room");
    let name = file.to_str().expect("UTF-8");
    let finished = program(&["export", "--force", name], &database).run().await;
    let sentence = finished.expect_failure();
    assert!(sentence.contains("nothing was exported"), "{sentence}");
    assert!(sentence.contains("event 7"), "{sentence}");
    let former = std::fs::read_to_string(&file).expect("still there");
    assert_eq!(former, "the former one");
    let names = std::fs::read_dir(folder.path()).expect("a folder");
    assert_eq!(names.count(), 1, "nothing half written");
}

#[tokio::test]
async fn an_archive_that_is_there_is_replaced_by_force_alone() {
    let database = TestDatabase::embedded();
    program(&["migrate"], &database)
        .run()
        .await
        .expect_success();
    let folder = folder();
    let file = folder.path().join("shop.jsonl");
    std::fs::write(&file, "the former one").expect("room");
    let read = || std::fs::read_to_string(&file).expect("still there");
    let name = file.to_str().expect("UTF-8");
    let sentence = program(&["export", name], &database)
        .run()
        .await
        .expect_failure();
    for part in [
        "nothing was exported",
        "shop.jsonl exists already",
        "--force",
    ] {
        assert!(sentence.contains(part), "{sentence}");
    }
    assert_eq!(read(), "the former one");

    let forced = program(&["export", name, "--force"], &database).run().await;
    forced.expect_success();
    assert!(read().contains(r#""kind":"end""#), "{}", read());

    // What belongs to the store itself is replaced by nobody.
    let store = database.url().trim_start_matches("sqlite://");
    for own in [store.to_owned(), format!("{store}.lock")] {
        let before = std::fs::read(&own).expect("it is there");
        let refused = program(&["export", &own, "--force"], &database).run().await;
        let sentence = refused.expect_failure();
        assert!(sentence.contains("belongs to the database"), "{sentence}");
        assert_eq!(std::fs::read(&own).expect("still there"), before);
    }
}

#[tokio::test]
async fn places_that_cannot_be_written_or_read_end_in_a_sentence() {
    let database = TestDatabase::migrated().await;
    let folder = folder();
    let missing = folder.path().join("missing/shop.jsonl");
    let missing = missing.to_str().expect("UTF-8");
    let here = folder.path().to_str().expect("UTF-8");
    for (arguments, clue) in [
        (["export", missing], "missing/shop.jsonl cannot be written"),
        (["export", here], "not a file"),
        (["export", "/dev/null"], "not a file"),
        (["import", missing], "missing/shop.jsonl cannot be read"),
        (["import", here], "cannot be read"),
        (["import", "/dev/null"], "it is empty"),
    ] {
        let finished = program(&arguments, &database).run().await;
        let sentence = finished.expect_failure();
        assert!(sentence.contains(clue), "{arguments:?}: {sentence}");
    }
}

#[tokio::test]
async fn a_schema_that_is_not_current_is_not_exported() {
    let database = TestDatabase::empty().await;
    let finished = program(&["export"], &database).run().await;
    let sentence = finished.expect_failure();
    assert!(sentence.contains("utsavam migrate"), "{sentence}");
    assert_eq!(finished.stdout, "");
}

#[tokio::test]
async fn a_reader_that_goes_away_ends_the_export() {
    let database = TestDatabase::migrated().await;
    let sql = database.sql().await;
    sql.run("INSERT INTO users (email) SELECT n || '@example.com' FROM generate_series(1, 9999) n")
        .await;
    let mut export = program(&["export"], &database).start();
    let mut output = export.stdout.take().expect("piped");
    output.read_u8().await.expect("a beginning");
    drop(output);
    assert!(!export.wait().await.expect("it ends").success());
}
