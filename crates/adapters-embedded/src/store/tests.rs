use diesel::prelude::*;
use diesel::query_dsl::LoadQuery;
use diesel::result::{DatabaseErrorKind, Error};
use diesel::sql_types::Text;
use domain::model::{AccountFilter, Actor, AuditFilter, AuditObject, Page, UserId};
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
    let inserted = block_on(database().write("by_hand", move |connection| {
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

const EXPLAIN: &str = "EXPLAIN QUERY PLAN ";

/// How SQLite runs a statement; parameters that are not bound are NULL.
fn plan(statement: &'static str) -> String {
    steps(diesel::sql_query(format!("{EXPLAIN}{statement}")))
}

fn steps(explain: impl for<'q> LoadQuery<'q, SqliteConnection, Step> + Send + 'static) -> String {
    let steps: Vec<Step> = block_on(database().write("by_hand", move |connection| {
        explain.load(connection).map_err(before_commit)
    }))
    .expect("planned");
    steps
        .into_iter()
        .map(|step| step.detail)
        .collect::<Vec<_>>()
        .join("; ")
}

fn assert_walks(statement: &str, plan: &str, walk: &str) {
    assert!(plan.contains(walk), "{statement}: {plan}");
    assert!(!plan.contains("TEMP B-TREE"), "{statement}: {plan}");
    assert!(!plan.contains("SCAN"), "{statement}: {plan}");
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
            api_keys::ListKeys::TEXT,
            "api_keys_newest ((created_at,rowid)<(?,?))",
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
            reconciliation::KeptOfUpcoming::TEXT,
            "events_by_start ((start_at,rowid)>(?,?))",
        ),
        (
            reconciliation::KeptOfAll::TEXT,
            "e USING INTEGER PRIMARY KEY (rowid>?)",
        ),
        (
            reconciliation::KeysBehind::TEXT,
            "k USING PRIMARY KEY ((user_id,key)>(?,?))",
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
        assert_walks(statement, &plan(statement), walk);
    }
}

#[test]
fn every_search_for_accounts_begins_its_walk_where_the_page_begins() {
    for (email, suspended, walk) in [
        (None, None, "users_registered ((created_at,rowid)<(?,?))"),
        (
            None,
            Some(true),
            "users_by_suspension (<expr>=? AND (created_at,rowid)<(?,?))",
        ),
        (
            None,
            Some(false),
            "users_by_suspension (<expr>=? AND (created_at,rowid)<(?,?))",
        ),
        (Some("a@x.in"), None, "sqlite_autoindex_users_1 (email=?)"),
        (
            Some("a@x.in"),
            Some(true),
            "sqlite_autoindex_users_1 (email=?)",
        ),
    ] {
        let filter = AccountFilter {
            email: email.map(str::to_owned),
            suspended,
        };
        let shown = format!("{filter:?}");
        let page = Page::first(PageLimit::MAX);
        let plan = steps(accounts::search(EXPLAIN, filter, page));
        assert!(!plan.contains("TEMP B-TREE"), "{shown}: {plan}");
        assert_walks(&shown, &plan, walk);
    }
}

#[test]
fn every_search_in_the_audit_log_begins_its_walk_where_the_page_begins() {
    let any = AuditFilter::default;
    let by = |actor| AuditFilter {
        actor: Some(actor),
        ..any()
    };
    let action = Some("publish_event".to_owned());
    let object = Some(AuditObject {
        kind: "event".to_owned(),
        id: 7,
    });
    let refused = |refused| AuditFilter {
        refused: Some(refused),
        ..any()
    };
    let newest = "audit_log_newest ((at,rowid)<(?,?))";
    let of_actor = "audit_log_of_actor (actor_kind=? AND actor_id=? AND (at,rowid)<(?,?))";
    let of_object = "audit_log_of_object (object_kind=? AND object_id=? AND (at,rowid)<(?,?))";
    for (filter, walk) in [
        (any(), newest),
        (refused(false), newest),
        (refused(true), "audit_log_refused ((at,rowid)<(?,?))"),
        (by(Actor::Admin), of_actor),
        (
            by(Actor::User(UserId::try_new(7).expect("positive"))),
            of_actor,
        ),
        (
            AuditFilter {
                action: action.clone(),
                ..any()
            },
            "audit_log_of_action (action=? AND (at,rowid)<(?,?))",
        ),
        (
            AuditFilter {
                object: object.clone(),
                ..any()
            },
            of_object,
        ),
        (
            AuditFilter {
                actor: Some(Actor::System),
                action,
                object,
                refused: Some(true),
            },
            "audit_log_of_",
        ),
    ] {
        let shown = format!("{filter:?}");
        let page = Page::first(PageLimit::MAX);
        let plan = steps(audit::select(EXPLAIN, filter, page));
        assert_walks(&shown, &plan, walk);
    }
}

/// Each of them is in the way of every request, or of every login.
#[test]
fn every_secret_is_found_by_its_digest() {
    for (statement, search) in [
        (
            sessions::FindByAccess::TEXT,
            "sqlite_autoindex_sessions_1 (access=?)",
        ),
        (
            sessions::FindByRefresh::TEXT,
            "sqlite_autoindex_sessions_2 (refresh=?)",
        ),
        (sessions::FindSpent::TEXT, "PRIMARY KEY (refresh=?)"),
        (
            accounts::FindPasswordToken::TEXT,
            "sqlite_autoindex_password_tokens_1 (token=?)",
        ),
        (
            api_keys::FindKeyBySecret::TEXT,
            "sqlite_autoindex_api_keys_1 (secret=?)",
        ),
    ] {
        assert_walks(statement, &plan(statement), search);
    }
}

#[test]
fn what_is_over_is_found_without_looking_at_what_is_not() {
    for (statement, walk) in [
        (
            sessions::ForgetSessions::TEXT,
            "sessions_over (refresh_until<?)",
        ),
        (
            sessions::ForgetSpent::TEXT,
            "spent_refresh_secrets_over (refresh_until<?)",
        ),
        (
            sessions::ForgetTokens::TEXT,
            "password_tokens_over (good_until<?)",
        ),
        (sessions::EndSurplus::TEXT, "sessions_of_user (user_id=?)"),
        (sessions::EndSessions::TEXT, "sessions_of_user (user_id=?)"),
    ] {
        assert_walks(statement, &plan(statement), walk);
    }
    let plan = plan(accounts::erasing::BookingsOfErased::TEXT);
    let walk = "SCAN p; SEARCH b USING INDEX bookings_of_user (user_id=?); \
                SEARCH e USING INTEGER PRIMARY KEY (rowid=?)";
    assert_eq!(plan, walk);
}
