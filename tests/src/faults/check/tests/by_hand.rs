//! One promise each.

use super::{Ask, EVENT, Outcome, Promise, Tale, booked, replayed, wish};

#[test]
fn a_booking_a_read_and_a_cancellation_hold() {
    Tale::of(2)
        .book(1, 4, 7, booked(1))
        .read(2, 3, 2, 1)
        .read(5, 6, 2, 1)
        .cancel(7, 9, 1, Outcome::Cancelled)
        .read(10, 11, 2, 2)
        .row(1, 7)
        .cancelled(1)
        .holds();
}

#[test]
fn an_answered_booking_without_a_row_is_lost() {
    Tale::of(2)
        .book(1, 2, 7, booked(1))
        .breaks(Promise::NothingLost);
}

#[test]
fn an_answered_booking_with_another_row_is_lost() {
    let mut tale = Tale::of(2).book(1, 2, 7, booked(1)).row(1, 7);
    tale.books.bookings.get_mut(&1).expect("a row").seats = 2;
    tale.event().available = 0;
    tale.breaks(Promise::NothingLost);
}

#[test]
fn an_unanswered_booking_may_be_there_or_not_but_not_twice() {
    let unanswered = Tale::of(2).book(1, 2, 7, Outcome::Unknown);
    unanswered.holds();
    let made = unanswered.row(1, 7);
    made.holds();
    made.row(2, 7).breaks(Promise::AskedFor);
}

#[test]
fn an_unanswered_booking_may_be_made_long_after_it_was_given_up() {
    Tale::of(2)
        .book(1, 2, 7, Outcome::Unknown)
        .read(10, 11, 2, 2)
        .read(20, 21, 2, 1)
        .row(1, 7)
        .holds();
}

#[test]
fn a_refused_booking_or_one_of_nobody_must_not_be_there() {
    for outcome in [Outcome::NothingDone, Outcome::NotFound, Outcome::Started] {
        let refused = Tale::of(2).book(1, 2, 7, outcome).row(1, 7);
        refused.breaks(Promise::AskedFor);
    }
    Tale::of(2).row(1, 7).breaks(Promise::AskedFor);
}

#[test]
fn more_seats_than_there_are_is_oversold() {
    let tale = Tale::of(1)
        .book(1, 2, 7, booked(1))
        .book(3, 4, 8, booked(2))
        .row(1, 7)
        .row(2, 8);
    tale.breaks(Promise::NotOversold);
    // Even if it has gone by the time of the last look.
    let tale = tale.cancel(5, 6, 2, Outcome::Cancelled).cancelled(2);
    assert_eq!(tale.clone().event().available, 0);
    tale.breaks_in_order(Promise::Explained);
    super::assert_broken(&tale.long().verdict(), Promise::NotOversold);
}

#[test]
fn a_read_after_an_answer_must_show_what_was_answered() {
    Tale::of(2)
        .book(1, 2, 7, booked(1))
        .read(3, 4, 2, 2)
        .row(1, 7)
        .breaks(Promise::Explained);
    Tale::of(2)
        .read(1, 2, 2, 1)
        .book(3, 4, 7, booked(1))
        .row(1, 7)
        .breaks(Promise::Explained);
}

#[test]
fn reads_one_after_the_other_do_not_go_back_in_time() {
    Tale::of(2)
        .book(1, 20, 7, booked(1))
        .read(2, 3, 2, 1)
        .read(4, 5, 2, 2)
        .row(1, 7)
        .breaks_in_order(Promise::Explained);
    // The other way round it was made in between.
    Tale::of(2)
        .book(1, 20, 7, booked(1))
        .read(2, 3, 2, 2)
        .read(4, 5, 2, 1)
        .row(1, 7)
        .holds();
}

#[test]
fn a_read_that_takes_some_of_two_bookings_but_never_a_third() {
    let two = |available| {
        Tale::of(5)
            .book(1, 20, 7, booked(1))
            .book(1, 20, 8, booked(2))
            .read(2, 3, 5, available)
            .row(1, 7)
            .row(2, 8)
    };
    for available in 3..=5 {
        two(available).holds();
    }
    for available in [2, 6] {
        two(available).breaks(Promise::Explained);
    }
}

#[test]
fn a_booking_reads_as_what_it_is() {
    let see = |start, confirmed| {
        Tale::of(2)
            .book(1, 2, 7, booked(1))
            .cancel(10, 20, 1, Outcome::Cancelled)
            .call(
                start,
                start + 1,
                Ask::ReadBooking {
                    event: EVENT,
                    booking: 1,
                },
                Outcome::SeenBooking { confirmed },
            )
            .row(1, 7)
            .cancelled(1)
    };
    see(5, true).holds();
    see(5, false).breaks(Promise::Explained);
    see(15, true).holds();
    see(15, false).holds();
    see(25, false).holds();
    see(25, true).breaks(Promise::Explained);
}

#[test]
fn seats_that_come_back_twice_do_not_add_up() {
    let mut tale = Tale::of(3)
        .book(1, 2, 7, booked(1))
        .book(1, 2, 8, booked(2))
        .cancel(3, 4, 1, Outcome::Cancelled)
        .cancel(3, 4, 1, Outcome::Cancelled)
        .row(1, 7)
        .row(2, 8)
        .cancelled(1);
    tale.holds();
    tale.event().available = 3;
    tale.breaks(Promise::FiguresAddUp);
}

#[test]
fn figures_that_are_kept_follow_from_the_bookings() {
    let tale = Tale::of(3).book(1, 2, 7, booked(1)).row(1, 7);
    let mut sales = tale.clone();
    sales.books.sales.insert(EVENT, 2);
    sales.books.total = 2;
    sales.breaks(Promise::FiguresAddUp);
    let mut total = tale.clone();
    total.books.total = 0;
    total.breaks(Promise::FiguresAddUp);
    tale.key(7, 2).breaks(Promise::FiguresAddUp);
}

#[test]
fn a_cancellation_holds_and_nobody_else_cancels() {
    let tale = Tale::of(2).book(1, 2, 7, booked(1)).row(1, 7);
    let answered = tale.clone().cancel(3, 4, 1, Outcome::Cancelled);
    answered.breaks(Promise::ChangesHold);
    answered.cancelled(1).holds();
    let unanswered = tale.clone().cancel(3, 4, 1, Outcome::Unknown);
    unanswered.holds();
    unanswered.cancelled(1).holds();
    tale.cancelled(1).breaks(Promise::ChangesHold);
}

#[test]
fn an_event_is_deleted_if_somebody_asked_for_it() {
    let gone = |mut tale: Tale| {
        tale.event().deleted = true;
        tale.books.sales.clear();
        tale.books.total = 0;
        tale
    };
    let delete = |outcome| Tale::of(2).call(3, 4, Ask::Delete { event: EVENT }, outcome);
    gone(delete(Outcome::Deleted)).verdict_holds();
    gone(delete(Outcome::Unknown)).verdict_holds();
    delete(Outcome::Unknown).holds();
    delete(Outcome::Deleted).breaks(Promise::ChangesHold);
    gone(Tale::of(2)).breaks_in_order(Promise::ChangesHold);
    let after = gone(delete(Outcome::Deleted).read(5, 6, 2, 2));
    after.breaks_in_order(Promise::Explained);
}

impl Tale {
    /// A deleted event can be read no more, so there is no long form.
    #[track_caller]
    fn verdict_holds(&self) {
        assert_eq!(self.verdict().violations, [], "{self:?}");
    }
}

#[test]
fn a_capacity_holds_until_the_next_one() {
    let resize = |start: u64, capacity, outcome| {
        move |tale: Tale| {
            tale.call(
                start,
                start + 1,
                Ask::Resize {
                    event: EVENT,
                    capacity,
                },
                outcome,
            )
        }
    };
    let resized = |available| Outcome::Resized { available };
    let ends_with = |mut tale: Tale, capacity: i64| {
        let sold = tale.event().capacity - tale.event().available;
        tale.event().capacity = capacity;
        tale.event().available = capacity - sold;
        tale
    };
    let booked = || Tale::of(2).book(1, 2, 7, booked(1)).row(1, 7);
    ends_with(resize(3, 5, resized(4))(booked()), 5).holds();
    ends_with(resize(3, 5, resized(5))(booked()), 5).breaks(Promise::Explained);
    ends_with(resize(3, 5, Outcome::Unknown)(booked()), 5).holds();
    resize(3, 5, Outcome::Unknown)(booked()).holds();
    resize(3, 5, resized(4))(booked()).breaks(Promise::Explained);
    resize(3, 0, Outcome::BelowConfirmed)(booked()).holds();
    resize(3, 1, Outcome::BelowConfirmed)(booked()).breaks_in_order(Promise::Explained);
}

#[test]
fn a_refusal_needs_seats_that_are_sold_or_under_way() {
    let refused = |tale: Tale| tale.book(10, 11, 9, Outcome::NotEnoughSeats);
    refused(Tale::of(1)).breaks(Promise::RefusalsExplained);
    refused(Tale::of(1).trouble_elsewhere()).breaks(Promise::RefusalsExplained);
    refused(Tale::of(1).trouble(5, 10)).holds();
    refused(Tale::of(1).trouble(5, 9)).breaks(Promise::RefusalsExplained);
    refused(Tale::of(1).book(1, 2, 7, booked(1)).row(1, 7)).holds();
    // Somebody held the seat for a while and did not buy it.
    for outcome in [Outcome::NothingDone, Outcome::NotEnoughSeats] {
        let other = |start, end| {
            Tale::of(1)
                .book(start, end, 7, outcome.clone())
                .trouble(1, 9)
        };
        refused(other(1, 10)).holds();
        refused(other(1, 9)).breaks(Promise::RefusalsExplained);
    }
    // One of two copies that nobody waited for was the sale; the other one may hold a
    // seat too. Alone, it was the sale and holds no other.
    let copies = |tale: Tale| tale.book_keyed(1, 2, 7, Outcome::Unknown);
    let sold = |tale: Tale| tale.row(1, 7).key(7, 1);
    refused(sold(copies(copies(Tale::of(2))))).holds();
    refused(sold(copies(Tale::of(2)))).breaks(Promise::RefusalsExplained);
    // The same wish was sent twice, and the second one held a seat as well.
    let twice = |second| {
        Tale::of(2)
            .book_keyed(1, 2, 7, booked(1))
            .book_keyed(1, 2, 7, second)
            .row(1, 7)
            .key(7, 1)
    };
    refused(twice(Outcome::Unknown)).holds();
    refused(twice(replayed(1))).breaks(Promise::RefusalsExplained);
    // It came back before.
    let returned = Tale::of(1)
        .book(1, 2, 7, booked(1))
        .cancel(3, 4, 1, Outcome::Cancelled)
        .row(1, 7)
        .cancelled(1);
    refused(returned).breaks(Promise::RefusalsExplained);
    // It was cancelled twice at once: one of the answers comes before the seat is back.
    let cancelled_twice = |start, end| {
        Tale::of(1)
            .book(1, 2, 7, booked(1))
            .cancel(3, 4, 1, Outcome::Cancelled)
            .cancel(start, end, 1, Outcome::Cancelled)
            .row(1, 7)
            .cancelled(1)
    };
    refused(cancelled_twice(4, 10)).holds();
    refused(cancelled_twice(4, 9)).breaks(Promise::RefusalsExplained);
    refused(cancelled_twice(5, 10)).breaks(Promise::RefusalsExplained);
}

#[test]
fn the_store_refuses_only_what_it_has_not_got() {
    let refused = |tale: Tale| tale.book_keyed(10, 11, 9, Outcome::NotEnoughSeats);
    let taken = Tale::of(1).book(1, 2, 7, booked(1)).row(1, 7);
    refused(taken).holds();
    // The gate may have been wrong, but who has a key is asked of the store.
    refused(Tale::of(1).trouble(0, 20)).breaks_in_order(Promise::Explained);
}

#[test]
fn a_key_has_one_effect() {
    let twice = |one, two| {
        Tale::of(5)
            .book_keyed(1, 4, 7, one)
            .book_keyed(2, 6, 7, two)
            .row(1, 7)
            .key(7, 1)
    };
    twice(booked(1), replayed(1)).holds();
    twice(Outcome::Unknown, replayed(1)).holds();
    twice(Outcome::Unknown, Outcome::Unknown).holds();
    twice(booked(1), booked(1)).breaks(Promise::OneEffectPerKey);
    twice(replayed(1), replayed(1)).breaks(Promise::OneEffectPerKey);
    let two = twice(booked(1), booked(2)).row(2, 7);
    two.breaks(Promise::OneEffectPerKey);
    let mut unbound = twice(booked(1), replayed(1));
    unbound.books.keys.clear();
    unbound.breaks(Promise::OneEffectPerKey);
}

#[test]
fn a_repeated_answer_comes_after_the_booking() {
    Tale::of(5)
        .book_keyed(1, 2, 7, replayed(1))
        .book_keyed(3, 4, 7, booked(1))
        .row(1, 7)
        .key(7, 1)
        .breaks_in_order(Promise::Explained);
}

#[test]
fn an_answer_that_is_not_documented_is_wrong() {
    Tale::of(5)
        .call(1, 2, wish(7, false), Outcome::Unexpected("500".to_owned()))
        .breaks(Promise::Answers);
}
