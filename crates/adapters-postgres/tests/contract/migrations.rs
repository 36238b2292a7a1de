//! Databases that are older than this program, or newer, and processes that are
//! older than their database.

use std::time::Duration;

use adapters_postgres::{
    MigrateError, Migrated, PgAccountStore, PgSettings, PgUserStore, migrate, schema_is_current,
};
use domain::model::{Page, PageLimit, UserId};
use domain::ports::{AccountStore, UserStore};

use super::support;

const FIRST: &str =
    include_str!("../../../../migrations/postgres/2026-11-22-000001_initial/up.sql");

/// What a process of the first version leaves behind, with something in it.
const FIRST_VERSION: &str = "
    CREATE TABLE __diesel_schema_migrations (
        version VARCHAR(50) PRIMARY KEY NOT NULL,
        run_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP);
    INSERT INTO __diesel_schema_migrations (version) VALUES ('20261122000001');
    INSERT INTO users (email, name) VALUES ('alice@example.com', 'Alice'), ('bob@example.com', NULL);
    INSERT INTO events (name, start_at, capacity, seats_available) VALUES ('E', '2099-01-01', 5, 4);
    INSERT INTO bookings (user_id, event_id, seats) VALUES (1, 1, 1)";

/// The tables of the Python service.
const PYTHON: &str = "
    CREATE TABLE users (id SERIAL PRIMARY KEY, email TEXT NOT NULL UNIQUE, name TEXT,
        created_at TIMESTAMPTZ DEFAULT now());
    CREATE TABLE events (id SERIAL PRIMARY KEY, name TEXT NOT NULL, venue TEXT,
        start_at TIMESTAMPTZ NOT NULL, capacity INT NOT NULL, seats_available INT NOT NULL,
        version INT NOT NULL DEFAULT 0, created_at TIMESTAMPTZ, updated_at TIMESTAMPTZ);
    CREATE TABLE bookings (id SERIAL PRIMARY KEY, user_id INT REFERENCES users,
        event_id INT REFERENCES events, seats INT NOT NULL, status TEXT NOT NULL,
        idempotency_key TEXT, created_at TIMESTAMPTZ, updated_at TIMESTAMPTZ);
    INSERT INTO users (email) VALUES ('Alice@Example.com')";

/// How many migrations there are.
fn migrations() -> usize {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../migrations/postgres");
    std::fs::read_dir(folder)
        .expect("a folder can be listed")
        .count()
}

struct Old {
    name: String,
    settings: PgSettings,
}

impl Old {
    async fn with(statements: &[&str]) -> Self {
        let name = support::unique_name();
        support::run(None, &format!("CREATE DATABASE {name} TEMPLATE template0")).await;
        for statement in statements {
            support::run(Some(&name), statement).await;
        }
        let settings = support::settings(&name, Duration::from_secs(60));
        Self { name, settings }
    }

    async fn is_current(&self) -> bool {
        let database = support::connect(&self.settings).await;
        schema_is_current(&database).await.expect("an answer")
    }

    async fn close(self) {
        support::run(None, &format!("DROP DATABASE {} WITH (FORCE)", self.name)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_of_the_first_version_gets_what_it_lacks_and_keeps_what_it_has() {
    let old = Old::with(&[FIRST, FIRST_VERSION]).await;
    assert!(!old.is_current().await);
    let migrated = migrate(&old.settings).await.expect("migrated");
    assert_eq!(migrated, Migrated::Applied(migrations() - 1));
    assert!(old.is_current().await);
    let again = migrate(&old.settings).await.expect("migrated");
    assert_eq!(again, Migrated::Nothing);

    let database = support::connect(&old.settings).await;
    let accounts = PgAccountStore::new(database.clone());
    let alice = accounts.find(UserId::try_new(1).expect("positive")).await;
    let alice = alice.expect("still there");
    assert_eq!(alice.user.email.as_str(), "alice@example.com");
    assert_eq!((alice.has_password, alice.suspended_at), (false, None));
    let users = PgUserStore::new(database);
    let listed = users.list(Page::first(PageLimit::MAX)).await;
    assert_eq!(listed.expect("a list").entries.len(), 2);
    old.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_that_start_together_apply_a_migration_once() {
    let old = Old::with(&[FIRST, FIRST_VERSION]).await;
    let tasks = [(); 4].map(|()| {
        let settings = old.settings.clone();
        tokio::spawn(async move { migrate(&settings).await.expect("migrated") })
    });
    let mut applied = 0;
    for task in tasks {
        let migrated = task.await.expect("no panic");
        applied += usize::from(migrated == Migrated::Applied(migrations() - 1));
    }
    assert_eq!(applied, 1);
    old.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_is_ahead_is_current() {
    let ahead = "INSERT INTO __diesel_schema_migrations (version) VALUES ('29991231000001')";
    let old = Old::with(&[]).await;
    let migrated = migrate(&old.settings).await.expect("migrated");
    assert_eq!(migrated, Migrated::Applied(migrations()));
    support::run(Some(&old.name), ahead).await;
    assert!(old.is_current().await);
    let again = migrate(&old.settings).await.expect("migrated");
    assert_eq!(again, Migrated::Nothing);
    old.close().await;
}

/// Everything that stands in the schema, as text.
async fn schema(name: &str) -> Vec<String> {
    let session = support::session(Some(name)).await;
    let rows = session
        .query(
            "SELECT format('%s.%s %s %s %s', table_name, column_name, data_type, is_nullable,
                           column_default)
             FROM information_schema.columns WHERE table_schema = 'public'
             UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'
             UNION ALL SELECT conrelid::regclass || ' ' || conname || ' ' || pg_get_constraintdef(oid)
             FROM pg_constraint WHERE connamespace = 'public'::regnamespace
             UNION ALL SELECT pg_get_triggerdef(oid) || tgenabled::text FROM pg_trigger WHERE NOT tgisinternal
             UNION ALL SELECT format('%s %s', sequencename, data_type) FROM pg_sequences
             ORDER BY 1",
            &[],
        )
        .await
        .expect("a schema");
    rows.iter().map(|row| row.get(0)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_adopted_and_a_migrated_database_have_the_schema_of_a_new_one() {
    let new = Old::with(&[]).await;
    migrate(&new.settings).await.expect("migrated");
    let expected = schema(&new.name).await;
    new.close().await;

    let python = Old::with(&[PYTHON]).await;
    let adopted = migrate(&python.settings).await.expect("adopted");
    assert!(
        matches!(adopted, Migrated::Adopted { users: 1, .. }),
        "{adopted:?}"
    );
    assert!(python.is_current().await);
    assert_eq!(schema(&python.name).await, expected);
    python.close().await;

    let first = Old::with(&[FIRST, FIRST_VERSION]).await;
    migrate(&first.settings).await.expect("migrated");
    assert_eq!(schema(&first.name).await, expected);
    first.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_of_somebody_else_are_named_before_anything_is_taken_over() {
    let others = "CREATE TABLE sessions (id INT)";
    for tables in [&[others][..], &[PYTHON, others]] {
        let old = Old::with(tables).await;
        let refused = migrate(&old.settings).await.expect_err("not ours");
        assert!(matches!(refused, MigrateError::Refused(_)), "{refused}");
        old.close().await;
    }
}

/// The statements with which the first version touches what has changed since,
/// prepared by a session that goes on through the migration.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_of_the_first_version_goes_on_working() {
    const REGISTER: &str = "INSERT INTO users (email, name) VALUES ($1, $2)
        ON CONFLICT (email) DO NOTHING RETURNING id, email, name, created_at";
    const LIST: &str = "SELECT id, email, name, created_at FROM users
        WHERE (created_at, id) < ('infinity', 0) ORDER BY created_at DESC, id DESC LIMIT 100";
    const FIND: &str = "SELECT coalesce(array_agg(id), '{}') FROM users WHERE id = ANY ($1)";
    const BIND: &str = "INSERT INTO idempotency_keys (user_id, key, booking_id, event_id, seats)
        SELECT id, 'key', nextval('bookings_id_seq'), 1, 1 FROM users WHERE id = ANY ($1)
        RETURNING booking_id";
    const SELL: &str =
        "INSERT INTO bookings (user_id, event_id, seats) SELECT unnest($1::bigint[]), 1, 1
        RETURNING id";
    let old = Old::with(&[FIRST, FIRST_VERSION]).await;
    let session = support::session(Some(&old.name)).await;
    let mut prepared = Vec::new();
    for statement in [REGISTER, LIST, FIND, BIND, SELL] {
        prepared.push(session.prepare(statement).await.expect("prepared"));
    }
    session.query(&prepared[1], &[]).await.expect("before");

    migrate(&old.settings).await.expect("migrated");
    let database = support::connect(&old.settings).await;
    let accounts = PgAccountStore::new(database);
    let erased = UserId::try_new(2).expect("positive");
    accounts.erase(erased).await.expect("erased");

    let [register, list, find, bind, sell] = &prepared[..] else {
        panic!("five of them");
    };
    let registered = session.query(register, &[&"bob@example.com", &None::<String>]);
    assert_eq!(
        registered.await.expect("after").len(),
        1,
        "the address is free"
    );
    let listed = session.query(list, &[]).await.expect("after");
    assert_eq!(listed.len(), 3);
    let addresses: Vec<String> = listed.iter().map(|row| row.get(1)).collect();
    assert!(
        addresses.contains(&"User-2@erased.invalid".to_owned()),
        "{addresses:?}"
    );
    let ids: &[i64] = &[1];
    for statement in [find, bind, sell] {
        let rows = session.query(statement, &[&ids]).await.expect("after");
        assert_eq!(rows.len(), 1);
    }
    old.close().await;
}
