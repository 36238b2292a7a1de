mod accounts;
mod records;
mod version_1;
mod version_2;

use chrono::DateTime;
use domain::model::{Email, Record, User, UserId, UserRecord};
use proptest::prelude::*;

use super::*;
use records::{micros, records};

fn written(records: &[Record]) -> String {
    let mut writer = ArchiveWriter::begin(Vec::new(), micros(0)).expect("memory takes it");
    for record in records {
        writer.write(record).expect("memory takes it");
    }
    String::from_utf8(writer.finish().expect("memory takes it")).expect("UTF-8")
}

/// The records, or what is said of the text.
fn read(text: &[u8]) -> Result<Vec<Record>, String> {
    let reader = ArchiveReader::open(text).map_err(|error| error.to_string())?;
    reader
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| error.to_string())
}

fn is_about_line(refusal: &str, line: usize) -> bool {
    refusal.starts_with(&format!("line {line}: "))
}

proptest! {
    #[test]
    fn whatever_is_written_is_read_again(records in records()) {
        let text = written(&records);
        prop_assert_eq!(text.lines().count(), records.len() + 2);
        prop_assert_eq!(read(text.as_bytes()), Ok(records));
    }

    #[test]
    fn whatever_is_cut_off_is_refused(records in records(), cut in any::<proptest::sample::Index>()) {
        let text = written(&records);
        // The last line may lack its end.
        let kept = &text.as_bytes()[..cut.index(text.len() - 1)];
        let refusal = read(kept).expect_err("incomplete");
        let lines = String::from_utf8_lossy(kept).lines().count();
        // A line may be whole but for its end.
        let incomplete = refusal.contains(&format!("ends behind line {lines} "));
        let not_one = lines <= 1 && refusal.starts_with("this is not an archive");
        prop_assert!(incomplete || not_one || is_about_line(&refusal, lines), "{}", refusal);
    }

    #[test]
    fn two_lines_that_change_places_are_refused(
        records in records(), at in any::<proptest::sample::Index>(),
    ) {
        prop_assume!(records.len() >= 2);
        let text = written(&records);
        let mut lines: Vec<&str> = text.lines().collect();
        let first = 1 + at.index(records.len() - 1);
        lines.swap(first, first + 1);
        let refusal = read(lines.join("\n").as_bytes()).expect_err("out of order");
        prop_assert!(is_about_line(&refusal, first + 2), "{}", refusal);
        prop_assert!(refusal.contains("out of order"), "{}", refusal);
    }

    #[test]
    fn a_line_that_is_missing_is_missed_at_the_end(
        records in records(), at in any::<proptest::sample::Index>(),
    ) {
        prop_assume!(!records.is_empty());
        let text = written(&records);
        let mut lines: Vec<&str> = text.lines().collect();
        lines.remove(1 + at.index(records.len()));
        let refusal = read(lines.join("\n").as_bytes()).expect_err("one is missing");
        prop_assert!(is_about_line(&refusal, lines.len()), "{}", refusal);
        prop_assert!(refusal.contains("there were to be"), "{}", refusal);
    }

    #[test]
    fn no_bytes_make_it_panic(
        records in records(), at in any::<proptest::sample::Index>(), byte in any::<u8>(),
    ) {
        let mut text = written(&records).into_bytes();
        let at = at.index(text.len());
        text[at] = byte;
        let line = 1 + text[..at].iter().filter(|byte| **byte == b'\n').count();
        if let Err(refusal) = read(&text) && line > 1 && byte != b'\n' {
            // A changed id may only show at the next line, a cut kind at the end.
            let about: Option<usize> = refusal
                .strip_prefix("line ")
                .and_then(|rest| rest.split(':').next())
                .and_then(|number| number.parse().ok());
            prop_assert!(about.is_none_or(|about| about >= line), "{}: {}", line, refusal);
        }
    }
}

const HEADER: &str = r#"{"utsavam_archive":3,"created_at":"2026-11-22T18:00:00.000000Z"}"#;
const USER: &str = r#"{"kind":"user","id":1,"email":"a@b.c","name":null,"password_hash":null,"created_at":"2026-11-22T18:00:00.000000Z","suspended_at":null,"erased_at":null}"#;
const END: &str =
    r#"{"kind":"end","users":1,"events":0,"bookings":0,"keys":0,"api_keys":0,"audit":0}"#;

#[test]
fn the_lines_of_the_documentation_are_an_archive() {
    let page = include_str!("../../../../docs/archive-format.md");
    let lines: Vec<&str> = page
        .lines()
        .filter_map(|line| line.strip_prefix("    "))
        .filter(|line| line.starts_with('{'))
        .collect();
    assert_eq!(lines.len(), 9, "{lines:?}");
    let archive = format!("{}\n", lines.join("\n"));
    let records = read(archive.as_bytes()).expect("documented");
    let (_, behind_header) = archive.split_once('\n').expect("a header");
    assert!(written(&records).ends_with(behind_header));
}

#[test]
fn the_order_of_members_and_the_ends_of_lines_do_not_matter() {
    let text = format!("{HEADER}\n{USER}\n{END}\n");
    let records = read(text.as_bytes());
    let name = r#""name":null,"#;
    let first = format!("{{{name} \"kind\":\"user\",");
    let other = text.replace(name, "").replace(r#"{"kind":"user","#, &first);
    assert_ne!(other, text);
    assert_eq!(read(other.as_bytes()), records);
    // As a file that went through Windows, or through an editor.
    assert_eq!(read(text.replace('\n', "\r\n").as_bytes()), records);
    assert_eq!(read(text.trim_end().as_bytes()), records);
    assert_eq!(records.map(|records| records.len()), Ok(1));
}

#[test]
fn what_does_not_begin_like_an_archive_is_not_one() {
    for (text, clue) in [
        ("", "it is empty"),
        ("\n", "this is not an archive"),
        ("id,email\n", "this is not an archive"),
        (USER, "missing field `utsavam_archive`"),
        ("{\"utsavam_archive\":4,\"sealed\":true}\n", "version 4"),
        ("{\"utsavam_archive\":0}\n", "version 0"),
        (
            "{\"utsavam_archive\":3}\n",
            "line 1: missing field `created_at`",
        ),
        (
            "{\"utsavam_archive\":3,\"created_at\":\"today\"}\n",
            "line 1: created_at must be a time",
        ),
        (
            "{\"utsavam_archive\":3,\"created_at\":\"2026-11-22T18:00:00.000000Z\",\"x\":1}",
            "line 1: unknown field `x`",
        ),
    ] {
        let refusal = read(text.as_bytes()).expect_err("not one");
        assert!(refusal.contains(clue), "{text:?}: {refusal}");
    }
}

#[test]
fn a_line_that_is_not_understood_is_refused_by_its_number() {
    let long = USER.replace("null", &format!("\"{}\"", "x".repeat(20_000)));
    for (from, to, clue) in [
        (r#""id":1"#, r#""id":1,"age":7"#, "unknown field `age`"),
        (r#""id":1"#, r#""id":1,"id":2"#, "duplicate field `id`"),
        (r#""id":1"#, r#""id":1.0"#, "floating point"),
        (r#""id":1"#, r#""id":"1""#, "string"),
        (r#""id":1"#, r#""id":0"#, "id must be a positive integer"),
        (
            r#""id":1"#,
            r#""id":9223372036854775808"#,
            "9223372036854775808",
        ),
        (r#""id":1,"#, "", "missing field `id`"),
        (r#""name":null,"#, "", "missing field `name`"),
        (
            r#""name":null"#,
            r#""name":" x ""#,
            "name must be as it is stored: \"x\"",
        ),
        (
            r#""name":null"#,
            r#""name":"a\u0000b""#,
            "name must not contain control",
        ),
        (
            r#"a@b.c"#,
            "A@b.c",
            "email must be as it is stored: \"a@b.c\"",
        ),
        (r#"a@b.c"#, "a", "email must be an e-mail address"),
        (r#"user"#, "ticket", "unknown variant `ticket`"),
        (r#""kind":"user","#, "", "missing field `kind`"),
        (r#"00.000000Z"#, "00Z", "created_at must be a time"),
        (r#"00.000000Z"#, "00.0000001Z", "created_at must be a time"),
        (
            r#"00.000000Z"#,
            "00.000000+00:00",
            "created_at must be a time",
        ),
        (r#"00.000000Z"#, "60.000000Z", "created_at must be a time"),
        (r#"2026"#, "+12026", "created_at must be a time"),
        (USER, "", "not a JSON object"),
        (
            USER,
            "[\"user\",1,\"a@b.c\",null,\"2026-11-22T18:00:00.000000Z\"]",
            "not a JSON object",
        ),
        (USER, "{} {}", "missing field `kind`"),
        (USER, &long, "longer than 16384 bytes"),
        ("}", "} x", "trailing characters"),
        (USER, END, "there were to be 1 users"),
        (USER, &format!("{USER}\n{USER}"), "out of order"),
    ] {
        let line = USER.replace(from, to);
        let text = format!("{HEADER}\n{line}\n{END}\n");
        let refusal = read(text.as_bytes()).expect_err(&line);
        let at = 1 + line.lines().count().max(1);
        assert!(is_about_line(&refusal, at), "{line}: {refusal}");
        assert!(refusal.contains(clue), "{line}: {refusal}");
    }
    let text = format!("{HEADER}\n{USER}\n{END}\n\n");
    let refusal = read(text.as_bytes()).expect_err("an empty line behind the end");
    assert!(is_about_line(&refusal, 4), "{refusal}");
}

#[test]
fn a_time_beyond_the_calendar_of_the_format_is_not_written() {
    let mut writer = ArchiveWriter::begin(Vec::new(), micros(0)).expect("memory takes it");
    let user = Record::User(UserRecord::Registered {
        user: User {
            id: UserId::try_new(1).expect("positive"),
            email: Email::parse("a@b.c").expect("an address"),
            name: None,
            created_at: DateTime::<chrono::Utc>::MAX_UTC,
        },
        password: None,
        suspended_at: None,
    });
    let refusal = writer.write(&user).expect_err("the year 262142");
    assert!(refusal.to_string().contains("0 to 9999"), "{refusal}");
}
