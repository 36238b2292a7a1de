//! Setting passwords: what it ends, and tokens that stand in for an old one.

use std::time::Duration;

use domain::model::SessionId;
use domain::ports::{RedeemError, SetPasswordError};

use crate::AccountsBench;
use crate::accounts_bench::REFRESH_LASTS;
use crate::compare::assert_matches;
use crate::values::{first_password, new_user, password};

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
    assert_eq!(bench.proof(user).await, first_password());
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

pub async fn setting_a_password_ends_all_sessions_but_the_one_that_asked(bench: AccountsBench) {
    let (user, other) = (bench.user().await, bench.user().await);
    let (others_session, others) = bench.begin(other).await;
    let (_, first) = bench.begin(user).await;
    let (second, seconds) = bench.set_password(user, password("first")).await;
    bench.assert_ended(first).await;
    assert_eq!(bench.session(seconds.access).await, Some(second));
    let (_, seconds) = bench.refresh(seconds.refresh).await;
    bench.set_password(user, password("second")).await;
    bench.assert_ended(seconds).await;
    assert_eq!(bench.session(others.access).await, Some(others_session));
}

pub async fn a_password_is_not_set_by_a_session_that_has_ended(bench: AccountsBench) {
    let (user, other) = (bench.user().await, bench.user().await);
    let proof = first_password();
    let (ended, secrets) = bench.begin(user).await;
    bench.end(ended.id).await;
    let (late, _) = bench.begin(user).await;
    bench.age(REFRESH_LASTS).await;
    let (kept, keeps) = bench.begin(user).await;
    let (others, _) = bench.begin(other).await;
    let never = SessionId::try_new(i64::MAX).expect("positive");
    for keep in [ended.id, late.id, others.id, never] {
        // With the right password and with a wrong one: who is nobody learns nothing.
        for expected in [&proof, &password("wrong")] {
            let (expected, new) = (expected.clone(), password("new"));
            let refused = bench.try_set_password(user, expected, new, keep).await;
            assert_matches!(refused, Err(SetPasswordError::SessionEnded(id)) if id == keep);
        }
    }
    bench.assert_ended(secrets).await;
    assert_eq!(bench.proof(user).await, proof);
    assert_eq!(bench.session(keeps.access).await, Some(kept));
}

pub async fn a_password_is_not_set_on_the_strength_of_one_that_was_changed_meanwhile(
    bench: AccountsBench,
) {
    let user = bench.user().await;
    let checked = bench.proof(user).await;
    let (session, secrets) = bench.set_password(user, password("new")).await;
    let (other, others) = bench.begin(user).await;
    let token = bench.token(user, AN_HOUR).await;
    for stale in [checked, password("ne"), password("NEW"), password("new ")] {
        let refused = bench.try_set_password(user, stale, password("mallory"), session.id);
        assert_matches!(refused.await, Err(SetPasswordError::PasswordChanged(id)) if id == user);
    }
    // Nothing was changed, and nothing has ended.
    assert_eq!(bench.proof(user).await, password("new"));
    assert_eq!(bench.session(secrets.access).await, Some(session));
    assert_eq!(bench.session(others.access).await, Some(other));
    let redeemed = bench.redeem(token, password("reset")).await;
    assert_eq!(redeemed.expect("a new password"), user);
}

pub async fn setting_a_password_ends_the_tokens_of_its_user(bench: AccountsBench) {
    let (user, other) = (bench.user().await, bench.user().await);
    let others = bench.token(other, AN_HOUR).await;
    let token = bench.token(user, AN_HOUR).await;
    bench.set_password(user, password("new")).await;
    let refused = bench.redeem(token, password("mallory")).await;
    assert_matches!(refused, Err(RedeemError::Unknown));
    assert_eq!(bench.proof(user).await, password("new"));
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
