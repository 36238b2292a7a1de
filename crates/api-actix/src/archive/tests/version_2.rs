//! Archives of the version before.

use domain::model::Record;

use super::{END as NO_EVENTS, USER, is_about_line, read};

const HEADER: &str = r#"{"utsavam_archive":2,"created_at":"2026-11-22T18:00:00.000000Z"}"#;
const EVENT: &str = r#"{"kind":"event","id":7,"name":"Concert","venue":null,"start_at":"2099-01-01T18:00:00.000000Z","capacity":10,"seats_available":10,"version":1,"created_at":"2026-11-22T18:00:00.000000Z","updated_at":"2026-11-22T18:00:00.000000Z","deleted_at":null}"#;

fn archive(header: &str, event: &str) -> String {
    let end = NO_EVENTS.replace(r#""events":0"#, r#""events":1"#);
    [header, USER, event, &end].join("\n")
}

#[test]
fn none_of_its_events_is_paused() {
    let records = read(archive(HEADER, EVENT).as_bytes()).expect("an archive");
    let Record::Event(event) = &records[1] else {
        panic!("no event: {records:?}");
    };
    assert_eq!(event.sales_paused_at, None);
}

#[test]
fn what_it_did_not_have_is_refused_and_what_came_later_must_be_there() {
    let later = EVENT.replace("null}", r#"null,"sales_paused_at":null}"#);
    let refusal = read(archive(HEADER, &later).as_bytes()).expect_err("a member of later");
    assert!(is_about_line(&refusal, 3), "{refusal}");
    let clue = "unknown field `sales_paused_at`";
    assert!(refusal.contains(clue), "{refusal}");

    let header = HEADER.replacen(":2", ":3", 1);
    assert!(read(archive(&header, &later).as_bytes()).is_ok());
    let refusal = read(archive(&header, EVENT).as_bytes()).expect_err("a line of before");
    assert!(is_about_line(&refusal, 3), "{refusal}");
    let clue = "missing field `sales_paused_at`";
    assert!(refusal.contains(clue), "{refusal}");
}
