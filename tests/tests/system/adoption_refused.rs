//! Databases that cannot be taken over: refused in one sentence, and left as
//! they are.

use utsavam_tests::{Program, Sql, TestDatabase};

use crate::adoption::{ROWS, TABLES};

/// Everything that is in the database: columns, constraints, indexes, defaults
/// and rows. An empty table of migrations may appear: it says that none ran.
async fn contents(sql: &Sql) -> Vec<Vec<String>> {
    let mut contents = sql
        .rows(
            "SELECT table_schema, table_name, column_name, data_type, column_default, is_nullable \
             FROM information_schema.columns \
             WHERE table_schema NOT IN ('pg_catalog', 'information_schema') \
               AND table_name <> '__diesel_schema_migrations' ORDER BY 1, 2, 3",
        )
        .await;
    for query in [
        "SELECT conrelid::regclass, conname, pg_get_constraintdef(oid) FROM pg_constraint \
         WHERE connamespace = 'public'::regnamespace \
           AND conname NOT LIKE '\\_\\_diesel%' ORDER BY 1, 2",
        "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' \
         AND tablename <> '__diesel_schema_migrations' ORDER BY 1",
        "SELECT nspname FROM pg_namespace WHERE nspname NOT LIKE 'pg\\_%' ORDER BY 1",
    ] {
        contents.extend(sql.rows(query).await);
    }
    let tables = sql
        .rows(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'public' \
             AND tablename <> '__diesel_schema_migrations' ORDER BY 1",
        )
        .await;
    for table in tables {
        let rows = format!("SELECT t::text FROM \"{}\" AS t ORDER BY 1", table[0]);
        contents.extend(sql.rows(&rows).await);
    }
    contents
}

/// Prepares a database with these statements and expects both `migrate` and
/// `serve` to refuse it with a sentence that contains one of these words.
async fn assert_refused(statements: &[&str], words: &[&str]) {
    let database = TestDatabase::empty().await;
    let sql = database.sql().await;
    for statement in statements {
        sql.run(statement).await;
    }
    let before = contents(&sql).await;
    for command in ["migrate", "serve"] {
        let finished = Program::new(&[command])
            .env("DATABASE_URL", database.url())
            .env("REDIS_URL", "redis://127.0.0.1:1/0")
            .env("PORT", "0")
            .run()
            .await;
        let sentence = finished.expect_failure().to_lowercase();
        assert!(
            words.iter().any(|word| sentence.contains(word)),
            "{command} does not say what is wrong ({words:?}): {finished}"
        );
        assert_eq!(contents(&database.sql().await).await, before, "{command}");
    }
}

#[tokio::test]
async fn two_users_whose_addresses_differ_only_in_case_are_refused() {
    assert_refused(
        &[
            TABLES,
            ROWS,
            "INSERT INTO users (id, email) VALUES (42, 'ALICE@example.com')",
        ],
        &["email", "alice"],
    )
    .await;
}

#[tokio::test]
async fn more_confirmed_seats_than_there_are_are_refused() {
    assert_refused(
        &[
            TABLES,
            ROWS,
            "INSERT INTO bookings (id, user_id, event_id, seats) VALUES (31, 3, 12, 2)",
        ],
        &["confirmed", "capacity"],
    )
    .await;
}

#[tokio::test]
async fn an_unknown_status_is_refused() {
    assert_refused(
        &[
            TABLES,
            ROWS,
            "UPDATE bookings SET status = 'PENDING' WHERE id = 22",
        ],
        &["status", "pending"],
    )
    .await;
}

#[tokio::test]
async fn bookings_without_seats_are_refused() {
    assert_refused(
        &[TABLES, ROWS, "UPDATE bookings SET seats = 0 WHERE id = 22"],
        &["seats"],
    )
    .await;
}

#[tokio::test]
async fn bookings_of_nobody_or_of_nothing_are_refused() {
    for column in ["user_id", "event_id"] {
        assert_refused(
            &[
                TABLES,
                ROWS,
                &format!("UPDATE bookings SET {column} = NULL WHERE id = 22"),
            ],
            &["booking"],
        )
        .await;
    }
}

#[tokio::test]
async fn somebody_elses_tables_are_refused() {
    assert_refused(
        &[
            "CREATE TABLE users (id UUID PRIMARY KEY, login TEXT NOT NULL)",
            "INSERT INTO users VALUES ('00000000-0000-0000-0000-000000000001', 'root')",
        ],
        &["users"],
    )
    .await;
}

#[tokio::test]
async fn half_of_the_tables_are_refused() {
    assert_refused(&[TABLES, "DROP TABLE bookings"], &["bookings"]).await;
}

#[tokio::test]
async fn tables_that_something_else_hangs_on_are_left_alone() {
    assert_refused(
        &[
            TABLES,
            ROWS,
            "CREATE VIEW box_office AS SELECT name, seats_available FROM events",
        ],
        &["box_office", "depend", "view"],
    )
    .await;
}

#[tokio::test]
async fn a_column_that_would_be_lost_is_refused() {
    assert_refused(
        &[TABLES, ROWS, "ALTER TABLE users ADD COLUMN phone TEXT"],
        &["users.phone"],
    )
    .await;
}
