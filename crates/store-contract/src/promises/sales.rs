//! The sales report.

use domain::model::{EventId, EventSales, Listing, Page, Pointed, TopSellers};

use crate::Bench;
use crate::paging::assert_every_page_size;
use crate::parallel::parallel;
use crate::values::{capacity, limit, name, odd_texts, past};

async fn page(bench: &Bench, page: Page<TopSellers>) -> Listing<EventSales> {
    bench.sales().report(page).await.expect("the report").events
}

/// Events with so many bookings each, of one seat out of ten.
async fn sold(bench: &Bench, bookings: &[i64]) -> Vec<EventId> {
    let user = bench.user().await;
    let mut events = Vec::new();
    for count in bookings {
        let event = bench.event(10).await;
        for _ in 0..*count {
            bench.book(user, event, 1).await;
        }
        events.push(event);
    }
    events
}

fn ids(figures: &[EventSales]) -> Vec<EventId> {
    figures.iter().map(|sales| sales.event_id).collect()
}

pub async fn a_report_without_events_is_empty(bench: Bench) {
    assert_eq!(bench.report().await, (0, vec![]));
}

pub async fn figures_follow_bookings_cancellations_and_resizes(bench: Bench) {
    let (user, event) = (bench.user().await, bench.event(10).await);
    let mut expected = EventSales {
        event_id: event,
        name: bench.find_event(event).await.name().clone(),
        confirmed_bookings: 0,
        capacity: capacity(10),
        seats_available: capacity(10),
    };
    assert_eq!(bench.report().await, (0, vec![expected.clone()]));
    let booking = bench.book(user, event, 3).await;
    bench.book(user, event, 1).await;
    expected.confirmed_bookings = 2;
    expected.seats_available = capacity(6);
    assert_eq!(bench.report().await, (2, vec![expected.clone()]));
    for _ in 0..2 {
        bench.cancel(booking).await;
        expected.confirmed_bookings = 1;
        expected.seats_available = capacity(9);
        assert_eq!(bench.report().await, (1, vec![expected.clone()]));
    }
    bench.resize(event, 4).await.expect("resized");
    expected.capacity = capacity(4);
    expected.seats_available = capacity(3);
    assert_eq!(bench.report().await, (1, vec![expected]));
}

pub async fn a_refusal_and_a_replay_change_no_figure(bench: Bench) {
    let (user, event) = (bench.user().await, bench.event(2).await);
    for _ in 0..2 {
        bench
            .try_book_once(user, event, 1, "key")
            .await
            .expect("booked");
        bench.try_book(user, event, 2).await.expect_err("1 is left");
        let (total, figures) = bench.report().await;
        assert_eq!((total, figures[0].confirmed_bookings), (1, 1));
        assert_eq!(figures[0].confirmed_seats(), capacity(1));
    }
}

pub async fn most_booked_come_first_and_equal_figures_by_falling_id(bench: Bench) {
    let events = sold(&bench, &[1, 3, 0, 1, 2, 0, 3]).await;
    let (total, figures) = bench.report().await;
    assert_eq!(total, 10);
    let order = [6, 1, 4, 3, 0, 5, 2].map(|index: usize| events[index]);
    assert_eq!(ids(&figures), order);
    assert_every_page_size(&figures, |wanted| page(&bench, wanted)).await;
}

pub async fn every_page_has_the_sum_over_all_events(bench: Bench) {
    sold(&bench, &[1, 3, 2]).await;
    let mut wanted = Page::first(limit(1));
    for _ in 0..3 {
        let report = bench.sales().report(wanted).await.expect("the report");
        assert_eq!(report.confirmed_bookings_total, 6);
        assert_eq!(report.events.entries.len(), 1);
        wanted.after = report.events.next;
    }
    assert_eq!(wanted.after, None);
}

pub async fn events_that_started_are_in_the_report(bench: Bench) {
    let events = sold(&bench, &[1, 2]).await;
    bench.start_at(events[0], past()).await;
    let (total, figures) = bench.report().await;
    assert_eq!((total, ids(&figures)), (3, vec![events[1], events[0]]));
}

pub async fn the_report_shows_an_event_under_its_present_name(bench: Bench) {
    let event = bench.event(1).await;
    for text in odd_texts() {
        let change = domain::model::EventChange {
            name: Some(name(&text)),
            ..Default::default()
        };
        bench.change(event, change).await.expect("changed");
        assert_eq!(bench.report().await.1[0].name, name(&text));
    }
}

pub async fn deletions_between_pages_neither_repeat_nor_skip_a_figure(bench: Bench) {
    let events = sold(&bench, &[0, 0, 0, 0, 0, 0]).await;
    let first = page(&bench, Page::first(limit(3))).await;
    assert_eq!(ids(&first.entries), [events[5], events[4], events[3]]);
    for gone in [2, 3, 4] {
        bench.delete(events[gone]).await;
    }
    let wanted = Page {
        limit: limit(2),
        after: first.next,
    };
    let rest = page(&bench, wanted).await;
    assert_eq!(
        (ids(&rest.entries), rest.next),
        (vec![events[1], events[0]], None)
    );
}

pub async fn any_place_in_the_report_is_accepted(bench: Bench) {
    sold(&bench, &[1, 2, 2, 0]).await;
    let (_, figures) = bench.report().await;
    for confirmed_bookings in [i64::MIN, -1, 0, 1, 2, 3, i64::MAX] {
        for id in [i64::MIN, 0, figures[1].event_id.get(), i64::MAX] {
            let after = TopSellers {
                confirmed_bookings,
                id,
            };
            let expected: Vec<_> = figures
                .iter()
                .filter(|entry| entry.cursor() < after)
                .cloned()
                .collect();
            let wanted = Page {
                limit: limit(100),
                after: Some(after),
            };
            let got = page(&bench, wanted).await;
            assert_eq!((got.entries, got.next), (expected, None), "{after:?}");
        }
    }
}

pub async fn parallel_bookings_of_many_events_are_all_counted(bench: Bench) {
    let user = bench.user().await;
    let mut events = Vec::new();
    for _ in 0..8 {
        events.push(bench.event(100).await);
    }
    let bookings = parallel(64, |number| {
        let bench = bench.clone();
        let event = events[number % 8];
        async move { bench.book(user, event, 1).await }
    })
    .await;
    assert_eq!(bench.report().await.0, 64);
    parallel(32, |number| {
        let bench = bench.clone();
        let booking = bookings[number];
        async move { bench.cancel(booking).await }
    })
    .await;
    assert_eq!(bench.report().await.0, 32);
    for event in events {
        bench.assert_adds_up(event).await;
    }
}
