//! Setting passwords: what it ends, and tokens that stand in for an old one.

use std::time::Duration;

use domain::ports::RedeemError;

use crate::AccountsBench;
use crate::compare::assert_matches;
use crate::values::{new_user, password};

const AN_HOUR: Duration = Duration::from_secs(60 * 60);

/// What a test may take at most between two calls.
const A_WHILE: Duration = Duration::from_secs(300);

pub async fn a_token_sets_a_password_once(bench: AccountsBench) {
    let alice = bench.register(new_user("alice@example.com", None)).await;
    let bob = bench.register(new_user("bob@example.com", None)).await;
    let token = bench.token(alice.id, AN_HOUR).await;
    assert!(!bench.account(alice.id).await.has_password);
    let redeemed = bench.redeem(token, password("first")).await;
    assert_eq!(redeemed.expect("a new password"), alice.id);
    assert!(bench.account(alice.id).await.has_password);
    let again = bench.redeem(token, password("second")).await;
    assert_matches!(again, Err(RedeemError::Unknown));
    assert_eq!(
        bench.password_of(&alice.email).await,
        Some(password("first"))
    );
    assert_eq!(bench.password_of(&bob.email).await, None);
}

pub async fn a_token_is_good_for_as_long_as_it_was_made(bench: AccountsBench) {
    let user = bench.user().await;
    let before = bench.clock().await;
    let token = bench.secret();
    let issued = bench
        .accounts()
        .issue_password_token(user, token, AN_HOUR)
        .await;
    let until = issued.expect("a token");
    let after = bench.clock().await;
    assert!((before + AN_HOUR..=after + AN_HOUR).contains(&until));
    bench.age(AN_HOUR - A_WHILE).await;
    let in_time = bench.redeem(token, password("in time")).await;
    assert_eq!(in_time.expect("a new password"), user);

    let token = bench.token(user, AN_HOUR).await;
    bench.age(AN_HOUR).await;
    let late = bench.redeem(token, password("late")).await;
    assert_matches!(late, Err(RedeemError::Unknown));
    let email = bench.account(user).await.user.email;
    assert_eq!(bench.password_of(&email).await, Some(password("in time")));
}

pub async fn a_later_token_ends_the_one_before(bench: AccountsBench) {
    let (alice, bob) = (bench.user().await, bench.user().await);
    let bobs = bench.token(bob, AN_HOUR).await;
    let first = bench.token(alice, AN_HOUR).await;
    let second = bench.token(alice, AN_HOUR).await;
    let refused = bench.redeem(first, password("first")).await;
    assert_matches!(refused, Err(RedeemError::Unknown));
    let redeemed = bench.redeem(second, password("second")).await;
    assert_eq!(redeemed.expect("a new password"), alice);
    let redeemed = bench.redeem(bobs, password("bob")).await;
    assert_eq!(redeemed.expect("a new password"), bob);
}

pub async fn a_token_that_never_was_sets_nothing(bench: AccountsBench) {
    let user = bench.user().await;
    bench.token(user, AN_HOUR).await;
    let (session, secrets) = bench.begin(user).await;
    for stranger in [bench.secret(), secrets.access, secrets.refresh] {
        let refused = bench.redeem(stranger, password("mallory")).await;
        assert_matches!(refused, Err(RedeemError::Unknown));
    }
    assert!(!bench.account(user).await.has_password);
    assert_eq!(bench.session(secrets.access).await, Some(session));
}

pub async fn a_token_is_no_secret_of_a_session(bench: AccountsBench) {
    let user = bench.user().await;
    let token = bench.token(user, AN_HOUR).await;
    assert_eq!(bench.session(token).await, None);
    let refused = bench.try_refresh(token, bench.secrets()).await;
    assert_matches!(refused, Err(domain::ports::RefreshError::Unknown));
    let redeemed = bench.redeem(token, password("alice")).await;
    assert_eq!(redeemed.expect("a new password"), user);
}

pub async fn redeeming_a_token_ends_all_sessions_of_its_user(bench: AccountsBench) {
    let (user, other) = (bench.user().await, bench.user().await);
    let (_, others) = bench.begin(other).await;
    let theirs = [bench.begin(user).await.1, bench.begin(user).await.1];
    let token = bench.token(user, AN_HOUR).await;
    assert!(bench.session(theirs[0].access).await.is_some());
    let redeemed = bench.redeem(token, password("new")).await;
    redeemed.expect("a new password");
    for secrets in theirs {
        bench.assert_ended(secrets).await;
    }
    assert!(bench.session(others.access).await.is_some());
    bench.begin(user).await;
}

pub async fn setting_a_password_ends_all_sessions_but_the_one_kept(bench: AccountsBench) {
    let (user, other) = (bench.user().await, bench.user().await);
    let (others_session, others) = bench.begin(other).await;
    let (kept, keeps) = bench.begin(user).await;
    let (_, ends) = bench.begin(user).await;
    bench
        .set_password(user, password("first"), Some(kept.id))
        .await;
    bench.assert_ended(ends).await;
    assert_eq!(bench.session(keeps.access).await, Some(kept));
    let (_, keeps) = bench.refresh(keeps.refresh).await;

    // A session of somebody else keeps nothing, and is kept itself.
    let elsewhere = Some(others_session.id);
    bench
        .set_password(user, password("second"), elsewhere)
        .await;
    bench.assert_ended(keeps).await;
    let (_, ends) = bench.begin(user).await;
    bench.set_password(user, password("third"), None).await;
    bench.assert_ended(ends).await;
    assert_eq!(bench.session(others.access).await, Some(others_session));
}

pub async fn setting_a_password_brings_no_session_back(bench: AccountsBench) {
    let user = bench.user().await;
    let (session, secrets) = bench.begin(user).await;
    bench.end(session.id).await;
    bench
        .set_password(user, password("new"), Some(session.id))
        .await;
    bench.assert_ended(secrets).await;
}

pub async fn setting_a_password_ends_the_tokens_of_its_user(bench: AccountsBench) {
    let (user, other) = (bench.user().await, bench.user().await);
    let (session, _) = bench.begin(user).await;
    let others = bench.token(other, AN_HOUR).await;
    for keep in [None, Some(session.id)] {
        let token = bench.token(user, AN_HOUR).await;
        bench.set_password(user, password("new"), keep).await;
        let refused = bench.redeem(token, password("mallory")).await;
        assert_matches!(refused, Err(RedeemError::Unknown));
    }
    let email = bench.account(user).await.user.email;
    assert_eq!(bench.password_of(&email).await, Some(password("new")));
    let redeemed = bench.redeem(others, password("other")).await;
    assert_eq!(redeemed.expect("a new password"), other);
}

pub async fn a_token_of_a_suspended_user_is_good_once_they_are_reinstated(bench: AccountsBench) {
    let user = bench.user().await;
    let before = bench.token(user, AN_HOUR).await;
    bench.suspend(user).await;
    let refused = bench.redeem(before, password("before")).await;
    assert_matches!(refused, Err(RedeemError::Unknown));
    bench.reinstate(user).await;
    let redeemed = bench.redeem(before, password("before")).await;
    assert_eq!(redeemed.expect("a new password"), user);

    bench.suspend(user).await;
    let meanwhile = bench.token(user, AN_HOUR).await;
    let refused = bench.redeem(meanwhile, password("meanwhile")).await;
    assert_matches!(refused, Err(RedeemError::Unknown));
    bench.reinstate(user).await;
    let redeemed = bench.redeem(meanwhile, password("meanwhile")).await;
    assert_eq!(redeemed.expect("a new password"), user);
}

pub async fn a_token_of_an_erased_user_is_not_good(bench: AccountsBench) {
    let alice = bench.register(new_user("alice@example.com", None)).await;
    let token = bench.token(alice.id, AN_HOUR).await;
    bench.erase(alice.id).await;
    let again = bench.register(new_user("alice@example.com", None)).await;
    let refused = bench.redeem(token, password("mallory")).await;
    assert_matches!(refused, Err(RedeemError::Unknown));
    assert!(!bench.account(again.id).await.has_password);
}
