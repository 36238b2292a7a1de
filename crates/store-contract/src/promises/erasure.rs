//! Erased users: nothing of them is left but bookings of somebody.

use std::slice;

use chrono::TimeDelta;
use domain::model::{AccountFilter, BookingId, BookingStatus, Email, Page, UserId};
use domain::ports::{
    AccountError, BeginSessionError, BookError, HistoryError, NoGate, RefreshError,
    SetPasswordError,
};
use domain::usecases::{cancel_bookings_of_erased, erase_user};

use crate::AccountsBench;
use crate::accounts_bench::REFRESH_LASTS;
use crate::compare::assert_matches;
use crate::values::{limit, new_user, no_event, password, past};

/// What is to be cancelled, in the order of the ids.
async fn to_be_cancelled(bench: &AccountsBench, bookings_max: usize) -> Vec<BookingId> {
    let bookings = bench.accounts().bookings_of_erased(bookings_max).await;
    let mut bookings = bookings.expect("an answer");
    assert!(bookings.len() <= bookings_max);
    bookings.sort();
    bookings
}

async fn assert_unknown(bench: &AccountsBench, user: UserId) {
    let (accounts, token) = (bench.accounts(), bench.secret());
    for refused in [
        accounts.find(user).await.err(),
        accounts.credentials_of(user).await.err(),
        accounts.rename(user, None).await.err(),
        accounts
            .issue_password_token(user, token, REFRESH_LASTS)
            .await
            .err(),
        accounts.suspend(user).await.err(),
        accounts.reinstate(user).await.err(),
        accounts.erase(user).await.err(),
    ] {
        assert_matches!(&refused, Some(AccountError::UserNotFound(id)) if *id == user);
    }
    let history = bench.records().of_user(user, Page::first(limit(1)));
    assert_matches!(history.await, Err(HistoryError::UserNotFound(id)) if id == user);
    let proof = password("alice");
    let begun = bench.try_begin(user, proof.clone(), bench.secrets()).await;
    assert_matches!(begun, Err(BeginSessionError::UserNotFound(id)) if id == user);
    let (session, _) = bench.begin(bench.user().await).await;
    let set = bench.try_set_password(user, proof, password("x"), session.id);
    assert_matches!(set.await, Err(SetPasswordError::UserNotFound(id)) if id == user);
}

pub async fn an_erased_user_is_found_nowhere(bench: AccountsBench) {
    let mut alice = new_user("alice@example.com", Some("Alice"));
    alice.password = Some(password("alice"));
    let alice = bench.register(alice).await;
    let (bob, event) = (bench.user().await, bench.event(3).await);
    bench.book(alice.id, event, 1).await;
    bench.suspend(alice.id).await;
    let bob = bench.account(bob).await;

    bench.erase(alice.id).await;
    let credentials = bench.accounts().credentials(&alice.email).await;
    assert_eq!(credentials.expect("an answer"), None);
    assert_eq!(
        bench.user_list().await.as_slice(),
        slice::from_ref(&bob.user)
    );
    assert_eq!(bench.search(&AccountFilter::default()).await, [bob]);
    let shown = Email::of_erased(alice.id);
    for email in [&alice.email, &shown] {
        let filter = AccountFilter {
            email: Some(email.as_str().to_owned()),
            ..AccountFilter::default()
        };
        assert_eq!(bench.search(&filter).await, []);
    }
    let suspended = AccountFilter {
        suspended: Some(true),
        ..AccountFilter::default()
    };
    assert_eq!(bench.search(&suspended).await, []);
    let credentials = bench.accounts().credentials(&shown).await;
    assert_eq!(credentials.expect("an answer"), None);
    assert_unknown(&bench, alice.id).await;
}

pub async fn the_address_of_an_erased_user_is_free_for_somebody_new(bench: AccountsBench) {
    let event = bench.event(9).await;
    let mut erased = Vec::new();
    for round in 0..3 {
        let mut user = new_user("alice@example.com", Some("Alice"));
        user.password = (round < 2).then(|| password("alice"));
        let user = bench.register(user).await;
        let account = bench.account(user.id).await;
        assert_eq!(
            (account.has_password, account.suspended_at),
            (round < 2, None)
        );
        assert_eq!(bench.history(user.id).await, []);
        assert_eq!(bench.user_list().await.as_slice(), slice::from_ref(&user));
        assert!(!erased.contains(&user.id), "ids are not given anew");
        bench.book(user.id, event, 1).await;
        bench.suspend(user.id).await;
        bench.erase(user.id).await;
        erased.push(user.id);
    }
    for user in erased {
        assert_unknown(&bench, user).await;
    }
}

pub async fn a_user_of_the_demo_who_was_erased_is_made_anew(bench: AccountsBench) {
    let alice = new_user("alice@example.com", Some("Alice"));
    let ensure = async || {
        let users = vec![alice.clone(), alice.clone()];
        let ensured = bench.demo().ensure(users, vec![], TimeDelta::days(1)).await;
        ensured.expect("made");
        let users = bench.user_list().await;
        assert_eq!(users.len(), 1);
        assert_eq!(
            (&users[0].email, &users[0].name),
            (&alice.email, &alice.name)
        );
        users[0].id
    };
    let first = ensure().await;
    bench.erase(first).await;
    let second = ensure().await;
    assert_ne!(first, second);
    assert_eq!(ensure().await, second);
}

pub async fn sessions_of_an_erased_user_are_gone(bench: AccountsBench) {
    let mut alice = new_user("alice@example.com", None);
    alice.password = Some(password("alice"));
    let alice = bench.register(alice).await;
    let other = bench.user().await;
    let (_, others) = bench.begin(other).await;
    let (_, first) = bench.begin(alice.id).await;
    let (_, second) = bench.refresh(first.refresh).await;
    bench.erase(alice.id).await;
    // Whose secret was used twice is known no more.
    for secrets in [first, second] {
        bench.assert_ended(secrets).await;
    }
    bench.register(new_user("alice@example.com", None)).await;
    for secrets in [first, second] {
        bench.assert_ended(secrets).await;
    }
    bench.refresh(others.refresh).await;
    let reused = bench.try_refresh(others.refresh, bench.secrets()).await;
    assert_matches!(reused, Err(RefreshError::Reused(id)) if id == other);
}

pub async fn an_erased_user_books_nothing(bench: AccountsBench) {
    let (user, suspended) = (bench.user().await, bench.user().await);
    let event = bench.event(3).await;
    let started = bench.event_at(past(), 3).await;
    bench.suspend(suspended).await;
    for user in [user, suspended] {
        bench.erase(user).await;
        for event in [event, started, no_event()] {
            let refused = bench.try_book(user, event, 9).await;
            assert_matches!(refused, Err(BookError::UserNotFound(id)) if id == user);
        }
        let refused = bench.try_book_once(user, event, 1, "key").await;
        assert_matches!(refused, Err(BookError::UserNotFound(id)) if id == user);
    }
    assert_eq!(bench.attendance(event).await, []);
    bench.assert_adds_up(event).await;
}

pub async fn keys_of_an_erased_user_are_gone(bench: AccountsBench) {
    let (user, other) = (bench.user().await, bench.user().await);
    let event = bench.event(5).await;
    for user in [user, other] {
        let booked = bench.try_book_once(user, event, 2, "key").await;
        assert!(!booked.expect("booked").replayed);
    }
    bench.erase(user).await;
    // Neither as the same request nor as another one.
    for seats in [2, 1] {
        let refused = bench.try_book_once(user, event, seats, "key").await;
        assert_matches!(refused, Err(BookError::UserNotFound(id)) if id == user);
    }
    let again = bench.try_book_once(other, event, 2, "key").await;
    assert!(again.expect("repeated").replayed);
    assert_eq!(bench.attendance(event).await.len(), 2);
    bench.assert_adds_up(event).await;
}

pub async fn bookings_of_an_erased_user_stay_as_they_are(bench: AccountsBench) {
    let alice = new_user("alice@example.com", Some("Alice"));
    let alice = bench.register(alice).await;
    let bob = bench.user().await;
    let event = bench.event(9).await;
    let confirmed = bench.book(alice.id, event, 2).await;
    bench.book(bob, event, 1).await;
    let cancelled = bench.book(alice.id, event, 3).await;
    bench.cancel(cancelled).await;
    let (figures, attendance) = (bench.report().await, bench.attendance(event).await);
    let bookings = [
        bench.find_booking(confirmed).await,
        bench.find_booking(cancelled).await,
    ];

    bench.erase(alice.id).await;
    // Whoever has the address now did not book.
    bench.register(new_user("alice@example.com", None)).await;
    assert_eq!(bench.report().await, figures);
    for before in &bookings {
        assert_eq!(bench.find_booking(before.id).await, *before);
    }
    let after = bench.attendance(event).await;
    assert_eq!(after.len(), attendance.len());
    for (before, after) in attendance.iter().zip(&after) {
        assert_eq!(after.booking, before.booking);
        if before.booking.user_id == alice.id {
            assert_eq!(after.user_email, Email::of_erased(alice.id));
            assert_eq!(after.user_name, None);
        } else {
            assert_eq!(after, before);
        }
    }
    bench.assert_adds_up(event).await;
}

pub async fn a_list_of_bookings_is_walked_past_erased_users(bench: AccountsBench) {
    let event = bench.event(9).await;
    for number in 0..7 {
        let user = bench.user().await;
        bench.book(user, event, 1).await;
        if number % 2 == 0 {
            bench.erase(user).await;
        }
    }
    let bookings = bench.attendance(event).await;
    assert_eq!(bookings.len(), 7);
    crate::paging::assert_every_page_size(&bookings, |page| bench.attendance_page(event, page))
        .await;
}

pub async fn nobody_stops_an_erasure_by_the_address_that_is_shown_for_it(bench: AccountsBench) {
    let event = bench.event(9).await;
    let (alice, bob) = (bench.user().await, bench.user().await);
    // Before it is erased and afterwards: anybody may register any address.
    let shown = Email::of_erased(alice);
    let mallory = bench.register(new_user(shown.as_str(), None)).await;
    bench.book(alice, event, 1).await;
    bench.erase(alice).await;
    assert_eq!(bench.attendance(event).await[0].user_email, shown);
    assert_eq!(bench.account(mallory.id).await.user, mallory);
    bench.erase(bob).await;
    let late = Email::of_erased(bob);
    let trent = bench.register(new_user(late.as_str(), None)).await;
    assert_eq!(bench.account(trent.id).await.user.email, late);
}

pub async fn bookings_to_be_cancelled_are_confirmed_ones_of_events_to_come(bench: AccountsBench) {
    assert_eq!(to_be_cancelled(&bench, 10).await, []);
    let (alice, bob, carol) = (bench.user().await, bench.user().await, bench.user().await);
    let (event, other) = (bench.event(50).await, bench.event(50).await);
    let (deleted, started) = (bench.event(50).await, bench.event(50).await);
    let mut expected = Vec::new();
    for user in [alice, bob, carol] {
        let theirs = [
            bench.book(user, event, 2).await,
            bench.book(user, other, 1).await,
            bench.book(user, event, 1).await,
        ];
        if user != carol {
            expected.extend(theirs);
        }
        let cancelled = bench.book(user, event, 1).await;
        bench.cancel(cancelled).await;
        bench.book(user, deleted, 1).await;
        bench.book(user, started, 1).await;
    }
    bench.delete(deleted).await;
    bench.start_at(started, past()).await;
    assert_eq!(to_be_cancelled(&bench, 100).await, []);
    bench.erase(alice).await;
    bench.erase(bob).await;
    assert_eq!(to_be_cancelled(&bench, 100).await, expected);
    let some = to_be_cancelled(&bench, 4).await;
    assert_eq!(some.len(), 4);
    assert!(some.iter().all(|booking| expected.contains(booking)));
    for booking in &some {
        bench.cancel(*booking).await;
    }
    expected.retain(|booking| !some.contains(booking));
    assert_eq!(to_be_cancelled(&bench, 4).await, expected);
    // An event that is moved ahead again is to come.
    bench.start_at(started, crate::values::future()).await;
    assert_eq!(to_be_cancelled(&bench, 100).await.len(), 4);
}

pub async fn cancelling_what_erased_users_booked_frees_the_seats(bench: AccountsBench) {
    let event = bench.event(200).await;
    let started = bench.event(9).await;
    let mut users = Vec::new();
    for _ in 0..3 {
        users.push(bench.user().await);
    }
    for turn in 0..110 {
        bench.book(users[turn % 3], event, 1).await;
    }
    let attended = bench.book(users[0], started, 1).await;
    bench.start_at(started, past()).await;

    let cancel = || cancel_bookings_of_erased(bench.accounts(), bench.bookings(), &NoGate);
    assert_eq!(cancel().await.expect("done"), 0);
    for user in &users[..2] {
        let erased = erase_user(bench.accounts(), bench.bookings(), &NoGate, *user).await;
        erased.expect("erased");
    }
    assert_eq!(bench.seats_left(event).await, 200 - 36);
    assert_eq!(cancel().await.expect("done"), 0, "nothing is left");
    bench.erase(users[2]).await;
    assert_eq!(cancel().await.expect("done"), 36);
    assert_eq!(bench.seats_left(event).await, 200);
    assert_eq!(bench.attendance(event).await.len(), 110);
    let attended = bench.find_booking(attended).await;
    assert_eq!(attended.status, BookingStatus::Confirmed);
    for event in [event, started] {
        bench.assert_adds_up(event).await;
    }
}

pub async fn what_erased_users_booked_is_looked_for_again_when_an_event_is_postponed(
    bench: AccountsBench,
) {
    let event = bench.event(9).await;
    let (alice, bob) = (bench.user().await, bench.user().await);
    let booking = bench.book(alice, event, 2).await;
    bench.book(bob, event, 1).await;
    bench.start_at(event, past()).await;
    bench.erase(alice).await;
    // Twice, because a store may forget whom it has looked at.
    for _ in 0..2 {
        assert_eq!(to_be_cancelled(&bench, 10).await, []);
    }
    // To another past, and then ahead.
    bench
        .start_at(event, past() + chrono::TimeDelta::days(1))
        .await;
    assert_eq!(to_be_cancelled(&bench, 10).await, []);
    bench.start_at(event, crate::values::future()).await;
    assert_eq!(to_be_cancelled(&bench, 10).await, [booking]);
    let cancelled = cancel_bookings_of_erased(bench.accounts(), bench.bookings(), &NoGate).await;
    assert_eq!(cancelled.expect("done"), 1);
    assert_eq!(to_be_cancelled(&bench, 10).await, []);
    assert_eq!(bench.seats_left(event).await, 8);
    bench.assert_adds_up(event).await;
}
