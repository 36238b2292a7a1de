use diesel::prelude::*;
use diesel::result::{DatabaseErrorKind, Error};
use diesel::sql_types::Text;
use futures::executor::block_on;

use super::*;
use crate::error::before_commit;
use crate::{Database, SqliteLocation, SqliteSettings};

fn database() -> Database {
    Database::open(&SqliteSettings::new(SqliteLocation::Memory)).expect("opened")
}

#[test]
fn a_booking_that_breaks_a_foreign_key_is_refused() {
    let row = bookings::BookingRow {
        id: 1,
        user_id: 1,
        event_id: 1,
        seats: 1,
        created_at: 0,
    };
    let inserted = block_on(database().write(move |connection| {
        let insert = bookings::InsertBookings::<1>::try_new(std::slice::from_ref(&row))?;
        Ok::<_, domain::ports::StoreError>(insert.execute(connection))
    }))
    .expect("committed");
    assert!(
        matches!(
            inserted,
            Err(Error::DatabaseError(
                DatabaseErrorKind::ForeignKeyViolation,
                _
            ))
        ),
        "{inserted:?}"
    );
}

#[derive(QueryableByName, Debug)]
struct Step {
    #[diesel(sql_type = Text)]
    detail: String,
}

/// How SQLite runs a statement; parameters that are not bound are NULL.
fn plan(statement: &'static str) -> String {
    let steps: Vec<Step> = block_on(database().write(move |connection| {
        diesel::sql_query(format!("EXPLAIN QUERY PLAN {statement}"))
            .load(connection)
            .map_err(before_commit)
    }))
    .expect("planned");
    steps
        .into_iter()
        .map(|step| step.detail)
        .collect::<Vec<_>>()
        .join("; ")
}

/// The time alone would not do: thousands of events may begin at one instant or
/// have sold nothing yet, and each page would pass all those before it.
#[test]
fn every_list_begins_its_walk_where_the_page_begins() {
    for (statement, walk) in [
        (
            users::ListUsers::TEXT,
            "users_registered ((created_at,rowid)<(?,?))",
        ),
        (
            events::ListEvents::TEXT,
            "events_by_start ((start_at,rowid)>(?,?))",
        ),
        (
            events::ListSeats::TEXT,
            "events_by_start ((start_at,rowid)>(?,?))",
        ),
        (
            booking_records::BookingsOfUser::TEXT,
            "bookings_of_user (user_id=? AND (created_at,rowid)<(?,?))",
        ),
        (
            booking_records::BookingsOfEvent::TEXT,
            "bookings_of_event (event_id=? AND (created_at,rowid)<(?,?))",
        ),
        (
            maintenance::BookingsBehind::TEXT,
            "bookings_of_event (event_id=? AND (created_at,rowid)<(?,?))",
        ),
        (
            sales::TopEvents::TEXT,
            "event_sales_top ((confirmed_bookings,rowid)<(?,?))",
        ),
        (
            maintenance::ForgetKeys::TEXT,
            "idempotency_keys_oldest (created_at<?)",
        ),
    ] {
        let plan = plan(statement);
        assert!(plan.contains(walk), "{statement}: {plan}");
        assert!(!plan.contains("TEMP B-TREE"), "{statement}: {plan}");
        assert!(!plan.contains("SCAN"), "{statement}: {plan}");
    }
}
