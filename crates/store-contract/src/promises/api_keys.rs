//! Keys of services: making, listing, rotating and revoking them.

use domain::model::{
    ApiKey, ApiKeyId, ApiKeyName, Listing, NewApiKey, Page, PageLimit, Scope, Scopes, SecretDigest,
    Timeline,
};
use domain::ports::ApiKeyError;

use crate::AccountsBench;
use crate::compare::assert_matches;
use crate::paging::{assert_every_page_size, walk};
use crate::values::{first_place, last_place, limit, odd_texts};

fn no_key() -> ApiKeyId {
    ApiKeyId::try_new(i64::MAX).expect("positive")
}

fn new_key(bench: &AccountsBench, name: &str, scopes: &[Scope]) -> NewApiKey {
    NewApiKey {
        name: ApiKeyName::parse(name).expect("a name"),
        scopes: Scopes::try_new(scopes.to_vec()).expect("scopes"),
        secret: bench.secret(),
    }
}

/// Makes a key and gives it with its secret.
async fn make(bench: &AccountsBench) -> (ApiKey, SecretDigest) {
    let key = new_key(bench, "Box office", &[Scope::BookingsWrite]);
    let secret = key.secret;
    (bench.api_keys().create(key).await.expect("a key"), secret)
}

async fn find(bench: &AccountsBench, secret: SecretDigest) -> Option<ApiKey> {
    bench.api_keys().find(secret).await.expect("an answer")
}

async fn page(bench: &AccountsBench, page: Page<Timeline>) -> Listing<ApiKey> {
    bench.api_keys().list(page).await.expect("the keys")
}

/// All keys, in the order that a list must have.
async fn all(bench: &AccountsBench) -> Vec<ApiKey> {
    let mut keys = walk(PageLimit::MAX, |wanted| page(bench, wanted)).await;
    keys.sort_by_key(|key| std::cmp::Reverse((key.created_at, key.id)));
    keys
}

/// So many keys, every third of them revoked.
async fn some_keys(bench: &AccountsBench, count: usize) -> Vec<ApiKey> {
    for number in 0..count {
        let (key, _) = make(bench).await;
        if number % 3 == 1 {
            bench.api_keys().revoke(key.id).await.expect("revoked");
        }
    }
    let keys = all(bench).await;
    assert_eq!(keys.len(), count);
    keys
}

pub async fn a_key_reads_back_as_made(bench: AccountsBench) {
    let some = [Scope::EventsRead, Scope::BookingsRead];
    for (number, name) in odd_texts().iter().enumerate() {
        let scopes = if number == 0 { Scope::ALL } else { &some };
        let before = bench.clock().await;
        let key = new_key(&bench, name, scopes);
        let made = bench.api_keys().create(key.clone()).await.expect("a key");
        let after = bench.clock().await;
        assert_eq!((&made.name, &made.scopes), (&key.name, &key.scopes));
        assert!((before..=after).contains(&made.created_at));
        assert_eq!(
            (made.rotated_at, made.last_used_at, made.revoked_at),
            (None, None, None)
        );
        assert_eq!(find(&bench, key.secret).await.as_ref(), Some(&made));
        assert_eq!(all(&bench).await[0], made);
    }
}

pub async fn keys_may_have_the_same_name_and_each_its_own_secret(bench: AccountsBench) {
    let ((one, its), (other, others)) = (make(&bench).await, make(&bench).await);
    assert_ne!(one.id, other.id);
    assert_eq!(find(&bench, its).await, Some(one));
    assert_eq!(find(&bench, others).await, Some(other));
    assert_eq!(find(&bench, bench.secret()).await, None);
}

pub async fn keys_are_listed_newest_first_revoked_ones_too(bench: AccountsBench) {
    assert_eq!(all(&bench).await, []);
    let keys = some_keys(&bench, 7).await;
    assert_every_page_size(&keys, |wanted| page(&bench, wanted)).await;
}

pub async fn keys_of_the_same_time_are_listed_by_falling_id(bench: AccountsBench) {
    some_keys(&bench, 7).await;
    bench.backend().level_key_times().await;
    let keys = all(&bench).await;
    assert!(
        keys.windows(2)
            .all(|two| two[0].created_at == two[1].created_at)
    );
    assert_every_page_size(&keys, |wanted| page(&bench, wanted)).await;
}

pub async fn a_walk_through_the_keys_is_not_disturbed_by_changes(bench: AccountsBench) {
    let keys = some_keys(&bench, 5).await;
    let first = page(&bench, Page::first(limit(2))).await;
    assert_eq!(first.entries, keys[..2]);
    let (new, _) = make(&bench).await;
    for key_id in [new.id, keys[0].id, keys[1].id] {
        bench.api_keys().revoke(key_id).await.expect("revoked");
    }
    let rest = Page {
        limit: limit(3),
        after: first.next,
    };
    let rest = page(&bench, rest).await;
    assert_eq!((rest.entries.as_slice(), rest.next), (&keys[2..], None));
}

pub async fn any_place_in_the_list_of_keys_is_accepted(bench: AccountsBench) {
    let keys = some_keys(&bench, 3).await;
    let beside = |number: usize, id| Timeline {
        at: keys[number].created_at,
        id,
    };
    for (after, expected) in [
        (last_place(), &keys[..]),
        (first_place(), &[]),
        (beside(0, i64::MIN), &keys[1..]),
        (beside(1, i64::MAX), &keys[1..]),
    ] {
        let wanted = Page {
            limit: limit(100),
            after: Some(after),
        };
        let got = page(&bench, wanted).await;
        assert_eq!(
            (got.entries.as_slice(), got.next),
            (expected, None),
            "{after:?}"
        );
    }
}

pub async fn a_rotation_replaces_the_secret_and_nothing_else(bench: AccountsBench) {
    let ((made, mut secret), (other, others)) = (make(&bench).await, make(&bench).await);
    bench
        .api_keys()
        .record_use(vec![made.id])
        .await
        .expect("recorded");
    let used_at = all(&bench).await[1].last_used_at;
    assert!(used_at.is_some());
    for _ in 0..2 {
        let next = bench.secret();
        let before = bench.clock().await;
        let rotated = bench.api_keys().rotate(made.id, next).await;
        let rotated = rotated.expect("rotated");
        let after = bench.clock().await;
        let at = rotated.rotated_at.expect("a time");
        assert!((before..=after).contains(&at), "by the store's clock");
        let expected = ApiKey {
            rotated_at: Some(at),
            last_used_at: used_at,
            ..made.clone()
        };
        assert_eq!(rotated, expected);
        assert_eq!(find(&bench, secret).await, None, "the one before");
        assert_eq!(find(&bench, next).await.as_ref(), Some(&rotated));
        assert_eq!(all(&bench).await, [other.clone(), rotated]);
        secret = next;
    }
    assert_eq!(find(&bench, others).await, Some(other));
}

pub async fn a_revoked_key_is_not_good_and_still_listed(bench: AccountsBench) {
    let ((made, secret), (other, others)) = (make(&bench).await, make(&bench).await);
    let before = bench.clock().await;
    bench.api_keys().revoke(made.id).await.expect("revoked");
    let after = bench.clock().await;
    let listed = all(&bench).await;
    let at = listed[1].revoked_at.expect("a time");
    assert!((before..=after).contains(&at), "by the store's clock");
    let expected = ApiKey {
        revoked_at: Some(at),
        ..made.clone()
    };
    assert_eq!(listed, [other.clone(), expected]);
    for _ in 0..2 {
        assert_eq!(find(&bench, secret).await, None);
        let again = bench.api_keys().revoke(made.id).await;
        assert_matches!(again, Ok(()));
        assert_eq!(all(&bench).await, listed, "the time stays");
    }
    let next = bench.secret();
    let refused = bench.api_keys().rotate(made.id, next).await;
    assert_matches!(refused, Err(ApiKeyError::KeyNotFound(id)) if id == made.id);
    assert_eq!(find(&bench, next).await, None);
    assert_eq!(find(&bench, others).await, Some(other));
}

pub async fn nothing_is_done_to_a_key_that_never_was(bench: AccountsBench) {
    let (made, secret) = make(&bench).await;
    let next = bench.secret();
    let refused = bench.api_keys().rotate(no_key(), next).await;
    assert_matches!(refused, Err(ApiKeyError::KeyNotFound(id)) if id == no_key());
    let refused = bench.api_keys().revoke(no_key()).await;
    assert_matches!(refused, Err(ApiKeyError::KeyNotFound(id)) if id == no_key());
    assert_eq!(find(&bench, next).await, None);
    assert_eq!(find(&bench, secret).await, Some(made));
}

pub async fn a_keys_last_use_is_recorded(bench: AccountsBench) {
    let ((one, secret), (two, _), (other, _)) =
        (make(&bench).await, make(&bench).await, make(&bench).await);
    let before = bench.clock().await;
    let used = vec![one.id, no_key(), two.id, one.id];
    bench.api_keys().record_use(used).await.expect("recorded");
    let after = bench.clock().await;
    let listed = all(&bench).await;
    assert_eq!(listed[0], other);
    for (now, then) in listed[1..].iter().zip([&two, &one]) {
        let at = now.last_used_at.expect("used");
        assert!((before..=after).contains(&at), "by the store's clock");
        let expected = ApiKey {
            last_used_at: Some(at),
            ..then.clone()
        };
        assert_eq!(*now, expected);
    }
    assert_eq!(find(&bench, secret).await.as_ref(), listed.last());
    bench.api_keys().record_use(vec![]).await.expect("nothing");
    assert_eq!(all(&bench).await, listed);
}
