//! What is refused of users, of keys of services and of the audit log.

use super::{HEADER, USER, is_about_line, read};

const HASH: &str = "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$cGFzc3dvcmRwYXNzd29yZA";
const ERASED: &str = r#"{"kind":"user","id":2,"email":null,"name":null,"password_hash":null,"created_at":"2026-11-22T18:00:00.000000Z","suspended_at":null,"erased_at":"2026-11-23T18:00:00.000000Z"}"#;
const API_KEY: &str = r#"{"kind":"api_key","id":1,"name":"till","scopes":["bookings:read","users:read"],"secret_digest":"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8","created_at":"2026-11-22T18:00:00.000000Z","rotated_at":null,"last_used_at":null,"revoked_at":null}"#;
const AUDIT: &str = r#"{"kind":"audit","id":1,"at":"2026-11-22T18:00:00.000000Z","actor_kind":"service","actor_id":1,"action":"cancel","object_kind":"booking","object_id":3,"refused":null,"request_id":"r"}"#;
const END: &str =
    r#"{"kind":"end","users":2,"events":0,"bookings":0,"keys":0,"api_keys":1,"audit":1}"#;

fn archive() -> String {
    [HEADER, USER, ERASED, API_KEY, AUDIT, END].join("\n")
}

#[test]
fn a_line_that_is_not_understood_is_refused_by_its_number() {
    assert_eq!(
        read(archive().as_bytes()).map(|records| records.len()),
        Ok(4)
    );
    let time = r#""2026-11-22T18:00:00.000000Z""#;
    for (at, from, to, clue) in [
        (
            2,
            r#""password_hash":null,"#,
            "",
            "missing field `password_hash`",
        ),
        (
            2,
            r#""email":"a@b.c""#,
            r#""email":null"#,
            "email must not be null",
        ),
        (
            2,
            r#""password_hash":null"#,
            r#""password_hash":"123""#,
            "PHC format",
        ),
        (
            2,
            r#""password_hash":null"#,
            r#""password_hash":"$argon2id$v=19$m=19456""#,
            "PHC format",
        ),
        (
            2,
            r#""suspended_at":null"#,
            r#""suspended_at":"x""#,
            "suspended_at must be a time",
        ),
        (
            3,
            r#""erased_at":"2026-11-23"#,
            r#""erased_at":"23"#,
            "erased_at must be a time",
        ),
        (
            3,
            r#""email":null"#,
            r#""email":"b@b.c""#,
            "because erased_at is not",
        ),
        (
            3,
            r#""name":null"#,
            r#""name":"Bob""#,
            "because erased_at is not",
        ),
        (
            3,
            r#""password_hash":null"#,
            &format!(r#""password_hash":"{HASH}""#),
            "because erased_at",
        ),
        (
            3,
            r#""suspended_at":null"#,
            &format!(r#""suspended_at":{time}"#),
            "because erased_at",
        ),
        (4, "till", " till", "name must be as it is stored"),
        (
            4,
            r#"["bookings:read","users:read"]"#,
            "[]",
            "scopes must not be empty",
        ),
        (
            4,
            r#""users:read""#,
            r#""users:rule""#,
            "scopes must be one of",
        ),
        (
            4,
            r#""users:read""#,
            r#""bookings:read""#,
            "scopes must be in the order",
        ),
        (
            4,
            r#""users:read""#,
            r#""admin:users""#,
            "scopes must be in the order",
        ),
        (
            4,
            "GBkaGxwdHh8",
            "GBkaGxwdHh",
            "secret_digest must be 32 bytes",
        ),
        (
            4,
            "GBkaGxwdHh8",
            "GBkaGxwdHh9",
            "secret_digest must be 32 bytes",
        ),
        (
            4,
            "GBkaGxwdHh8",
            "GBkaGxwdHh8=",
            "secret_digest must be 32 bytes",
        ),
        (4, r#","revoked_at":null"#, "", "missing field `revoked_at`"),
        (
            4,
            r#""revoked_at":null"#,
            r#""revoked_at":"x""#,
            "revoked_at must be a time",
        ),
        (
            5,
            r#""actor_id":1"#,
            r#""actor_id":null"#,
            "actor_kind and actor_id must be",
        ),
        (
            5,
            r#""service""#,
            r#""admin""#,
            "actor_kind and actor_id must be",
        ),
        (
            5,
            r#""object_id":3"#,
            r#""object_id":null"#,
            "object_kind and object_id must",
        ),
        (5, r#""object_id":3,"#, "", "missing field `object_id`"),
        (5, r#""id":1"#, r#""id":0"#, "id must be a positive integer"),
        (
            5,
            r#""cancel""#,
            r#""can\u0000cel""#,
            "action must have at most 255",
        ),
        (
            5,
            r#""request_id":"r""#,
            r#""request_id":"\n""#,
            "request_id must have at most 255",
        ),
        (6, r#""api_keys":1"#, r#""api_keys":2"#, "there were to be"),
        (6, r#""audit":1"#, r#""audit":0"#, "there were to be"),
    ] {
        let text = archive();
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        let line = lines[at - 1].replace(from, to);
        assert_ne!(line, lines[at - 1], "{from}");
        lines[at - 1] = line;
        let refusal = read(lines.join("\n").as_bytes()).expect_err(to);
        assert!(is_about_line(&refusal, at), "{to}: {refusal}");
        assert!(refusal.contains(clue), "{to}: {refusal}");
    }
}

#[test]
fn a_hash_of_a_password_is_read_and_not_repeated_where_it_is_refused() {
    let with = |hash: &str| {
        let null = r#""password_hash":null"#;
        archive().replacen(null, &format!(r#""password_hash":"{hash}""#), 1)
    };
    assert!(read(with(HASH).as_bytes()).is_ok());
    let refusal = read(with("hunter2hunter2").as_bytes()).expect_err("no hash");
    assert!(!refusal.contains("hunter2"), "{refusal}");
}
