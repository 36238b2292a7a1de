//! Suspended users: they can neither book nor log in, and lose nothing else.

use domain::model::{BookingStatus, SessionSecrets};
use domain::ports::{BeginSessionError, BookError, SetPasswordError};

use crate::AccountsBench;
use crate::compare::assert_matches;
use crate::values::{first_password, no_event, password, past};

pub async fn a_suspension_has_a_time_that_stays(bench: AccountsBench) {
    let (user, other) = (bench.user().await, bench.user().await);
    let before = bench.clock().await;
    let suspended = bench.suspend(user).await;
    let after = bench.clock().await;
    let since = suspended.suspended_at.expect("suspended");
    assert!((before..=after).contains(&since), "by the store's clock");
    for _ in 0..2 {
        assert_eq!(bench.account(user).await, suspended);
        assert_eq!(bench.suspend(user).await, suspended);
    }
    for _ in 0..2 {
        let reinstated = bench.reinstate(user).await;
        assert_eq!(reinstated.suspended_at, None);
        assert_eq!(reinstated.user, suspended.user);
        assert_eq!(bench.account(user).await, reinstated);
    }
    let anew = bench.suspend(user).await.suspended_at;
    assert!(anew.is_some_and(|anew| anew >= after));
    assert_eq!(bench.account(other).await.suspended_at, None);
}

pub async fn a_suspension_ends_all_sessions_of_its_user(bench: AccountsBench) {
    let (user, other) = (bench.user().await, bench.user().await);
    let (_, others) = bench.begin(other).await;
    let theirs = [bench.begin(user).await.1, bench.begin(user).await.1];
    bench.suspend(user).await;
    let assert_all_ended = async |theirs: &[SessionSecrets]| {
        for secrets in theirs {
            bench.assert_ended(*secrets).await;
        }
    };
    assert_all_ended(&theirs).await;
    assert!(bench.session(others.access).await.is_some());
    // They stay ended when the suspension does.
    bench.reinstate(user).await;
    assert_all_ended(&theirs).await;
    bench.begin(user).await;
}

pub async fn a_suspended_user_begins_no_session(bench: AccountsBench) {
    let user = bench.user().await;
    bench.suspend(user).await;
    let refused = bench.secrets();
    let answer = bench.try_begin(user, first_password(), refused).await;
    assert_matches!(answer, Err(BeginSessionError::UserSuspended(id)) if id == user);
    bench.reinstate(user).await;
    bench.assert_ended(refused).await;
}

pub async fn a_suspended_user_books_nothing_and_leaves_no_trace(bench: AccountsBench) {
    let (user, other) = (bench.user().await, bench.user().await);
    let event = bench.event(3).await;
    bench.suspend(user).await;
    for _ in 0..2 {
        let refused = bench.try_book(user, event, 1).await;
        assert_matches!(refused, Err(BookError::UserSuspended(id)) if id == user);
    }
    assert_eq!(bench.seats_left(event).await, 3);
    assert_eq!(bench.history(user).await, []);
    bench.book(other, event, 1).await;
    bench.assert_adds_up(event).await;
    bench.reinstate(user).await;
    bench.book(user, event, 2).await;
    bench.assert_adds_up(event).await;
}

pub async fn a_suspension_comes_before_everything_about_the_event(bench: AccountsBench) {
    let (user, other) = (bench.user().await, bench.user().await);
    let (started, sold_out) = (bench.event_at(past(), 3).await, bench.event(1).await);
    let deleted = bench.event(3).await;
    bench.book(other, sold_out, 1).await;
    bench.delete(deleted).await;
    bench.suspend(user).await;
    for event in [no_event(), deleted, started, sold_out] {
        let refused = bench.try_book(user, event, 1).await;
        assert_matches!(refused, Err(BookError::UserSuspended(id)) if id == user);
    }
}

pub async fn a_bound_key_is_answered_in_spite_of_a_suspension(bench: AccountsBench) {
    let user = bench.user().await;
    let event = bench.event(5).await;
    let first = bench.try_book_once(user, event, 2, "key").await;
    let first = first.expect("booked");
    bench.suspend(user).await;
    let again = bench.try_book_once(user, event, 2, "key").await;
    let again = again.expect("repeated");
    assert_eq!((again.booking_id, again.replayed), (first.booking_id, true));
    let reused = bench.try_book_once(user, event, 1, "key").await;
    assert_matches!(reused, Err(BookError::KeyReused(_)));
    let fresh = bench.try_book_once(user, event, 1, "another").await;
    assert_matches!(fresh, Err(BookError::UserSuspended(id)) if id == user);
    assert_eq!(bench.history(user).await.len(), 1);
    bench.assert_adds_up(event).await;
}

pub async fn a_refusal_of_a_suspended_user_leaves_the_key_free(bench: AccountsBench) {
    let user = bench.user().await;
    let event = bench.event(5).await;
    bench.suspend(user).await;
    let refused = bench.try_book_once(user, event, 2, "key").await;
    assert_matches!(refused, Err(BookError::UserSuspended(id)) if id == user);
    bench.reinstate(user).await;
    let booked = bench.try_book_once(user, event, 1, "key").await;
    assert!(!booked.expect("booked").replayed);
    assert_eq!(bench.seats_left(event).await, 4);
}

pub async fn a_suspended_user_keeps_all_else(bench: AccountsBench) {
    let user = bench.user().await;
    let event = bench.event(5).await;
    let (kept, cancelled) = (
        bench.book(user, event, 2).await,
        bench.book(user, event, 1).await,
    );
    let (session, _) = bench.set_password(user, password("old")).await;
    let before = bench.account(user).await;
    let suspended = bench.suspend(user).await;
    assert_eq!(suspended.user, before.user);
    assert!(suspended.has_password);
    let email = &before.user.email;
    assert_eq!(bench.password_of(email).await, Some(password("old")));
    let set = bench.try_set_password(user, password("old"), password("new"), session.id);
    assert_matches!(set.await, Err(SetPasswordError::SessionEnded(id)) if id == session.id);
    assert_eq!(bench.password_of(email).await, Some(password("old")));
    let renamed = bench.accounts().rename(user, None).await.expect("renamed");
    assert_eq!(renamed.suspended_at, suspended.suspended_at);

    assert!(bench.user_list().await.contains(&renamed.user));
    let returned = bench.cancel(cancelled).await.seats_returned;
    assert_eq!(returned.map(|seats| seats.get()), Some(1));
    assert_eq!(
        bench.find_booking(kept).await.status,
        BookingStatus::Confirmed
    );
    assert_eq!(bench.history(user).await.len(), 2);
    assert_eq!(bench.attendance(event).await[0].user_email, *email);
    bench.assert_adds_up(event).await;
    let left = bench.accounts().bookings_of_erased(10).await;
    assert_eq!(left.expect("an answer"), [], "nobody was erased");
}
