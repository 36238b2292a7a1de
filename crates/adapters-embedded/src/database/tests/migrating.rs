//! Files that a version before has made.

use domain::model::UserId;
use domain::ports::AccountStore;

use super::*;
use crate::SqliteAccountStore;

/// A row or more in each table of the first version.
const ROWS: &str = "
    INSERT INTO users (email, name, created_at) VALUES ('a@x.in', 'ಉತ್ಸವ', 5), ('b@x.in', NULL, 6);
    INSERT INTO events (name, venue, start_at, capacity, seats_available, version, created_at,
                        updated_at, deleted_at)
    VALUES ('Concert', 'Hall', 4000000000000000, 10, 7, 3, 7, 8, NULL),
           ('Play', NULL, 9, 5, 5, 1, 9, 9, 10);
    INSERT INTO bookings (user_id, event_id, seats, status, created_at, updated_at)
    VALUES (1, 1, 3, 'CONFIRMED', 11, 11), (2, 2, 1, 'CONFIRMED', 12, 13);
    INSERT INTO idempotency_keys (user_id, key, booking_id, event_id, seats, created_at)
    VALUES (1, 'k', 1, 1, 3, 11);
    INSERT INTO event_sales (event_id, confirmed_bookings) VALUES (1, 1);
    UPDATE booking_totals SET confirmed_bookings = 1;
    INSERT INTO deletions_pending (event_id, marked_created_at, marked_id) VALUES (2, 12, 2);";

/// The tables of the first version with their columns.
const TABLES: [&str; 7] = [
    "id, email, name, created_at FROM users",
    "id, name, venue, start_at, capacity, seats_available, version, created_at, updated_at,
     deleted_at FROM events",
    "id, user_id, event_id, seats, status, created_at, updated_at FROM bookings",
    "user_id, key, booking_id, event_id, seats, created_at FROM idempotency_keys",
    "event_id, confirmed_bookings FROM event_sales",
    "slot, confirmed_bookings FROM booking_totals",
    "event_id, marked_created_at, marked_id FROM deletions_pending",
];

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = diesel::sql_types::Text)]
    row: String,
}

/// All that is in the tables of the first version.
fn contents(connection: &mut SqliteConnection) -> QueryResult<Vec<String>> {
    let mut all = Vec::new();
    for table in TABLES {
        let (columns, table) = table.split_once(" FROM ").expect("columns and table");
        let select = format!("SELECT json_array({columns}) AS \"row\" FROM {table} ORDER BY 1");
        let rows: Vec<Row> = diesel::sql_query(select).load(connection)?;
        assert!(!rows.is_empty(), "{table} is empty");
        all.extend(rows.into_iter().map(|row| format!("{table} {}", row.row)));
    }
    Ok(all)
}

/// A file as the first version made it, and what is in it.
fn make_old_file(folder: &TempDir) -> Vec<String> {
    std::fs::create_dir(folder.path().join("data")).expect("made");
    let path = folder.path().join("data/shop.db");
    let recipe = Recipe::writer(path.to_str().expect("UTF-8"), Duration::ZERO);
    let mut session = Session::open(recipe).expect("opened");
    let connection = session.connection();
    connection
        .run_next_migration(MIGRATIONS)
        .expect("the first migration");
    connection.batch_execute(ROWS).expect("filled");
    let later = connection.has_pending_migration(MIGRATIONS).expect("read");
    assert!(later, "the file lacks what came later");
    contents(connection).expect("read")
}

#[test]
fn a_file_of_the_version_before_gets_what_is_new_and_keeps_everything() {
    let folder = folder();
    let before = make_old_file(&folder);
    for _ in 0..2 {
        let database = Database::open(&in_file(&folder)).expect("opened");
        let after = block_on(database.read(contents)).expect("read");
        assert_eq!(after, before);
    }
    let database = Database::open(&in_file(&folder)).expect("opened");
    let accounts = SqliteAccountStore::new(database);
    for id in [1, 2] {
        let user_id = UserId::try_new(id).expect("positive");
        let account = block_on(accounts.find(user_id)).expect("an account");
        assert!(!account.has_password && account.suspended_at.is_none());
    }
}

/// After an update that was taken back.
#[test]
fn a_program_of_the_version_before_goes_on_with_a_newer_file() {
    let folder = folder();
    make_old_file(&folder);
    let database = Database::open(&in_file(&folder)).expect("opened");
    let written = block_on(database.write("by_hand", |connection| {
        connection
            .batch_execute(
                "INSERT INTO users (email, name, created_at) VALUES ('c@x.in', NULL, 7)
                 ON CONFLICT (email) DO NOTHING;
                 UPDATE events SET start_at = start_at + 1, version = version + 1 WHERE id = 1;
                 INSERT INTO bookings (user_id, event_id, seats, created_at, updated_at, status)
                 VALUES (3, 1, 1, 14, 14, 'CONFIRMED');",
            )
            .map_err(crate::error::before_commit)
    }));
    written.expect("written");
    assert_eq!(users(&database), 3);
}
