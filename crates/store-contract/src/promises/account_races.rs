//! Tokens, suspensions, erasures and registrations at the same time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use domain::ports::{AccountError, RedeemError, RegisterError, SetPasswordError};

use crate::AccountsBench;
use crate::compare::assert_matches;
use crate::parallel::{parallel, patiently};
use crate::values::{first_password, new_user, password};

/// Rounds of a race: each one may come out otherwise.
const ROUNDS: usize = 6;

const AN_HOUR: Duration = Duration::from_secs(60 * 60);

pub async fn of_parallel_uses_of_one_token_exactly_one_succeeds(bench: AccountsBench) {
    let user = bench.user().await;
    let email = bench.account(user).await.user.email;
    for round in 0..ROUNDS {
        let (_, secrets) = bench.begin(user).await;
        let token = bench.token(user, AN_HOUR).await;
        let answers = parallel(8, |number| {
            let bench = bench.clone();
            let chosen = password(&format!("{round} {number}"));
            async move { (chosen.clone(), bench.redeem(token, chosen).await) }
        })
        .await;
        let mut set = Vec::new();
        for (chosen, answer) in answers {
            match answer {
                Ok(redeemed) => {
                    assert_eq!(redeemed, user);
                    set.push(chosen);
                }
                Err(refused) => assert_matches!(refused, RedeemError::Unknown),
            }
        }
        assert_eq!(set.len(), 1, "one token sets one password");
        assert_eq!(bench.password_of(&email).await, set.pop());
        bench.assert_ended(secrets).await;
    }
}

pub async fn of_tokens_made_at_the_same_time_at_most_one_is_good(bench: AccountsBench) {
    let user = bench.user().await;
    for _ in 0..ROUNDS {
        let tokens = parallel(6, |_| {
            let bench = bench.clone();
            async move { bench.token(user, AN_HOUR).await }
        })
        .await;
        let mut good = 0;
        for token in tokens {
            match bench.redeem(token, password("new")).await {
                Ok(_) => good += 1,
                Err(refused) => assert_matches!(refused, RedeemError::Unknown),
            }
        }
        assert_eq!(good, 1, "the one that was made last");
    }
}

pub async fn of_parallel_changes_of_one_password_exactly_one_succeeds(bench: AccountsBench) {
    for _ in 0..ROUNDS {
        let user = bench.user().await;
        let (session, _) = bench.begin(user).await;
        let answers = parallel(8, |number| {
            let bench = bench.clone();
            let (old, new) = (first_password(), password(&number.to_string()));
            async move {
                let set = bench.try_set_password(user, old, new.clone(), session.id);
                (new, set.await)
            }
        })
        .await;
        let mut set = Vec::new();
        for (new, answer) in answers {
            match answer {
                Ok(()) => set.push(new),
                Err(refused) => {
                    assert_matches!(refused, SetPasswordError::PasswordChanged(id) if id == user);
                }
            }
        }
        assert_eq!(set, [bench.proof(user).await]);
    }
}

pub async fn a_reset_is_not_undone_by_a_change_beside_it(bench: AccountsBench) {
    for _ in 0..ROUNDS * 2 {
        let user = bench.user().await;
        let (session, secrets) = bench.begin(user).await;
        let token = bench.token(user, AN_HOUR).await;
        let answers = parallel(5, |number| {
            let bench = bench.clone();
            async move {
                if number == 2 {
                    let reset = bench.redeem(token, password("reset")).await;
                    return reset.is_ok();
                }
                let (old, new) = (first_password(), password(&number.to_string()));
                match bench.try_set_password(user, old, new, session.id).await {
                    Ok(()) => true,
                    Err(refused) => {
                        assert_matches!(
                            refused,
                            SetPasswordError::PasswordChanged(_)
                                | SetPasswordError::SessionEnded(_)
                        );
                        false
                    }
                }
            }
        })
        .await;
        // A change that came first has ended the token; one that comes later is none.
        let succeeded = answers.iter().filter(|succeeded| **succeeded).count();
        assert_eq!(succeeded, 1);
        let is_reset = bench.proof(user).await == password("reset");
        assert_eq!(is_reset, answers[2]);
        if is_reset {
            bench.assert_ended(secrets).await;
        }
    }
}

pub async fn parallel_suspensions_have_one_time(bench: AccountsBench) {
    for _ in 0..ROUNDS {
        let user = bench.user().await;
        let suspended = parallel(8, |_| {
            let bench = bench.clone();
            async move { bench.suspend(user).await.suspended_at }
        })
        .await;
        let since = bench.account(user).await.suspended_at;
        assert!(since.is_some());
        assert!(suspended.iter().all(|one| *one == since), "{suspended:?}");
    }
}

pub async fn of_parallel_erasures_exactly_one_succeeds(bench: AccountsBench) {
    for _ in 0..ROUNDS {
        let user = bench.user().await;
        let answers = parallel(8, |_| {
            let bench = bench.clone();
            async move { patiently(|| bench.accounts().erase(user)).await }
        })
        .await;
        let (erased, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(Result::is_ok);
        assert_eq!(erased.len(), 1);
        for refused in refused {
            assert_matches!(refused, Err(AccountError::UserNotFound(id)) if id == user);
        }
    }
}

pub async fn an_address_that_is_registered_and_erased_in_a_crowd_has_one_user_at_most(
    bench: AccountsBench,
) {
    let owned = Arc::new(AtomicBool::new(false));
    let registered = parallel(8, |_| {
        let (bench, owned) = (bench.clone(), Arc::clone(&owned));
        async move {
            let mut registered = Vec::new();
            for _ in 0..8 {
                let user = new_user("alice@example.com", None);
                let answer = patiently(|| bench.users().register(user.clone())).await;
                let user_id = match answer {
                    Ok(user) => user.id,
                    Err(refused) => {
                        assert_matches!(refused, RegisterError::EmailTaken(_));
                        tokio::task::yield_now().await;
                        continue;
                    }
                };
                assert!(!owned.swap(true, Ordering::SeqCst), "it has two users");
                assert_eq!(bench.account(user_id).await.user.id, user_id);
                owned.store(false, Ordering::SeqCst);
                bench.erase(user_id).await;
                registered.push(user_id);
            }
            registered
        }
    })
    .await;
    let mut registered = registered.concat();
    let count = registered.len();
    registered.sort();
    registered.dedup();
    assert_eq!(registered.len(), count, "each has an id of their own");
    assert!(count > 0);
    assert_eq!(bench.user_list().await, []);
    let last = bench.register(new_user("alice@example.com", None)).await;
    assert_eq!(bench.user_list().await, [last]);
}
