//! The audit log: what is added, how it is found, and that it stays.

use domain::model::{
    Actor, ApiKeyId, AuditEntry, AuditFilter, AuditObject, AuditRecord, Listing, Page, PageLimit,
    Timeline, UserId,
};

use crate::AccountsBench;
use crate::paging::{assert_every_page_size, walk};
use crate::parallel::{parallel, patiently};
use crate::values::{first_place, last_place, limit, odd_texts};

fn user(id: i64) -> Actor {
    Actor::User(UserId::try_new(id).expect("positive"))
}

fn service(id: i64) -> Actor {
    Actor::Service(ApiKeyId::try_new(id).expect("positive"))
}

fn object(kind: &str, id: i64) -> Option<AuditObject> {
    let kind = kind.to_owned();
    Some(AuditObject { kind, id })
}

/// An entry of which only the request is its own.
fn entry(request_id: &str) -> AuditEntry {
    AuditEntry {
        actor: Actor::Admin,
        action: "publish_event".to_owned(),
        object: object("event", 1),
        refused: None,
        request_id: request_id.to_owned(),
    }
}

/// Entries that differ in everything by which they can be looked for.
fn all_kinds() -> Vec<AuditEntry> {
    let actors = [
        Actor::Anonymous,
        user(1),
        user(2),
        user(i64::MAX),
        service(1),
        Actor::Admin,
        Actor::System,
    ];
    let objects = [
        None,
        object("event", 1),
        object("event", 2),
        object("user", 1),
        object("api_key", i64::MAX),
    ];
    let mut entries = Vec::new();
    for (number, actor) in actors.into_iter().enumerate() {
        for (turn, object) in objects.iter().enumerate() {
            let action = ["book", "book_", "erase_user"][(number + turn) % 3];
            let refused = ["not_found", "forbidden"].get((number + 2 * turn) % 4);
            entries.push(AuditEntry {
                actor,
                action: action.to_owned(),
                object: object.clone(),
                refused: refused.map(|code| (*code).to_owned()),
                request_id: format!("request {number} {turn}"),
            });
        }
    }
    entries
}

async fn append(bench: &AccountsBench, entries: Vec<AuditEntry>) {
    let appended = patiently(|| bench.audit().append(entries.clone())).await;
    appended.expect("appended");
}

async fn page(
    bench: &AccountsBench,
    filter: &AuditFilter,
    page: Page<Timeline>,
) -> Listing<AuditRecord> {
    let listing = bench.audit().list(filter.clone(), page).await;
    listing.expect("the log")
}

/// The records that fit, as they come.
async fn find(bench: &AccountsBench, filter: &AuditFilter) -> Vec<AuditRecord> {
    walk(PageLimit::MAX, |wanted| page(bench, filter, wanted)).await
}

async fn all(bench: &AccountsBench) -> Vec<AuditRecord> {
    find(bench, &AuditFilter::default()).await
}

fn entries(records: &[AuditRecord]) -> Vec<AuditEntry> {
    records.iter().map(|record| record.entry.clone()).collect()
}

pub async fn an_entry_reads_back_as_added(bench: AccountsBench) {
    assert_eq!(all(&bench).await, []);
    for added in all_kinds() {
        append(&bench, vec![added.clone()]).await;
        assert_eq!(all(&bench).await[0].entry, added);
    }
}

pub async fn entries_are_dated_by_the_stores_clock(bench: AccountsBench) {
    let before = bench.clock().await;
    append(&bench, vec![entry("one"), entry("two")]).await;
    let after = bench.clock().await;
    for record in all(&bench).await {
        assert!((before..=after).contains(&record.at));
    }
}

pub async fn texts_of_every_script_are_logged(bench: AccountsBench) {
    // Ids of requests have 128 characters at most.
    let texts = odd_texts().into_iter();
    for text in texts.filter(|text| text.chars().count() <= 128) {
        append(&bench, vec![entry(&text)]).await;
        assert_eq!(all(&bench).await[0].entry, entry(&text));
    }
}

pub async fn entries_are_listed_newest_first_also_those_added_together(bench: AccountsBench) {
    let mut added = Vec::new();
    for together in [1, 4, 1, 1, 3] {
        let some: Vec<_> = (0..together)
            .map(|number| entry(&format!("{together} {number}")))
            .collect();
        append(&bench, some.clone()).await;
        added.extend(some);
    }
    added.reverse();
    let records = all(&bench).await;
    assert_eq!(entries(&records), added);
    assert!(
        records
            .windows(2)
            .all(|two| (two[0].at, two[0].id) > (two[1].at, two[1].id)),
        "by falling time and id"
    );
    let everything = AuditFilter::default();
    assert_every_page_size(&records, |wanted| page(&bench, &everything, wanted)).await;
}

pub async fn a_thousand_entries_are_added_together(bench: AccountsBench) {
    let mut added: Vec<_> = (0..1000).map(|number| entry(&number.to_string())).collect();
    append(&bench, added.clone()).await;
    added.reverse();
    assert_eq!(entries(&all(&bench).await), added);
}

pub async fn no_entries_are_nothing(bench: AccountsBench) {
    append(&bench, vec![]).await;
    assert_eq!(all(&bench).await, []);
}

/// Looks for entries and fails unless those that fit are found, in their
/// order, on pages of every size.
async fn assert_found(
    bench: &AccountsBench,
    records: &[AuditRecord],
    filter: AuditFilter,
    fits: impl Fn(&AuditEntry) -> bool,
) {
    let mut expected = records.to_vec();
    expected.retain(|record| fits(&record.entry));
    assert_eq!(find(bench, &filter).await, expected, "{filter:?}");
    assert_every_page_size(&expected, |wanted| page(bench, &filter, wanted)).await;
}

pub async fn entries_are_found_by_whatever_is_named(bench: AccountsBench) {
    append(&bench, all_kinds()).await;
    let records = all(&bench).await;
    for actor in [
        Actor::Anonymous,
        user(1),
        user(3),
        service(1),
        service(2),
        Actor::Admin,
        Actor::System,
    ] {
        let filter = AuditFilter {
            actor: Some(actor),
            ..AuditFilter::default()
        };
        assert_found(&bench, &records, filter, |entry| entry.actor == actor).await;
    }
    for action in ["book", "book_", "Book", "boo", "%", ""] {
        let filter = AuditFilter {
            action: Some(action.to_owned()),
            ..AuditFilter::default()
        };
        assert_found(&bench, &records, filter, |entry| entry.action == action).await;
    }
    for wanted in [
        object("event", 1),
        object("user", 1),
        object("user", 2),
        object("api_key", i64::MAX),
        object("", 1),
    ] {
        let filter = AuditFilter {
            object: wanted.clone(),
            ..AuditFilter::default()
        };
        assert_found(&bench, &records, filter, |entry| entry.object == wanted).await;
    }
    for refused in [true, false] {
        let filter = AuditFilter {
            refused: Some(refused),
            ..AuditFilter::default()
        };
        assert_found(&bench, &records, filter, |entry| {
            entry.refused.is_some() == refused
        })
        .await;
    }
}

pub async fn everything_that_is_named_must_fit(bench: AccountsBench) {
    append(&bench, all_kinds()).await;
    let records = all(&bench).await;
    for actor in [user(1), service(1), Actor::Admin] {
        for wanted in [object("event", 1), object("user", 1)] {
            for refused in [true, false] {
                for action in ["book", "erase_user"] {
                    let filter = AuditFilter {
                        actor: Some(actor),
                        action: Some(action.to_owned()),
                        object: wanted.clone(),
                        refused: Some(refused),
                    };
                    assert_found(&bench, &records, filter, |entry| {
                        entry.actor == actor
                            && entry.action == action
                            && entry.object == wanted
                            && entry.refused.is_some() == refused
                    })
                    .await;
                }
            }
        }
    }
}

pub async fn a_walk_through_the_log_is_not_disturbed_by_new_entries(bench: AccountsBench) {
    append(&bench, (0..5).map(|n| entry(&n.to_string())).collect()).await;
    let everything = AuditFilter::default();
    let records = all(&bench).await;
    let first = page(&bench, &everything, Page::first(limit(2))).await;
    assert_eq!(first.entries, records[..2]);
    append(&bench, vec![entry("new"), entry("newer")]).await;
    let rest = Page {
        limit: limit(3),
        after: first.next,
    };
    let rest = page(&bench, &everything, rest).await;
    assert_eq!((rest.entries.as_slice(), rest.next), (&records[2..], None));
}

pub async fn any_place_in_the_log_is_accepted(bench: AccountsBench) {
    for number in 0..3 {
        append(&bench, vec![entry(&number.to_string())]).await;
    }
    let records = all(&bench).await;
    let beside = |number: usize, id| Timeline {
        at: records[number].at,
        id,
    };
    for (after, expected) in [
        (last_place(), &records[..]),
        (first_place(), &[]),
        (beside(0, i64::MIN), &records[1..]),
        (beside(1, i64::MAX), &records[1..]),
    ] {
        let wanted = Page {
            limit: limit(100),
            after: Some(after),
        };
        let got = page(&bench, &AuditFilter::default(), wanted).await;
        assert_eq!(
            (got.entries.as_slice(), got.next),
            (expected, None),
            "{after:?}"
        );
    }
}

pub async fn parallel_entries_are_all_kept_and_each_callers_in_order(bench: AccountsBench) {
    parallel(12, |number| {
        let bench = bench.clone();
        async move {
            for turn in 0..4 {
                let some = [0, 1].map(|part| entry(&format!("{number} {turn} {part}")));
                append(&bench, some.to_vec()).await;
            }
        }
    })
    .await;
    let mut records = entries(&all(&bench).await);
    assert_eq!(records.len(), 12 * 8);
    records.reverse();
    for number in 0..12 {
        let own = format!("{number} ");
        let requests = records.iter().map(|record| &record.request_id);
        let requests: Vec<_> = requests.filter(|id| id.starts_with(&own)).collect();
        let mut sorted = requests.clone();
        sorted.sort();
        assert_eq!(requests.len(), 8);
        assert_eq!(requests, sorted);
    }
}

pub async fn entries_outlive_what_they_name(bench: AccountsBench) {
    let alice = bench.user().await;
    let event = bench.event(1).await;
    let of_alice = AuditEntry {
        actor: Actor::User(alice),
        object: object("event", event.get()),
        ..entry("of alice")
    };
    let about_alice = AuditEntry {
        object: object("user", alice.get()),
        ..entry("about alice")
    };
    append(&bench, vec![of_alice, about_alice]).await;
    let records = all(&bench).await;
    bench.delete(event).await;
    bench.erase(alice).await;
    assert_eq!(all(&bench).await, records);
    let filter = AuditFilter {
        actor: Some(Actor::User(alice)),
        ..AuditFilter::default()
    };
    assert_eq!(find(&bench, &filter).await, records[1..]);
}

pub async fn nobody_changes_or_removes_an_entry(bench: AccountsBench) {
    append(&bench, vec![entry("one"), entry("two")]).await;
    let records = all(&bench).await;
    assert!(
        bench.backend().tamper_with_audit().await,
        "the store refuses both"
    );
    assert_eq!(all(&bench).await, records);
    append(&bench, vec![entry("three")]).await;
    assert_eq!(all(&bench).await[1..], records);
}
