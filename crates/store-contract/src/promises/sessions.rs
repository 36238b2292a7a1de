//! Sessions: beginning, finding, refreshing, ending and forgetting them.

use std::time::Duration;

use domain::model::{SessionId, SessionSecrets};
use domain::ports::{BeginSessionError, RefreshError};

use crate::AccountsBench;
use crate::accounts_bench::{ACCESS_LASTS, REFRESH_LASTS};
use crate::compare::assert_matches;
use crate::parallel::patiently;
use crate::values::{first_password, new_user, nobody, password};

/// What a test may take at most between two calls, and less than any lifetime.
const A_WHILE: Duration = Duration::from_secs(300);

/// Sets the store's sessions ahead so that two calls do not have one time.
const A_MOMENT: Duration = Duration::from_secs(1);

fn no_session() -> SessionId {
    SessionId::try_new(i64::MAX).expect("positive")
}

/// Forgets all there is to forget, so many at a time; gives how many went.
async fn forget(bench: &AccountsBench, sessions_max: usize) -> usize {
    let mut forgotten = 0;
    loop {
        let went = patiently(|| bench.sessions().forget_ended(sessions_max)).await;
        let went = went.expect("an answer");
        assert!(went <= sessions_max, "{went} of at most {sessions_max}");
        if went == 0 {
            return forgotten;
        }
        forgotten += went;
    }
}

pub async fn a_session_is_found_by_its_access_secret_alone(bench: AccountsBench) {
    let (alice, bob) = (bench.user().await, bench.user().await);
    let mut begun = Vec::new();
    for user in [alice, bob, alice] {
        let (session, secrets) = bench.begin(user).await;
        assert_eq!(session.user_id, user);
        begun.push((session, secrets));
    }
    for (session, secrets) in &begun {
        assert_eq!(bench.session(secrets.access).await, Some(*session));
        assert_eq!(bench.session(secrets.refresh).await, None);
    }
    let mut ids: Vec<_> = begun.iter().map(|(session, _)| session.id).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), begun.len(), "sessions have ids of their own");
    assert_eq!(bench.session(bench.secret()).await, None);
}

pub async fn secrets_last_from_now_by_the_stores_clock(bench: AccountsBench) {
    let user = bench.user().await;
    let before = bench.clock().await;
    let (session, secrets) = bench.begin(user).await;
    let after = bench.clock().await;
    assert!((before + ACCESS_LASTS..=after + ACCESS_LASTS).contains(&session.access_until));
    assert!((before + REFRESH_LASTS..=after + REFRESH_LASTS).contains(&session.refresh_until));

    let before = bench.clock().await;
    let (session, _) = bench.refresh(secrets.refresh).await;
    let after = bench.clock().await;
    assert!((before + ACCESS_LASTS..=after + ACCESS_LASTS).contains(&session.access_until));
    assert!((before + REFRESH_LASTS..=after + REFRESH_LASTS).contains(&session.refresh_until));
}

pub async fn an_access_secret_ends_with_its_time_and_the_session_goes_on(bench: AccountsBench) {
    let user = bench.user().await;
    let (session, secrets) = bench.begin(user).await;
    bench.age(ACCESS_LASTS - A_WHILE).await;
    let found = bench.session(secrets.access).await;
    assert_eq!(found.map(|found| found.id), Some(session.id));
    bench.age(A_WHILE).await;
    assert_eq!(bench.session(secrets.access).await, None);
    let (refreshed, next) = bench.refresh(secrets.refresh).await;
    assert_eq!(refreshed.id, session.id);
    assert_eq!(bench.session(next.access).await, Some(refreshed));
}

pub async fn a_refresh_secret_ends_with_its_time(bench: AccountsBench) {
    let user = bench.user().await;
    let (_, late) = bench.begin(user).await;
    let (session, in_time) = bench.begin(user).await;
    bench.age(REFRESH_LASTS - A_WHILE).await;
    let (refreshed, next) = bench.refresh(in_time.refresh).await;
    assert_eq!(refreshed.id, session.id);
    bench.age(A_WHILE).await;
    bench.assert_ended(late).await;
    // Its time began anew.
    assert!(bench.session(next.access).await.is_some());
    bench.refresh(next.refresh).await;
}

pub async fn each_session_lasts_as_long_as_its_own_secrets(bench: AccountsBench) {
    let user = bench.user().await;
    let short = SessionSecrets {
        access_lasts: A_WHILE,
        refresh_lasts: A_WHILE * 2,
        ..bench.secrets()
    };
    let begun = bench.try_begin(user, first_password(), short).await;
    begun.expect("a session");
    let (_, long) = bench.begin(user).await;
    bench.age(A_WHILE * 2).await;
    bench.assert_ended(short).await;
    assert!(bench.session(long.access).await.is_some());
    // Refreshing may shorten a session too.
    let short = SessionSecrets {
        refresh_lasts: A_WHILE * 2,
        ..bench.secrets()
    };
    let refreshed = bench.try_refresh(long.refresh, short).await;
    refreshed.expect("refreshed");
    bench.age(A_WHILE * 2).await;
    let refused = bench.try_refresh(short.refresh, bench.secrets()).await;
    assert_matches!(refused, Err(RefreshError::Unknown));
}

pub async fn a_refresh_replaces_both_secrets(bench: AccountsBench) {
    let user = bench.user().await;
    let (session, mut secrets) = bench.begin(user).await;
    let (other, others) = bench.begin(user).await;
    for _ in 0..3 {
        let (refreshed, next) = bench.refresh(secrets.refresh).await;
        assert_eq!((refreshed.id, refreshed.user_id), (session.id, user));
        assert_eq!(bench.session(secrets.access).await, None, "the old one");
        assert_eq!(bench.session(next.access).await, Some(refreshed));
        secrets = next;
    }
    assert_eq!(bench.session(others.access).await, Some(other));
}

pub async fn a_refresh_secret_that_is_shown_again_ends_the_whole_session(bench: AccountsBench) {
    let user = bench.user().await;
    let (_, others) = bench.begin(user).await;
    let (_, first) = bench.begin(user).await;
    let (_, second) = bench.refresh(first.refresh).await;
    for _ in 0..2 {
        let refused = bench.secrets();
        let reused = bench.try_refresh(first.refresh, refused).await;
        assert_matches!(reused, Err(RefreshError::Reused(id)) if id == user);
        bench.assert_ended(refused).await;
        bench.assert_ended(second).await;
    }
    assert!(bench.session(others.access).await.is_some());
    bench.refresh(others.refresh).await;
}

pub async fn a_secret_from_many_refreshes_ago_ends_the_session_too(bench: AccountsBench) {
    let user = bench.user().await;
    for shown in 0..3 {
        let (_, mut secrets) = bench.begin(user).await;
        let mut used = Vec::new();
        for _ in 0..3 {
            used.push(secrets.refresh);
            (_, secrets) = bench.refresh(secrets.refresh).await;
        }
        let reused = bench.try_refresh(used[shown], bench.secrets()).await;
        assert_matches!(reused, Err(RefreshError::Reused(id)) if id == user);
        bench.assert_ended(secrets).await;
    }
}

pub async fn only_a_refresh_secret_refreshes(bench: AccountsBench) {
    let user = bench.user().await;
    let (session, secrets) = bench.begin(user).await;
    for wrong in [secrets.access, bench.secret()] {
        let refused = bench.secrets();
        let answer = bench.try_refresh(wrong, refused).await;
        assert_matches!(answer, Err(RefreshError::Unknown));
        bench.assert_ended(refused).await;
    }
    assert_eq!(bench.session(secrets.access).await, Some(session));
    bench.refresh(secrets.refresh).await;
}

pub async fn a_session_that_was_ended_stays_ended(bench: AccountsBench) {
    let user = bench.user().await;
    let (other, others) = bench.begin(user).await;
    let (session, secrets) = bench.begin(user).await;
    for _ in 0..2 {
        bench.end(session.id).await;
        bench.assert_ended(secrets).await;
    }
    bench.end(no_session()).await;
    assert_eq!(bench.session(others.access).await, Some(other));
    bench.refresh(others.refresh).await;
}

pub async fn a_used_secret_of_a_session_that_has_ended_was_used_twice(bench: AccountsBench) {
    for way in 0..3 {
        let user = bench.user().await;
        let (session, first) = bench.begin(user).await;
        let (_, second) = bench.refresh(first.refresh).await;
        match way {
            0 => bench.end(session.id).await,
            1 => drop(bench.set_password(user, password("new")).await),
            _ => drop(bench.suspend(user).await),
        }
        let reused = bench.try_refresh(first.refresh, bench.secrets()).await;
        assert_matches!(reused, Err(RefreshError::Reused(id)) if id == user);
        bench.assert_ended(second).await;
    }
}

pub async fn nobody_unknown_begins_a_session(bench: AccountsBench) {
    let refused = bench.secrets();
    let answer = bench.try_begin(nobody(), first_password(), refused).await;
    assert_matches!(answer, Err(BeginSessionError::UserNotFound(id)) if id == nobody());
    bench.assert_ended(refused).await;
}

pub async fn a_session_does_not_begin_with_a_password_that_was_changed_meanwhile(
    bench: AccountsBench,
) {
    let user = bench.user().await;
    let without = bench.register(new_user("bob@example.com", None)).await.id;
    let checked = bench.proof(user).await;
    bench.set_password(user, password("new")).await;
    bench.suspend(without).await;
    for (user, stale) in [
        (user, checked.clone()),
        (user, password("ne")),
        (user, password("NEW")),
        // Whoever does not know the password learns nothing of a suspension.
        (without, checked),
    ] {
        let refused = bench.secrets();
        let answer = bench.try_begin(user, stale, refused).await;
        assert_matches!(answer, Err(BeginSessionError::PasswordChanged(id)) if id == user);
        bench.assert_ended(refused).await;
    }
    bench.begin(user).await;
}

pub async fn of_more_than_a_hundred_sessions_the_one_refreshed_longest_ago_ends(
    bench: AccountsBench,
) {
    let (user, other) = (bench.user().await, bench.user().await);
    let (_, others) = bench.begin(other).await;
    let mut sessions = Vec::new();
    for _ in 0..100 {
        sessions.push(bench.begin(user).await.1);
        bench.age(A_MOMENT).await;
    }
    for secrets in &sessions {
        assert!(bench.session(secrets.access).await.is_some());
    }
    // The first is fresh again, so that the second is the next to end.
    (_, sessions[0]) = bench.refresh(sessions[0].refresh).await;
    bench.age(A_MOMENT).await;
    for next in 1..=2 {
        let (_, secrets) = bench.begin(user).await;
        bench.age(A_MOMENT).await;
        bench.assert_ended(sessions[next]).await;
        sessions.push(secrets);
    }
    let good = [&sessions[..1], &sessions[3..]].concat();
    assert_eq!(good.len(), 100);
    for secrets in good {
        assert!(bench.session(secrets.access).await.is_some());
    }
    assert!(bench.session(others.access).await.is_some());
}

pub async fn sessions_that_have_ended_leave_room_for_others(bench: AccountsBench) {
    let user = bench.user().await;
    let (_, oldest) = bench.begin(user).await;
    bench.age(A_MOMENT).await;
    for _ in 0..110 {
        let (session, _) = bench.begin(user).await;
        bench.end(session.id).await;
    }
    assert!(bench.session(oldest.access).await.is_some());
}

pub async fn sessions_whose_time_is_over_are_forgotten_in_pieces(bench: AccountsBench) {
    assert_eq!(forget(&bench, 10).await, 0);
    let user = bench.user().await;
    let mut over = Vec::new();
    for _ in 0..7 {
        over.push(bench.begin(user).await.1);
    }
    bench.age(REFRESH_LASTS).await;
    let (kept, secrets) = bench.begin(user).await;
    let (_, second) = bench.refresh(secrets.refresh).await;
    assert_eq!(forget(&bench, 3).await, 7);
    assert_eq!(forget(&bench, 3).await, 0);
    for secrets in over {
        bench.assert_ended(secrets).await;
    }
    let found = bench.session(second.access).await;
    assert_eq!(found.map(|found| found.id), Some(kept.id));
    // What a session that goes on has exchanged is not forgotten with the others.
    let reused = bench.try_refresh(secrets.refresh, bench.secrets()).await;
    assert_matches!(reused, Err(RefreshError::Reused(id)) if id == user);
    bench.assert_ended(second).await;
}

pub async fn a_session_that_was_ended_is_forgotten_when_its_time_is_over(bench: AccountsBench) {
    let user = bench.user().await;
    let (session, first) = bench.begin(user).await;
    let (_, second) = bench.refresh(first.refresh).await;
    bench.end(session.id).await;
    // It may be forgotten now or later.
    let at_once = forget(&bench, 10).await;
    bench.age(REFRESH_LASTS).await;
    assert_eq!(at_once + forget(&bench, 10).await, 1);
    for secrets in [first, second] {
        bench.assert_ended(secrets).await;
    }
}
