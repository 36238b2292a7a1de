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
/// `serve` to refuse it with a sentence that contains one of these words, and
/// that says that nothing was changed.
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
        assert!(
            sentence.ends_with("nothing was changed"),
            "{command} does not say what became of the data: {finished}"
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
async fn a_value_that_is_missing_is_refused_with_the_name_of_its_row() {
    for (row, column) in [
        ("user 41", "email"),
        ("event 8", "name"),
        ("event 8", "start_at"),
        ("event 8", "capacity"),
        ("event 8", "version"),
        ("booking 22", "user_id"),
        ("booking 22", "event_id"),
        ("booking 22", "seats"),
        ("booking 22", "status"),
    ] {
        let (kind, id) = row.split_once(' ').expect("a kind and an id");
        assert_refused(
            &[
                TABLES,
                ROWS,
                &format!("ALTER TABLE {kind}s ALTER {column} DROP NOT NULL"),
                &format!("UPDATE {kind}s SET {column} = NULL WHERE id = {id}"),
            ],
            &[&format!("{row} has no {column}")],
        )
        .await;
    }
}

#[tokio::test]
async fn an_id_that_is_missing_or_there_twice_is_refused() {
    for (id, words) in [
        ("NULL", "a user has no id"),
        ("41", "more than one user has the id 41"),
    ] {
        assert_refused(
            &[
                TABLES,
                ROWS,
                "ALTER TABLE users DROP CONSTRAINT users_pkey CASCADE",
                "ALTER TABLE users ALTER id DROP NOT NULL",
                &format!("INSERT INTO users (id, email) VALUES ({id}, 'carol@example.com')"),
            ],
            &[words],
        )
        .await;
    }
}

#[tokio::test]
async fn a_time_that_cannot_be_shown_is_refused_with_the_name_of_its_row() {
    for (row, column, time) in [
        ("user 41", "created_at", "infinity"),
        ("event 8", "start_at", "-infinity"),
        ("event 8", "created_at", "10000-01-01T00:00:00Z"),
        ("event 8", "updated_at", "9999-12-31T23:59:59-01:00"),
        ("booking 22", "created_at", "0002-12-31T23:59:59Z BC"),
        ("booking 22", "updated_at", "infinity"),
    ] {
        let (kind, id) = row.split_once(' ').expect("a kind and an id");
        assert_refused(
            &[
                TABLES,
                ROWS,
                &format!("UPDATE {kind}s SET {column} = '{time}' WHERE id = {id}"),
            ],
            &[&format!("the {column} of {row} ")],
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

#[tokio::test]
async fn rules_of_ones_own_that_would_be_lost_are_refused() {
    for (statement, words) in [
        (
            "CREATE FUNCTION audit() RETURNS trigger LANGUAGE plpgsql \
                 AS 'BEGIN RETURN NEW; END';
             CREATE TRIGGER audited BEFORE INSERT ON bookings \
                 FOR EACH ROW EXECUTE FUNCTION audit()",
            "bookings has the trigger audited",
        ),
        (
            "CREATE RULE keep AS ON DELETE TO users DO INSTEAD NOTHING",
            "users has the rule keep",
        ),
        (
            "CREATE POLICY everything ON events USING (true)",
            "events has the policy everything",
        ),
        (
            "ALTER TABLE users ENABLE ROW LEVEL SECURITY",
            "users has row-level security",
        ),
    ] {
        assert_refused(&[TABLES, ROWS, statement], &[words]).await;
    }
}

#[tokio::test]
async fn a_schema_under_the_name_that_the_move_needs_is_left_alone() {
    assert_refused(
        &[
            TABLES,
            ROWS,
            "CREATE SCHEMA utsavam_adoption",
            "CREATE TABLE utsavam_adoption.mine (id INT)",
        ],
        &["schema utsavam_adoption"],
    )
    .await;
}

#[tokio::test]
async fn somebody_elses_sequence_under_a_name_of_ours_is_left_alone() {
    assert_refused(
        &[
            TABLES,
            ROWS,
            "ALTER SEQUENCE bookings_id_seq RENAME TO numbers",
            "CREATE SEQUENCE bookings_id_seq",
        ],
        &["a bookings_id_seq that utsavam did not make"],
    )
    .await;
}
