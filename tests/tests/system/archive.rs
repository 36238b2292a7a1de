//! Moving up: everything out of one database and into another, with 100,000
//! bookings.

use std::path::Path;
use std::process::Stdio;

use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use utsavam_tests::{Finished, Program, Service, Sql, TestDatabase, eventually};

/// 2,000 users (every second with a password, some suspended, some erased), 51
/// events (every tenth deleted, the last of these with nothing left to mark, and
/// one event that nobody wants), 100,000 bookings (every fifth cancelled) and
/// 20,000 keys; fewer where the crowd is not the point. 20 keys of services, and
/// 5,000 entries of the audit log that are not in the order of their times. Ids
/// have gaps, as after commands that failed.
const FILL: &str = "
    INSERT INTO users (id, email, name, created_at, password_hash, suspended_at)
    SELECT 3 * n, 'buyer' || n || '@उदाहरण',
           CASE WHEN n % 3 > 0 THEN E'Käufer \"' || n || E'\" \\\\ 🎉' END,
           timestamptz '2026-01-01 00:00:00Z' + n * interval '1.000001 seconds',
           CASE WHEN n % 2 > 0
                THEN '$argon2id$v=19$m=19456,t=2,p=1$' || translate(md5('s' || n), '=', '')
                     || '$' || md5('p' || n) END,
           CASE WHEN n % 41 = 0
                THEN timestamptz '2026-02-01 00:00:00Z' + n * interval '1.000001 seconds' END
    FROM generate_series(1, 2000) n;

    UPDATE users SET email = 'User-' || id || '@erased.invalid', name = NULL,
           password_hash = NULL, suspended_at = NULL, erased_at = created_at + interval '0.5 days'
    WHERE id / 3 % 97 = 0;

    INSERT INTO events (id, name, venue, start_at, capacity, seats_available, version,
                        created_at, updated_at, deleted_at, sales_paused_at)
    SELECT 7 * n, 'Concert ' || n, CASE WHEN n % 2 = 0 THEN 'Hall ' || n END,
           timestamptz '2099-01-01 00:00:00Z' + n * interval '1 hour', 10000 + n, 10000 + n,
           n * 1000, timestamptz '2026-01-01 00:00:00.123456Z',
           timestamptz '2026-02-01 00:00:00.654321Z',
           CASE WHEN n % 10 = 0 THEN timestamptz '2026-03-01 00:00:00.000001Z' END,
           CASE WHEN n % 7 = 0 THEN timestamptz '2026-02-28 00:00:00.000001Z' END
    FROM generate_series(1, 51) n;

    INSERT INTO bookings (id, user_id, event_id, seats, status, created_at, updated_at)
    SELECT 2 * n, 3 * (1 + n % 2000), 7 * (1 + n % 50), 1 + n % 4,
           CASE WHEN n / 50 % 5 = 0 OR n % 50 = 49 THEN 'CANCELLED' ELSE 'CONFIRMED' END,
           timestamptz '2026-02-01 00:00:00Z' + n * interval '0.5 seconds',
           timestamptz '2026-03-01 00:00:00Z' + n * interval '0.000001 seconds'
    FROM generate_series(1, 100000) n;

    UPDATE events e SET seats_available = capacity - b.seats
    FROM (SELECT event_id, sum(seats) AS seats FROM bookings
          WHERE status = 'CONFIRMED' GROUP BY event_id) b
    WHERE b.event_id = e.id AND e.deleted_at IS NULL;

    INSERT INTO idempotency_keys (user_id, key, booking_id, event_id, seats, created_at)
    SELECT user_id, 'ಕೀ \"' || id || '\"', id, event_id, seats, created_at
    FROM bookings WHERE id % 10 = 4;

    INSERT INTO event_sales (event_id, confirmed_bookings)
    SELECT e.id, count(b.id)
    FROM events e LEFT JOIN bookings b ON b.event_id = e.id AND b.status = 'CONFIRMED'
    WHERE e.deleted_at IS NULL GROUP BY e.id;

    UPDATE booking_totals SET confirmed_bookings = CASE slot
        WHEN 3 THEN (SELECT sum(confirmed_bookings) FROM event_sales) + 5
        WHEN 4 THEN -5 ELSE 0 END;

    INSERT INTO deletions_pending (event_id)
    SELECT DISTINCT e.id FROM events e JOIN bookings b ON b.event_id = e.id
    WHERE e.deleted_at IS NOT NULL AND b.status = 'CONFIRMED';

    INSERT INTO erasures_pending (user_id)
    SELECT DISTINCT b.user_id FROM bookings b JOIN users u ON u.id = b.user_id
    JOIN events e ON e.id = b.event_id
    WHERE u.erased_at IS NOT NULL AND b.status = 'CONFIRMED' AND e.deleted_at IS NULL;

    INSERT INTO api_keys (id, name, secret_digest, scopes, created_at, rotated_at, last_used_at,
                          revoked_at)
    SELECT 4 * n, 'ಕೌಂಟರ್ ' || n, sha256(('secret ' || n)::bytea),
           CASE n % 3 WHEN 0 THEN '{bookings:read}'::text[]
                      WHEN 1 THEN '{admin:audit,admin:events,users:write}'
                      ELSE '{bookings:write,events:read}' END,
           timestamptz '2026-01-01 00:00:00.000007Z' + n * interval '1 day',
           CASE WHEN n % 2 = 0 THEN timestamptz '2026-02-01 00:00:00.5Z' + n * interval '1 day' END,
           CASE WHEN n % 5 > 0 THEN timestamptz '2026-03-01 00:00:00.6Z' + n * interval '1 day' END,
           CASE WHEN n % 7 = 0 THEN timestamptz '2026-04-01 00:00:00.7Z' + n * interval '1 day' END
    FROM generate_series(1, 20) n;

    INSERT INTO audit_log (id, at, actor_kind, actor_id, action, object_kind, object_id, refused,
                           request_id)
    SELECT 5 * n, timestamptz '2026-05-01 00:00:00Z' + (n * 7919 % 5000) * interval '1.000001 s',
           (ARRAY['user', 'service', 'anonymous', 'admin', 'system'])[1 + n % 5],
           CASE WHEN n % 5 < 2 THEN n END, 'change_event',
           CASE WHEN n % 3 > 0 THEN 'event' END, CASE WHEN n % 3 > 0 THEN n - 9 END,
           CASE WHEN n % 4 = 0 THEN 'forbidden' END, md5(n::text)
    FROM generate_series(1, 5000) n;

    SELECT setval('users_id_seq', 7000), setval('api_keys_id_seq', 90),
           setval('audit_log_id_seq', 25002), setval('events_id_seq', 400),
           setval('bookings_id_seq', 200003);
    ANALYZE";

/// Every row that matters, as one digest for each table.
const DIGESTS: [&str; 10] = [
    "SELECT count(*), md5(string_agg(t::text, E'\\n' ORDER BY id)) FROM users t",
    "SELECT count(*), md5(string_agg(t::text, E'\\n' ORDER BY id)) FROM events t",
    "SELECT count(*), md5(string_agg(t::text, E'\\n' ORDER BY id)) FROM bookings t",
    "SELECT count(*), md5(string_agg(t::text, E'\\n' ORDER BY user_id, key)) \
     FROM idempotency_keys t",
    "SELECT count(*), md5(string_agg(t::text, E'\\n' ORDER BY event_id)) FROM event_sales t",
    "SELECT count(*), md5(string_agg(t::text, E'\\n' ORDER BY event_id)) FROM deletions_pending t",
    "SELECT count(*), sum(confirmed_bookings) FROM booking_totals",
    "SELECT count(*), md5(string_agg(t::text, E'\\n' ORDER BY user_id)) FROM erasures_pending t",
    "SELECT count(*), md5(string_agg(t::text, E'\\n' ORDER BY id)) FROM api_keys t",
    "SELECT count(*), md5(string_agg(t::text, E'\\n' ORDER BY id)) FROM audit_log t",
];

pub(crate) async fn digests(sql: &Sql) -> Vec<Vec<String>> {
    let mut digests = Vec::new();
    for query in DIGESTS {
        digests.extend(sql.rows(query).await);
    }
    digests
}

pub(crate) fn program(arguments: &[&str], database: &TestDatabase) -> Program {
    Program::new(arguments).env("DATABASE_URL", database.url())
}

pub(crate) async fn export(database: &TestDatabase, file: &Path) -> Finished {
    let file = file.to_str().expect("UTF-8");
    let exported = program(&["export", file], database).run().await;
    exported.expect_success()
}

async fn filled(bookings: u32) -> TestDatabase {
    let database = TestDatabase::migrated().await;
    let fill = FILL.replace("100000", &bookings.to_string());
    database.sql().await.run(&fill).await;
    database
}

pub(crate) fn folder() -> TempDir {
    tempfile::tempdir().expect("a folder")
}

const COUNTS: &str = "2000 users, 51 events, 100000 bookings, 20000 idempotency keys, \
                      20 API keys, 5000 audit entries";

#[tokio::test]
async fn an_archive_of_100_000_bookings_is_the_same_in_another_database() {
    let (one, folder) = (filled(100_000).await, folder());
    let file = folder.path().join("shop.jsonl");
    let exported = export(&one, &file).await;
    assert!(exported.stderr.contains(COUNTS), "{exported}");
    assert_eq!(exported.stdout, "");
    let names = std::fs::read_dir(folder.path()).expect("a folder");
    assert_eq!(names.count(), 1, "the archive and nothing beside it");

    // Not even migrated.
    let other = TestDatabase::empty().await;
    let input = std::fs::File::open(&file).expect("the archive");
    let imported = program(&["import"], &other).stdin(input).run().await;
    let imported = imported.expect_success();
    assert!(imported.stderr.contains(COUNTS), "{imported}");
    let before = digests(&one.sql().await).await;
    assert_eq!(digests(&other.sql().await).await, before);

    let again = program(&["export"], &other).run().await.expect_success();
    let archive = std::fs::read_to_string(&file).expect("UTF-8");
    let records = |text: &str| text.split_once('\n').map(|(_, rest)| rest.to_owned());
    assert!(
        records(&archive) == records(&again.stdout),
        "the archive of the copy is another one"
    );
    let last = r#"{"kind":"end","users":2000,"events":51,"bookings":100000,"keys":20000,"api_keys":20,"audit":5000}"#;
    assert_eq!(archive.lines().last(), Some(last));
}

#[tokio::test]
async fn an_archive_of_100_000_bookings_passes_through_the_embedded_store_unchanged() {
    let (one, folder) = (filled(100_000).await, folder());
    let (up, down) = (
        folder.path().join("up.jsonl"),
        folder.path().join("down.jsonl"),
    );
    export(&one, &down).await;
    let shop = format!("sqlite://{}/shop.db", folder.path().display());
    let embedded = |command: &str, file: &Path| {
        let file = file.to_str().expect("UTF-8");
        Program::new(&[command, file]).env("DATABASE_URL", &shop)
    };
    let imported = embedded("import", &down).run().await;
    let imported = imported.expect_success();
    assert!(imported.stderr.contains(COUNTS), "{imported}");
    embedded("export", &up).run().await.expect_success();

    let other = TestDatabase::empty().await;
    let file = up.to_str().expect("UTF-8");
    program(&["import", file], &other)
        .run()
        .await
        .expect_success();
    let before = digests(&one.sql().await).await;
    assert_eq!(digests(&other.sql().await).await, before);

    // What is not empty takes nothing more.
    let refused = embedded("import", &up).run().await;
    assert!(
        refused.expect_failure().contains("nothing was imported"),
        "{refused}"
    );
}

#[tokio::test]
async fn business_goes_on_where_an_archive_was_imported() {
    let (one, folder) = (filled(10_000).await, folder());
    let file = folder.path().join("shop.jsonl");
    export(&one, &file).await;
    let other = TestDatabase::migrated().await;
    let file = file.to_str().expect("UTF-8");
    let imported = program(&["import", file], &other).run().await;
    imported.expect_success();

    // The keys are older than a server would keep them by itself.
    let service = Service::on(other)
        .await
        .setting("idempotency.keep", "10000days")
        .start()
        .await;
    let client = &service.client;
    let event_id = client.publish(5).await;
    assert_eq!(event_id, 7 * 51 + 1, "behind the largest");
    let user_id = client.register("new@example.com").await;
    assert_eq!(user_id, 3 * 2000 + 1);
    assert_eq!(client.booked(user_id, event_id, 1).await, 20_001);
    // Booking 4 was made under a key: user 9, event 21, 3 seats.
    let replay = client
        .book(9, 21, 3)
        .header("Idempotency-Key", "\"ಕೀ \\\"4\\\"\"")
        .await;
    assert_eq!(replay.id("booking_id"), 4, "{replay:?}");
    // Booking 100 holds 3 seats of event 7.
    let left = client.seats_available(7).await;
    client.cancel(100).await.expect(200);
    assert_eq!(client.seats_available(7).await, left + 3);
    service.database.assert_seats_add_up(7).await;
    let sql = service.database.sql().await;
    // The deleted events' bookings are marked in the end.
    eventually("all bookings of deleted events are marked", async || {
        sql.number(
            "SELECT (SELECT count(*) FROM deletions_pending) + (SELECT count(*) FROM bookings b \
             JOIN events e ON e.id = b.event_id \
             WHERE e.deleted_at IS NOT NULL AND b.status = 'CONFIRMED')",
        )
        .await
            == 0
    })
    .await;
    // So is what erased users had booked.
    eventually("all bookings of erased users are cancelled", async || {
        sql.number(
            "SELECT (SELECT count(*) FROM erasures_pending) + (SELECT count(*) FROM bookings b \
             JOIN users u ON u.id = b.user_id WHERE u.erased_at IS NOT NULL \
             AND b.status = 'CONFIRMED')",
        )
        .await
            == 0
    })
    .await;
}

#[tokio::test]
async fn an_archive_is_one_state_of_the_store_whatever_is_sold_meanwhile() {
    let one = filled(10_000).await;
    let sql = one.sql().await;
    let before = digests(&sql).await;
    let mut export = program(&["export"], &one).start();
    let mut output = export.stdout.take().expect("piped");
    let mut archive = vec![0; 100_000];
    output.read_exact(&mut archive).await.expect("a beginning");
    // The pipe is full and the export stands in the middle of its walk.
    sql.run(
        "UPDATE bookings SET status = 'CANCELLED' WHERE id = 19996;
         UPDATE events SET seats_available = seats_available + 3
         WHERE id = (SELECT event_id FROM bookings WHERE id = 19996);
         DELETE FROM idempotency_keys;
         INSERT INTO bookings (user_id, event_id, seats) SELECT 3, 7, 1 FROM generate_series(1, 9);
         UPDATE events SET seats_available = seats_available - 9 WHERE id = 7;
         INSERT INTO users (email) VALUES ('late@example.com');
         UPDATE users SET password_hash = NULL, suspended_at = now() WHERE id = 5997;
         UPDATE api_keys SET revoked_at = now();
         INSERT INTO audit_log (at, actor_kind, action, request_id)
         VALUES (now(), 'admin', 'late', 'r')",
    )
    .await;
    output.read_to_end(&mut archive).await.expect("the rest");
    assert!(export.wait().await.expect("it ends").success());

    let folder = folder();
    let file = folder.path().join("shop.jsonl");
    std::fs::write(&file, archive).expect("room");
    let other = TestDatabase::migrated().await;
    let file = file.to_str().expect("UTF-8");
    let imported = program(&["import", file], &other).run().await;
    imported.expect_success();
    assert_eq!(digests(&other.sql().await).await, before);
}

#[tokio::test]
async fn an_import_that_is_killed_half_way_leaves_nothing() {
    let (one, folder) = (filled(30_000).await, folder());
    let file = folder.path().join("shop.jsonl");
    export(&one, &file).await;
    let archive = std::fs::read(&file).expect("the archive");

    let other = TestDatabase::migrated().await;
    let sql = other.sql().await;
    let untouched = digests(&sql).await;
    let mut import = program(&["import"], &other).stdin(Stdio::piped()).start();
    let mut input = import.stdin.take().expect("piped");
    input
        .write_all(&archive[..archive.len() / 2])
        .await
        .expect("it reads");
    // Rows that nobody sees yet take their place on the disk all the same.
    eventually("bookings are written", async || {
        sql.number("SELECT pg_relation_size('bookings')").await > 300_000
    })
    .await;
    import.kill().await.expect("it was there");
    eventually("the session is gone", async || {
        sql.number(
            "SELECT count(*) FROM pg_stat_activity \
             WHERE datname = current_database() AND application_name = 'utsavam'",
        )
        .await
            == 0
    })
    .await;
    assert_eq!(digests(&sql).await, untouched);

    // And nothing stands in the way of the next attempt.
    let file = file.to_str().expect("UTF-8");
    let imported = program(&["import", file], &other).run().await;
    imported.expect_success();
    assert_eq!(digests(&sql).await, digests(&one.sql().await).await);
}
