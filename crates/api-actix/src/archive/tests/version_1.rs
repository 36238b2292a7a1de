//! Archives of the first version.

use domain::model::{Email, Record, User, UserId, UserRecord};

use super::{USER as LATER_USER, is_about_line, micros, read};

const HEADER: &str = r#"{"utsavam_archive":1,"created_at":"2026-11-22T18:00:00.000000Z"}"#;
const USER: &str = r#"{"kind":"user","id":1,"email":"a@b.c","name":null,"created_at":"1970-01-01T00:00:00.000007Z"}"#;
const EVENT: &str = r#"{"kind":"event","id":7,"name":"Concert","venue":null,"start_at":"2099-01-01T18:00:00.000000Z","capacity":10,"seats_available":8,"version":1,"created_at":"2026-11-22T18:00:00.000000Z","updated_at":"2026-11-22T18:00:00.000000Z","deleted_at":null}"#;
const BOOKING: &str = r#"{"kind":"booking","id":3,"user_id":1,"event_id":7,"seats":2,"status":"CONFIRMED","created_at":"2026-11-22T18:00:00.000000Z","updated_at":"2026-11-22T18:00:00.000000Z"}"#;
const KEY: &str = r#"{"kind":"key","user_id":1,"key":"k","booking_id":3,"event_id":7,"seats":2,"created_at":"2026-11-22T18:00:00.000000Z"}"#;
const END: &str = r#"{"kind":"end","users":1,"events":1,"bookings":1,"keys":1}"#;

fn archive(user: &str) -> String {
    [HEADER, user, EVENT, BOOKING, KEY, END].join("\n")
}

#[test]
fn its_users_have_no_password_and_are_neither_suspended_nor_erased() {
    let records = read(archive(USER).as_bytes()).expect("an archive");
    assert_eq!(records.len(), 4);
    let user = User {
        id: UserId::try_new(1).expect("positive"),
        email: Email::parse("a@b.c").expect("an address"),
        name: None,
        created_at: micros(7),
    };
    assert_eq!(
        records[0],
        Record::User(UserRecord::Registered {
            user,
            password: None,
            suspended_at: None,
        })
    );
}

#[test]
fn what_it_did_not_have_is_refused() {
    let refusal = read(archive(LATER_USER).as_bytes()).expect_err("members of later");
    assert!(is_about_line(&refusal, 2), "{refusal}");
    assert!(
        refusal.contains("unknown field `password_hash`"),
        "{refusal}"
    );

    let text = archive(USER).replace(r#""keys":1"#, r#""keys":1,"api_keys":0,"audit":0"#);
    let refusal = read(text.as_bytes()).expect_err("members of later");
    assert!(is_about_line(&refusal, 6), "{refusal}");

    let text = archive(USER).replace(r#"{"kind":"key""#, r#"{"kind":"audit""#);
    let refusal = read(text.as_bytes()).expect_err("a kind of later");
    assert!(is_about_line(&refusal, 5), "{refusal}");
    assert!(refusal.contains("unknown variant `audit`"), "{refusal}");

    let later = archive(USER).replacen(":1", ":2", 1);
    let refusal = read(later.as_bytes()).expect_err("lines of the version before");
    assert!(is_about_line(&refusal, 2), "{refusal}");
}
