use domain::model::{BookingId, SeatCount, UserId};

use super::*;

fn event(id: i64) -> EventId {
    EventId::try_new(id).expect("positive")
}

fn seats(count: i64) -> Capacity {
    Capacity::try_new(count).expect("in range")
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn tallies(hottest: &Hottest) -> Vec<(i64, u32, u32)> {
    let events = hottest.events.iter();
    events
        .map(|event| {
            let Tally { booked, refused } = event.tally;
            (event.event_id.get(), booked, refused)
        })
        .collect()
}

#[test]
fn who_is_asked_for_most_comes_first_and_who_is_not_any_more_last() {
    let events = HotEvents::new();
    let mut counting = events.lock();
    counting.booked(event(1), ms(100));
    for _ in 0..3 {
        counting.refused(event(2), None, ms(900));
    }
    counting.booked(event(3), ms(1_200));
    counting.booked(event(3), ms(2_000));
    let hottest = counting.hottest(10, ms(4_999));
    assert_eq!(tallies(&hottest), [(2, 0, 3), (3, 2, 0), (1, 1, 0)]);
    assert_eq!(hottest.window, ms(4_999));
    // The first second is over and forgotten, the events are not.
    let hottest = counting.hottest(10, ms(5_250));
    assert_eq!(tallies(&hottest), [(3, 2, 0), (1, 0, 0), (2, 0, 0)]);
    assert_eq!(hottest.window, ms(4_250));
    assert_eq!(tallies(&counting.hottest(1, ms(5_250))), [(3, 2, 0)]);
}

#[test]
fn a_second_is_counted_for_as_long_as_it_is_one_of_the_last() {
    let events = HotEvents::new();
    let mut counting = events.lock();
    // One in each second; whatever was in a place of the ring before is gone.
    for second in 0..20 {
        counting.booked(event(1), Duration::from_secs(second));
        let expected = u32::try_from(second + 1).expect("small").min(5);
        let hottest = counting.hottest(1, Duration::from_secs(second));
        assert_eq!(tallies(&hottest), [(1, expected, 0)], "second {second}");
    }
    for (second, expected) in [(19, 5), (20, 4), (22, 2), (23, 1), (24, 0), (1_000, 0)] {
        let hottest = counting.hottest(1, Duration::from_secs(second));
        assert_eq!(tallies(&hottest), [(1, expected, 0)], "second {second}");
    }
    // Long silent, then asked for again.
    counting.booked(event(1), Duration::from_secs(1_001));
    let hottest = counting.hottest(1, Duration::from_secs(1_001));
    assert_eq!(tallies(&hottest), [(1, 1, 0)]);
}

#[test]
fn the_busiest_are_not_forgotten_however_many_others_come() {
    let events = HotEvents::new();
    let mut counting = events.lock();
    let busiest: Vec<i64> = (1..=200).collect();
    for id in &busiest {
        counting.booked(event(*id), ms(0));
        counting.booked(event(*id), ms(0));
    }
    for id in 1_000..21_000 {
        counting.refused(event(id), None, ms(10));
        assert!(counting.0.len() <= EVENTS_MAX);
    }
    let hottest = counting.hottest(busiest.len(), ms(20));
    let mut found: Vec<i64> = hottest
        .events
        .iter()
        .map(|event| event.event_id.get())
        .collect();
    found.sort_unstable();
    assert_eq!(found, busiest);
    // Nor is who comes late, since they have room until others have come.
    counting.booked(event(99_999), ms(30));
    counting.booked(event(99_999), ms(30));
    for id in 30_000..31_000 {
        counting.booked(event(id), ms(40));
    }
    assert!(counting.0.contains_key(&event(99_999)));
}

#[test]
fn what_a_batch_left_counts_until_the_gate_knows_better() {
    let events = HotEvents::new();
    let seats_left = |ms_now| events.lock().hottest(1, ms(ms_now)).events[0].seats_left;
    events.lock().booked(event(1), ms(0));
    assert_eq!(seats_left(0), None, "nobody has told");
    events.lock().refused(event(1), Some(seats(7)), ms(100));
    assert_eq!(seats_left(150), Some((seats(7), ms(50))), "by the gate");

    let told = BTreeMap::from([(event(1), seats(5))]);
    SeatsWatch::seats_left(&events, &told);
    let since = |ms| events.uptime() + Duration::from_millis(ms);
    let left = |now| events.lock().hottest(1, now).events[0].seats_left;
    let late = events.uptime();
    events.lock().refused(event(1), Some(seats(9)), late);
    assert_eq!(left(late).map(|(left, _)| left), Some(seats(5)));
    let later = since(2_000);
    events.lock().refused(event(1), Some(seats(0)), later);
    assert_eq!(left(later), Some((seats(0), ms(0))), "others sold the rest");
}

#[test]
fn only_what_says_something_of_an_event_on_sale_is_counted() {
    let event_id = event(1);
    let user_id = UserId::try_new(1).expect("positive");
    let booked = |replayed| {
        Ok(Booked {
            booking_id: BookingId::try_new(1).expect("positive"),
            user_id,
            event_id,
            seats: SeatCount::ONE,
            replayed,
        })
    };
    let sold_out = BookError::NotEnoughSeats {
        event_id,
        seats_left: Capacity::NONE,
        seats_requested: SeatCount::ONE,
    };
    for (booking, expected) in [
        (booked(false), &[(1, 1, 0)][..]),
        (booked(true), &[]),
        (Err(sold_out), &[(1, 0, 1)]),
        (Err(BookError::SalesPaused(event_id)), &[(1, 0, 1)]),
        (Err(BookError::EventStarted(event_id)), &[(1, 0, 1)]),
        (Err(BookError::EventNotFound(event_id)), &[]),
        (Err(BookError::UserNotFound(user_id)), &[]),
        (Err(domain::ports::StoreError::Busy("x".into()).into()), &[]),
    ] {
        let events = HotEvents::new();
        events.decided(event_id, &booking);
        assert_eq!(tallies(&events.hottest(10)), expected, "{booking:?}");
    }
}
