//! Taking over a database of the Python service: everything that its users
//! and operators know is still there.

use serde_json::json;
use utsavam_tests::{FUTURE, Program, Service, Sql, TestDatabase};

/// The tables as the service's migrations made them.
pub(crate) const TABLES: &str = "
    CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY);
    INSERT INTO alembic_version VALUES ('0003');
    CREATE TABLE users (
        id SERIAL PRIMARY KEY,
        email VARCHAR(255) NOT NULL UNIQUE,
        name VARCHAR(255),
        created_at TIMESTAMPTZ DEFAULT now());
    CREATE TABLE events (
        id SERIAL PRIMARY KEY,
        name VARCHAR(255) NOT NULL,
        venue VARCHAR(255),
        start_at TIMESTAMPTZ NOT NULL,
        capacity INT NOT NULL,
        seats_available INT NOT NULL,
        version INT NOT NULL DEFAULT 0,
        created_at TIMESTAMPTZ DEFAULT now(),
        updated_at TIMESTAMPTZ DEFAULT now());
    CREATE TABLE bookings (
        id SERIAL PRIMARY KEY,
        user_id INT REFERENCES users (id) ON DELETE CASCADE,
        event_id INT REFERENCES events (id) ON DELETE CASCADE,
        seats INT NOT NULL,
        status VARCHAR(30) NOT NULL DEFAULT 'CONFIRMED',
        idempotency_key VARCHAR(255),
        created_at TIMESTAMPTZ DEFAULT now(),
        updated_at TIMESTAMPTZ DEFAULT now());
    CREATE INDEX ix_events_start_at ON events (start_at);
    CREATE INDEX ix_bookings_event_id ON bookings (event_id);
    CREATE INDEX ix_bookings_user_id ON bookings (user_id);";

/// The tables as somebody made them by hand from its documentation.
const TABLES_BY_HAND: &str = "
    CREATE TABLE users (
        id SERIAL PRIMARY KEY,
        email TEXT NOT NULL UNIQUE,
        name TEXT,
        created_at TIMESTAMPTZ NOT NULL DEFAULT now());
    CREATE TABLE events (
        id SERIAL PRIMARY KEY,
        name TEXT NOT NULL,
        venue TEXT,
        start_at TIMESTAMPTZ NOT NULL,
        capacity INT NOT NULL CHECK (capacity >= 0),
        seats_available INT NOT NULL CHECK (seats_available >= 0),
        version INT NOT NULL DEFAULT 0,
        created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
        updated_at TIMESTAMPTZ NOT NULL DEFAULT now());
    CREATE TABLE bookings (
        id SERIAL PRIMARY KEY,
        user_id INT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
        event_id INT NOT NULL REFERENCES events (id) ON DELETE CASCADE,
        seats INT NOT NULL CHECK (seats > 0),
        status TEXT NOT NULL DEFAULT 'CONFIRMED' CHECK (status IN ('CONFIRMED', 'CANCELLED')),
        idempotency_key TEXT,
        created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
        updated_at TIMESTAMPTZ NOT NULL DEFAULT now());
    CREATE INDEX idx_events_start_at ON events (start_at);
    CREATE INDEX idx_bookings_event_id ON bookings (event_id);
    CREATE INDEX idx_bookings_user_id ON bookings (user_id);
    CREATE UNIQUE INDEX idx_bookings_key ON bookings (user_id, idempotency_key);";

/// Two users, three events of which one is over and one has lost count, and
/// four bookings. The sequences were not used, as after a copy of the data.
pub(crate) const ROWS: &str = "
    INSERT INTO users (id, email, name, created_at) VALUES
        (3, 'alice@example.com', 'Alice', '2025-01-02T03:04:05.678901Z'),
        (41, 'Bob.Builder@Example.COM', NULL, '2025-02-03T04:05:06Z');
    INSERT INTO events (id, name, venue, start_at, capacity, seats_available, version) VALUES
        (7, 'Concert', 'Hall B', '2099-06-01T18:00:00Z', 10, 7, 4),
        (8, 'Over', NULL, '2020-06-01T18:00:00Z', 5, 5, 0),
        (12, 'Miscounted', NULL, '2099-07-01T18:00:00Z', 6, 6, 9);
    INSERT INTO bookings
        (id, user_id, event_id, seats, status, idempotency_key, created_at) VALUES
        (20, 3, 7, 2, 'CONFIRMED', 'key of Alice', now() - interval '1 hour'),
        (21, 41, 7, 1, 'CONFIRMED', NULL, '2025-03-02T00:00:00Z'),
        (22, 41, 7, 4, 'CANCELLED', NULL, '2025-03-03T00:00:00Z'),
        (30, 3, 12, 5, 'CONFIRMED', NULL, '2025-03-04T00:00:00Z');";

const USERS: &str = "SELECT id, lower(email), name, extract(epoch FROM created_at) \
                     FROM users ORDER BY id";
const EVENTS: &str = "SELECT id, name, venue, extract(epoch FROM start_at), capacity \
                      FROM events ORDER BY id";
const BOOKINGS: &str = "SELECT id, user_id, event_id, seats, status, \
                        extract(epoch FROM created_at) FROM bookings ORDER BY id";

async fn data(sql: &Sql) -> [Vec<Vec<String>>; 3] {
    [
        sql.rows(USERS).await,
        sql.rows(EVENTS).await,
        sql.rows(BOOKINGS).await,
    ]
}

/// A service on a database of the Python service that was taken over.
async fn adopted(tables: &str) -> Service {
    let database = TestDatabase::empty().await;
    let sql = database.sql().await;
    sql.run(tables).await;
    sql.run(ROWS).await;
    let before = data(&sql).await;
    Program::new(&["migrate"])
        .env("DATABASE_URL", database.url())
        .run()
        .await
        .expect_success();
    let sql = database.sql().await;
    assert_eq!(data(&sql).await, before, "rows that came along");
    Service::on(database)
        .await
        .setting("database.migrate_on_start", "false")
        .start()
        .await
}

async fn assert_adopted(tables: &str) {
    let service = adopted(tables).await;
    let client = &service.client;

    // Seats are counted anew from the confirmed bookings.
    for (event_id, left) in [(7, 7), (8, 5), (12, 1)] {
        assert_eq!(client.seats_available(event_id).await, left);
        service.database.assert_seats_add_up(event_id).await;
    }
    let report = client.get("/admin/analytics").admin().await.json();
    assert_eq!(report["total_confirmed_bookings"], 3);
    assert_eq!(report["events"][0]["event_id"], 7);
    assert_eq!(report["events"][0]["total_confirmed_bookings"], 2);

    // Bob is found however he writes his address.
    let users = client.entries("/admin/users").await;
    assert_eq!(users[0]["email"], "bob.builder@example.com");
    let again = json!({ "email": "BOB.builder@example.com" });
    client
        .post("/users", &again)
        .await
        .problem(409, "email_taken");

    // The key of Alice still stands for her booking.
    let replay = client
        .book(3, 7, 2)
        .header("Idempotency-Key", "key of Alice")
        .await;
    assert_eq!(replay.expect(201).id("booking_id"), 20);
    assert_eq!(replay.header("idempotency-replayed"), Some("true"));
    let reuse = client
        .book(3, 7, 3)
        .header("Idempotency-Key", "key of Alice")
        .await;
    reuse.problem(422, "idempotency_key_reused");

    // Life goes on behind the largest ids.
    assert!(client.register("carol@example.com").await > 41);
    let event = json!({ "name": "New", "start_at": FUTURE, "capacity": 1 });
    assert!(client.publish_event(&event).await > 12);
    assert!(client.booked(41, 7, 1).await > 30);
    client.cancel(30).await.expect(200);
    assert_eq!(client.seats_available(12).await, 6);
    let history = client.entries("/users/41/bookings").await;
    assert_eq!(history.len(), 3);
    client.delete_event(7).await.expect(204);
    let booking = client.get("/bookings/21").await.expect(200).json();
    assert_eq!(booking["status"], "CANCELLED");
}

#[tokio::test]
async fn a_database_of_the_python_service_is_taken_over() {
    assert_adopted(TABLES).await;
}

#[tokio::test]
async fn a_database_made_by_hand_from_its_documentation_is_taken_over() {
    assert_adopted(TABLES_BY_HAND).await;
}

#[tokio::test]
async fn serving_takes_a_database_over_too() {
    let database = TestDatabase::empty().await;
    let sql = database.sql().await;
    sql.run(TABLES).await;
    sql.run(ROWS).await;
    let service = Service::on(database).await.start().await;
    assert_eq!(service.client.seats_available(7).await, 7);
    service.client.booked(3, 7, 1).await;
}

#[tokio::test]
async fn empty_tables_are_taken_over() {
    let database = TestDatabase::empty().await;
    database.sql().await.run(TABLES).await;
    let service = Service::on(database).await.start().await;
    let user_id = service.client.register("alice@example.com").await;
    let event_id = service.client.publish(5).await;
    service.client.booked(user_id, event_id, 5).await;
}

#[tokio::test]
async fn a_database_that_was_taken_over_is_migrated_again_without_effect() {
    let service = adopted(TABLES).await;
    let sql = service.database.sql().await;
    let before = data(&sql).await;
    Program::new(&["migrate"])
        .env("DATABASE_URL", service.database.url())
        .run()
        .await
        .expect_success();
    assert_eq!(data(&sql).await, before);
}

#[tokio::test]
async fn two_migrations_at_once_take_a_database_over_once() {
    let database = TestDatabase::empty().await;
    let sql = database.sql().await;
    sql.run(TABLES).await;
    sql.run(ROWS).await;
    let before = data(&sql).await;
    let migrate = || {
        Program::new(&["migrate"])
            .env("DATABASE_URL", database.url())
            .run()
    };
    let (one, two) = futures::future::join(migrate(), migrate()).await;
    one.expect_success();
    two.expect_success();
    assert_eq!(data(&database.sql().await).await, before);
}

#[tokio::test]
async fn ids_that_were_given_out_and_deleted_are_not_given_out_again() {
    let identity = TABLES.replace("SERIAL", "INT GENERATED BY DEFAULT AS IDENTITY");
    let without_owner = format!(
        "{TABLES} ALTER SEQUENCE users_id_seq OWNED BY NONE;
         ALTER SEQUENCE events_id_seq OWNED BY NONE;
         ALTER SEQUENCE bookings_id_seq OWNED BY NONE;"
    );
    for (tables, rows) in [
        (TABLES, ROWS),
        (TABLES, ""),
        (&identity, ROWS),
        (&without_owner, ROWS),
    ] {
        let database = TestDatabase::empty().await;
        let sql = database.sql().await;
        sql.run(tables).await;
        sql.run(rows).await;
        for (table, last) in [("users", 100), ("events", 200), ("bookings", 300)] {
            sql.run(&format!("SELECT setval('{table}_id_seq', {last})"))
                .await;
        }
        let service = Service::on(database).await.start().await;
        let client = &service.client;
        let user_id = client.register("carol@example.com").await;
        let event_id = client.publish(5).await;
        let booking_id = client.booked(user_id, event_id, 1).await;
        assert_eq!((user_id, event_id, booking_id), (101, 201, 301));
        let sequences = "SELECT relname, seqtypid::regtype FROM pg_sequence \
                         JOIN pg_class ON pg_class.oid = seqrelid ORDER BY 1";
        assert_eq!(
            service.database.sql().await.rows(sequences).await,
            [
                "api_keys",
                "audit_log",
                "bookings",
                "events",
                "sessions",
                "users"
            ]
            .map(|table| [format!("{table}_id_seq"), "bigint".to_owned()]),
        );
    }
}

#[tokio::test]
async fn the_first_and_the_last_time_that_can_be_shown_are_taken_over() {
    let database = TestDatabase::empty().await;
    let sql = database.sql().await;
    sql.run(TABLES).await;
    sql.run(ROWS).await;
    sql.run(
        "UPDATE events SET start_at = '0001-01-01T00:00:00Z BC' WHERE id = 8;
         UPDATE events SET start_at = '9999-12-31T23:59:59.999999Z' WHERE id = 12",
    )
    .await;
    let service = Service::on(database).await.start().await;
    for (event_id, year) in [(8, "0000-01-01T"), (12, "9999-12-31T")] {
        let event = service.client.get(&format!("/events/{event_id}")).await;
        let start_at = event.expect(200).json()["start_at"].clone();
        assert!(
            start_at.as_str().is_some_and(|text| text.starts_with(year)),
            "{start_at}"
        );
    }
}

#[tokio::test]
async fn a_schema_called_legacy_is_in_nobodys_way() {
    let database = TestDatabase::empty().await;
    let sql = database.sql().await;
    sql.run(TABLES).await;
    sql.run(ROWS).await;
    sql.run("CREATE SCHEMA legacy; CREATE TABLE legacy.users AS SELECT 1 AS mine")
        .await;
    let service = Service::on(database).await.start().await;
    assert_eq!(service.client.seats_available(7).await, 7);
    let sql = service.database.sql().await;
    assert_eq!(sql.number("SELECT mine FROM legacy.users").await, 1);
}

#[tokio::test]
async fn an_empty_table_of_migrations_does_not_hide_a_database_to_take_over() {
    let database = TestDatabase::empty().await;
    let sql = database.sql().await;
    sql.run(TABLES).await;
    sql.run(ROWS).await;
    sql.run(
        "CREATE TABLE __diesel_schema_migrations (
             version VARCHAR(50) PRIMARY KEY NOT NULL,
             run_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP)",
    )
    .await;
    let service = Service::on(database).await.start().await;
    assert_eq!(service.client.seats_available(7).await, 7);
}

/// Who else may do what with the tables, their columns and their sequences.
async fn privileges(sql: &Sql) -> Vec<Vec<String>> {
    sql.rows(
        "SELECT relname, attname, grantee::regrole, privilege_type, is_grantable FROM (
             SELECT relname, NULL AS attname, relowner, relacl AS acl FROM pg_class
             WHERE relnamespace = 'public'::regnamespace
             UNION ALL
             SELECT relname, attname, relowner, attacl FROM pg_attribute
             JOIN pg_class ON pg_class.oid = attrelid
             WHERE relnamespace = 'public'::regnamespace) AS objects, aclexplode(acl)
         WHERE grantee <> relowner ORDER BY 1, 2, 3, 4",
    )
    .await
}

#[tokio::test]
async fn whoever_was_allowed_to_use_the_tables_still_is() {
    let database = TestDatabase::empty().await;
    let sql = database.sql().await;
    sql.run(TABLES).await;
    sql.run(ROWS).await;
    // Roles that every PostgreSQL has.
    sql.run(
        "GRANT SELECT ON users, events, bookings TO pg_monitor;
         GRANT SELECT ON events TO PUBLIC;
         GRANT UPDATE ON bookings TO pg_signal_backend WITH GRANT OPTION;
         GRANT SELECT (id, email) ON users TO pg_read_all_stats;
         GRANT USAGE ON SEQUENCE bookings_id_seq TO pg_signal_backend",
    )
    .await;
    let before = privileges(&sql).await;
    assert_eq!(before.len(), 8, "{before:?}");
    Program::new(&["migrate"])
        .env("DATABASE_URL", database.url())
        .run()
        .await
        .expect_success();
    assert_eq!(privileges(&database.sql().await).await, before);
}

#[tokio::test]
async fn an_owner_whose_tables_an_administrator_takes_over_may_still_use_them() {
    let database = TestDatabase::empty().await;
    let sql = database.sql().await;
    sql.run(TABLES).await;
    for table in ["users", "events", "bookings"] {
        sql.run(&format!("ALTER TABLE {table} OWNER TO pg_monitor"))
            .await;
    }
    Program::new(&["migrate"])
        .env("DATABASE_URL", database.url())
        .run()
        .await
        .expect_success();
    let may_write = "SELECT has_table_privilege('pg_monitor', 'bookings', 'INSERT, UPDATE') \
                     AND has_sequence_privilege('pg_monitor', 'bookings_id_seq', 'USAGE')";
    assert_eq!(database.sql().await.text(may_write).await, "t");
}
