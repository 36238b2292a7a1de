//! Answers against rows: what was promised is there, what is there was asked
//! for, and the figures follow from the bookings. Needs no times.

use std::collections::BTreeMap;

use super::{Promise, Violation};
use crate::faults::books::{BookingRow, Books};
use crate::faults::history::{Ask, Call, History, Outcome};

pub(super) fn check(history: &History, books: &Books, violations: &mut Vec<Violation>) {
    for call in &history.calls {
        if let Outcome::Unexpected(what) = &call.outcome {
            violations.push(Promise::Answers.broken(format!("{:?}: {what}", call.ask)));
        }
    }
    bookings(history, books, violations);
    changes(history, books, violations);
    let events = history.published.keys().copied();
    figures(events, books, violations);
}

/// All that one user asked for: one wish, perhaps sent several times.
#[derive(Default)]
struct Wish<'h> {
    calls: Vec<&'h Call>,
    rows: Vec<(i64, BookingRow)>,
}

fn bookings(history: &History, books: &Books, violations: &mut Vec<Violation>) {
    let mut wishes: BTreeMap<i64, Wish<'_>> = BTreeMap::new();
    for call in &history.calls {
        if let Ask::Book { user, .. } = call.ask {
            wishes.entry(user).or_default().calls.push(call);
        }
    }
    for (&id, &row) in &books.bookings {
        wishes.entry(row.user).or_default().rows.push((id, row));
    }
    for (&user, wish) in &wishes {
        answered(wish, books, violations);
        asked_for(wish, violations);
        if wish.calls.iter().any(|call| is_keyed(call)) {
            one_effect(user, wish, books, violations);
        }
    }
    for (user, key) in &books.keys {
        let stands_for = books
            .bookings
            .get(&key.booking)
            .is_some_and(|row| (row.user, row.event, row.seats) == (*user, key.event, key.seats));
        if !stands_for {
            let what = format!("the key of user {user} stands for no booking: {key:?}");
            violations.push(Promise::FiguresAddUp.broken(what));
        }
    }
}

/// Every 201 is a row, as it was asked for.
fn answered(wish: &Wish<'_>, books: &Books, violations: &mut Vec<Violation>) {
    for call in &wish.calls {
        let Outcome::Booked { booking, .. } = call.outcome else {
            continue;
        };
        match books.bookings.get(&booking) {
            None => violations.push(
                Promise::NothingLost.broken(format!("booking {booking} is lost: {:?}", call.ask)),
            ),
            Some(row) if !is_of(call, row) => violations.push(Promise::NothingLost.broken(
                format!("booking {booking} is {row:?}, asked for was {:?}", call.ask),
            )),
            Some(_) => {}
        }
    }
}

/// Every row was asked for by a call that may have made it, and no wish has two.
fn asked_for(wish: &Wish<'_>, violations: &mut Vec<Violation>) {
    for (id, row) in &wish.rows {
        let may_have_made_it = |call: &&&Call| match call.outcome {
            Outcome::Booked { booking, .. } => booking == *id,
            _ => call.is_unknown() && is_of(call, row),
        };
        if !wish.calls.iter().any(|call| may_have_made_it(&call)) {
            let what = format!("nobody was told of booking {id}: {row:?}");
            violations.push(Promise::AskedFor.broken(what));
        }
    }
    if let [_, _, ..] = wish.rows[..] {
        let what = format!("one wish, several bookings: {:?}", wish.rows);
        violations.push(Promise::AskedFor.broken(what));
    }
}

/// One booking for the key, which is told once, and then repeated.
fn one_effect(user: i64, wish: &Wish<'_>, books: &Books, violations: &mut Vec<Violation>) {
    let mut broken = |what: String| violations.push(Promise::OneEffectPerKey.broken(what));
    let mut ids: Vec<i64> = Vec::new();
    let mut first_answers = 0;
    for call in &wish.calls {
        if let Outcome::Booked { booking, replayed } = call.outcome {
            ids.push(booking);
            first_answers += usize::from(!replayed);
        }
    }
    ids.sort_unstable();
    ids.dedup();
    if ids.len() > 1 {
        broken(format!("the key of user {user} was answered {ids:?}"));
    }
    if first_answers > 1 {
        broken(format!(
            "{first_answers} answers for the key of user {user} claim to be the first"
        ));
    }
    if !ids.is_empty() && first_answers == 0 && !wish.calls.iter().any(|call| call.is_unknown()) {
        broken(format!("nobody heard what the key of user {user} repeats"));
    }
    let bound = books.keys.get(&user).map(|key| key.booking);
    let made = wish.rows.first().map(|(id, _)| *id);
    if bound != made {
        broken(format!(
            "the key of user {user} stands for {bound:?}, the booking is {made:?}"
        ));
    }
}

fn changes(history: &History, books: &Books, violations: &mut Vec<Violation>) {
    let mut cancelled: BTreeMap<i64, bool> = BTreeMap::new();
    let mut deleted: BTreeMap<i64, bool> = BTreeMap::new();
    for call in &history.calls {
        let is_certain = !call.is_unknown();
        match (&call.ask, &call.outcome) {
            (Ask::Cancel { booking, .. }, Outcome::Cancelled | Outcome::Unknown) => {
                *cancelled.entry(*booking).or_default() |= is_certain;
            }
            (Ask::Delete { event }, Outcome::Deleted | Outcome::Unknown) => {
                *deleted.entry(*event).or_default() |= is_certain;
            }
            _ => {}
        }
    }
    let mut broken = |what: String| violations.push(Promise::ChangesHold.broken(what));
    let is_deleted = |event: i64| books.events.get(&event).is_none_or(|event| event.deleted);
    for (id, row) in &books.bookings {
        match (cancelled.get(id), row.confirmed) {
            (Some(true), true) if !is_deleted(row.event) => {
                broken(format!("booking {id} was cancelled, the row says {row:?}"));
            }
            (None, false) if !is_deleted(row.event) => {
                broken(format!("nobody cancelled booking {id}: {row:?}"));
            }
            _ => {}
        }
    }
    for &event in history.published.keys() {
        match (deleted.get(&event), is_deleted(event)) {
            (Some(true), false) => broken(format!("event {event} was deleted and is there")),
            (None, true) => broken(format!("nobody deleted event {event}")),
            _ => {}
        }
    }
}

/// Seats left, figures and the total follow from the bookings.
pub(super) fn figures(
    events: impl IntoIterator<Item = i64>,
    books: &Books,
    violations: &mut Vec<Violation>,
) {
    let mut confirmed: BTreeMap<i64, (i64, i64)> = BTreeMap::new();
    for row in books.bookings.values().filter(|row| row.confirmed) {
        let (bookings, seats) = confirmed.entry(row.event).or_default();
        *bookings += 1;
        *seats += row.seats;
    }
    for id in events {
        let Some(event) = books.events.get(&id).filter(|event| !event.deleted) else {
            continue;
        };
        let (bookings, seats) = confirmed.get(&id).copied().unwrap_or_default();
        if seats > event.capacity {
            let what = format!("event {id} has {seats} seats sold: {event:?}");
            violations.push(Promise::NotOversold.broken(what));
        }
        if event.available != event.capacity - seats {
            let what = format!("event {id} has {seats} seats sold: {event:?}");
            violations.push(Promise::FiguresAddUp.broken(what));
        }
        let kept = books.sales.get(&id).copied().unwrap_or_default();
        if kept != bookings {
            let what = format!("event {id} has {bookings} bookings, event_sales says {kept}");
            violations.push(Promise::FiguresAddUp.broken(what));
        }
    }
    let total: i64 = books.sales.values().sum();
    if books.total != total {
        let what = format!(
            "event_sales has {total} bookings in all, booking_totals {}",
            books.total
        );
        violations.push(Promise::FiguresAddUp.broken(what));
    }
}

fn is_keyed(call: &Call) -> bool {
    matches!(call.ask, Ask::Book { keyed: true, .. })
}

fn is_of(call: &Call, row: &BookingRow) -> bool {
    matches!(call.ask, Ask::Book { user, event, seats, .. }
        if (user, event, seats) == (row.user, row.event, row.seats))
}
