//! Sessions that begin, are refreshed and end at the same time.

use domain::ports::{BeginSessionError, RefreshError};

use crate::AccountsBench;
use crate::accounts_bench::REFRESH_LASTS;
use crate::compare::assert_matches;
use crate::parallel::parallel;
use crate::values::{first_password, password};

/// Rounds of a race: each one may come out otherwise.
const ROUNDS: usize = 6;

pub async fn of_parallel_refreshes_with_one_secret_at_most_one_succeeds(bench: AccountsBench) {
    let user = bench.user().await;
    let (_, others) = bench.begin(user).await;
    for _ in 0..ROUNDS {
        let (_, first) = bench.begin(user).await;
        let answers = parallel(8, |_| {
            let (bench, secrets) = (bench.clone(), bench.secrets());
            async move {
                let answer = bench.try_refresh(first.refresh, secrets).await;
                (secrets, answer)
            }
        })
        .await;
        let mut succeeded = 0;
        for (secrets, answer) in answers {
            match answer {
                Ok(_) => succeeded += 1,
                Err(refused) => {
                    assert_matches!(refused, RefreshError::Reused(id) if id == user);
                }
            }
            // The session has ended, because the secret was shown again.
            bench.assert_ended(secrets).await;
        }
        assert_eq!(succeeded, 1, "whoever came first");
        assert_eq!(bench.session(first.access).await, None);
    }
    assert!(bench.session(others.access).await.is_some());
}

pub async fn parallel_refreshes_of_different_sessions_all_succeed(bench: AccountsBench) {
    let user = bench.user().await;
    let mut sessions = Vec::new();
    for _ in 0..16 {
        sessions.push(bench.begin(user).await);
    }
    let refreshed = parallel(sessions.len(), |number| {
        let (bench, (session, secrets)) = (bench.clone(), sessions[number]);
        async move {
            let (refreshed, next) = bench.refresh(secrets.refresh).await;
            assert_eq!(refreshed.id, session.id);
            next
        }
    })
    .await;
    for secrets in refreshed {
        assert!(bench.session(secrets.access).await.is_some());
    }
}

pub async fn a_refresh_beside_the_end_of_its_session_brings_it_not_back(bench: AccountsBench) {
    for round in 0..ROUNDS * 2 {
        let user = bench.user().await;
        let (session, first) = bench.begin(user).await;
        let next = bench.secrets();
        parallel(2, |number| {
            let bench = bench.clone();
            async move {
                match (number, round % 4) {
                    (0, _) => {
                        let answer = bench.try_refresh(first.refresh, next).await;
                        assert_matches!(answer, Ok(_) | Err(RefreshError::Unknown));
                    }
                    (_, 0) => bench.end(session.id).await,
                    (_, 1) => drop(bench.set_password(user, password("new")).await),
                    (_, 2) => bench.erase(user).await,
                    _ => {
                        bench.suspend(user).await;
                        bench.reinstate(user).await;
                    }
                }
            }
        })
        .await;
        assert_eq!(bench.session(first.access).await, None);
        bench.assert_ended(next).await;
    }
}

pub async fn a_session_that_begins_beside_a_suspension_ends_with_it(bench: AccountsBench) {
    for round in 0..ROUNDS * 2 {
        let user = bench.user().await;
        let begun = parallel(5, |number| {
            let (bench, secrets) = (bench.clone(), bench.secrets());
            async move {
                if number == 2 && round % 2 == 0 {
                    bench.suspend(user).await;
                } else if number == 2 {
                    bench.erase(user).await;
                } else {
                    // Refused or begun: it is not good afterwards.
                    let _ = bench.try_begin(user, first_password(), secrets).await;
                }
                secrets
            }
        })
        .await;
        for secrets in &begun {
            bench.assert_ended(*secrets).await;
        }
        if round % 2 == 0 {
            bench.reinstate(user).await;
            for secrets in begun {
                bench.assert_ended(secrets).await;
            }
        }
    }
}

pub async fn no_session_begins_with_the_old_password_beside_a_change_of_it(bench: AccountsBench) {
    for round in 0..ROUNDS * 2 {
        let user = bench.user().await;
        let (session, _) = bench.begin(user).await;
        let token = bench.token(user, REFRESH_LASTS).await;
        let begun = parallel(9, |number| {
            let (bench, secrets) = (bench.clone(), bench.secrets());
            async move {
                let (old, new) = (first_password(), password("new"));
                if number != 4 {
                    let answer = bench.try_begin(user, old, secrets).await;
                    assert_matches!(answer, Ok(_) | Err(BeginSessionError::PasswordChanged(_)));
                } else if round % 2 == 0 {
                    let set = bench.try_set_password(user, old, new, session.id).await;
                    set.expect("a new password");
                } else {
                    bench.redeem(token, new).await.expect("a new password");
                }
                secrets
            }
        })
        .await;
        // Refused, or begun before the change and ended by it.
        for secrets in begun {
            bench.assert_ended(secrets).await;
        }
    }
}

pub async fn parallel_beginnings_leave_a_hundred_sessions_at_most(bench: AccountsBench) {
    let user = bench.user().await;
    let mut before = Vec::new();
    for _ in 0..95 {
        before.push(bench.begin(user).await.1);
    }
    let begun = parallel(16, |_| {
        let bench = bench.clone();
        async move { bench.begin(user).await.1 }
    })
    .await;
    // The new ones are the youngest, whatever their order.
    for secrets in begun {
        assert!(bench.session(secrets.access).await.is_some());
    }
    let mut left = 16;
    for secrets in before {
        left += usize::from(bench.session(secrets.access).await.is_some());
    }
    assert_eq!(left, 100);
}
