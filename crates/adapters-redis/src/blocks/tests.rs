//! The accounts of blocks, without Redis and with a clock of their own.

use super::*;

const LIFE: Duration = Duration::from_millis(100);
const LEASE_TTL: Duration = Duration::from_secs(60);

fn event_id() -> EventId {
    EventId::try_new(1).expect("positive")
}

fn id(bits: u128) -> ReservationId {
    ReservationId::from_random_bits(bits)
}

fn key(bits: u128) -> Key {
    (event_id(), id(bits))
}

/// With a block that came at this instant.
fn with_block() -> (Blocks, Instant) {
    let now = Instant::now();
    let mut blocks = Blocks::new(LIFE, LEASE_TTL, now);
    blocks.wanted(event_id(), id(1000));
    let ends_at = blocks.granted(event_id(), id(1000), now);
    assert_eq!(ends_at, Some(now + LIFE));
    (blocks, now)
}

fn trim(block: u128, from: i64, to: i64, back: i64) -> Trim {
    Trim {
        event_id: event_id(),
        block: id(block),
        from,
        to,
        back,
    }
}

#[test]
fn a_block_is_wanted_by_a_crowd_once() {
    let now = Instant::now();
    let mut blocks = Blocks::new(LIFE, LEASE_TTL, now);
    for bits in 1..CROWD as u128 {
        let taken = blocks.take(key(bits), 1, now);
        assert!(!taken.granted && !taken.wants_block, "{bits}");
    }
    assert!(blocks.take(key(90), 1, now).wants_block);
    blocks.wanted(event_id(), id(1000));
    assert!(!blocks.take(key(91), 1, now).wants_block, "on its way");
    blocks.refused(event_id(), id(1000));
    assert!(blocks.take(key(92), 1, now).wants_block, "again");
    assert!(!blocks.take(key(93), SEATS_MAX + 1, now).wants_block);
}

#[test]
fn who_has_been_answered_is_no_crowd() {
    let now = Instant::now();
    let mut blocks = Blocks::new(LIFE, LEASE_TTL, now);
    for bits in 1..100 {
        let taken = blocks.take(key(bits), 1, now);
        assert!(!taken.granted && !taken.wants_block, "{bits}");
        blocks.answered(key(bits), true);
    }
    assert!(blocks.events.is_empty() && blocks.asked.young.is_empty());
}

#[test]
fn the_next_block_is_wanted_at_half_and_follows_without_a_gap() {
    let (mut blocks, now) = with_block();
    let half = (1..=u128::MAX).find(|bits| blocks.take(key(*bits), 1, now).wants_block);
    assert_eq!(half, Some(BLOCK_SEATS as u128 / 2));
    blocks.wanted(event_id(), id(1001));
    blocks.granted(event_id(), id(1001), now).expect("wanted");
    for bits in 200..200 + BLOCK_SEATS as u128 {
        assert!(blocks.take(key(bits), 1, now).granted, "{bits}");
    }
    assert_eq!(blocks.blocks.len(), 2);
    assert!(!blocks.blocks[&id(1000)].live && blocks.blocks[&id(1001)].live);
}

#[test]
fn a_block_gives_what_it_has_and_as_long_as_it_lives() {
    let (mut blocks, now) = with_block();
    let mut given = 0;
    for bits in 0.. {
        let taken = blocks.take(key(bits), 10, now);
        if !taken.granted {
            assert_eq!(taken.trim, Some(trim(1000, BLOCK_SEATS, given, 6)));
            break;
        }
        given += 10;
    }
    assert_eq!(given, 250);
    let (mut blocks, now) = with_block();
    let soon = now + LIFE - Duration::from_nanos(1);
    assert!(blocks.take(key(1), 1, soon).granted);
    let late = blocks.take(key(2), 1, now + LIFE);
    assert!(!late.granted);
    assert_eq!(late.trim, Some(trim(1000, BLOCK_SEATS, 1, BLOCK_SEATS - 1)));
}

#[test]
fn the_last_one_under_way_ends_the_lease_of_a_block_that_is_over() {
    let (mut blocks, now) = with_block();
    for bits in 1..=3 {
        blocks.take(key(bits), 2, now);
    }
    assert_eq!(blocks.settle(key(1)), Some(None));
    let over = now + LIFE;
    assert_eq!(blocks.end_due(over), [trim(1000, 256, 4, 250)]);
    assert_eq!(blocks.end_due(over), []);
    assert_eq!(
        blocks.release(key(2), over),
        Some(Some(trim(1000, 4, 2, 2)))
    );
    assert_eq!(blocks.settle(key(3)), Some(Some(trim(1000, 2, 0, 0))));
    assert_eq!(blocks.settle(key(3)), None);
    assert!(blocks.is_empty() && blocks.events.is_empty());
}

#[test]
fn a_block_given_up_on_its_way_is_never_used() {
    let (mut blocks, now) = with_block();
    blocks.wanted(event_id(), id(1001));
    let all = [unused(event_id(), id(1001)), unused(event_id(), id(1000))];
    assert_eq!(blocks.end_event(event_id()), all);
    assert_eq!(blocks.granted(event_id(), id(1001), now), None);
    assert!(!blocks.take(key(1), 1, now).granted);
}

#[test]
fn who_does_not_come_back_within_a_lease_has_none_any_more() {
    let (mut blocks, now) = with_block();
    let last = now + LIFE - Duration::from_nanos(1);
    for bits in 1..=2 {
        assert!(blocks.take(key(bits), 3, last).granted);
    }
    blocks.end_due(now + LIFE);
    // Redis lets the lease last anew from here.
    assert_eq!(blocks.settle(key(1)), Some(None));
    assert_eq!(blocks.end_event(event_id()), [trim(1000, 6, 3, 0)]);
    let over = now + LIFE + LEASE_TTL;
    assert_eq!(blocks.end_due(over - Duration::from_nanos(1)), []);
    // Nobody knows whether they were sold, so they do not go back.
    assert_eq!(blocks.end_due(over), [trim(1000, 3, 0, 0)]);
    assert_eq!(blocks.end_due(over), []);
    assert_eq!(blocks.release(key(2), over), None);
}

#[test]
fn nothing_is_kept_of_who_never_comes_back() {
    let (mut blocks, now) = with_block();
    assert!(blocks.take(key(1), 1, now).granted);
    blocks.end_due(now + LIFE);
    assert!(!blocks.take(key(2), 1, now).granted);
    blocks.answered(key(2), false);
    blocks.end_due(now + LIFE + LEASE_TTL);
    assert!(blocks.blocks.is_empty() && blocks.given.is_empty());
    assert_eq!(blocks.settle(key(1)), None);
    for turn in 1..=2 {
        assert!(blocks.asked.contains(&key(2)));
        blocks.take(key(100 + turn), 1, now + LEASE_TTL * turn as u32);
        blocks.answered(key(100 + turn), true);
    }
    assert!(!blocks.asked.contains(&key(2)));
    assert!(blocks.events.is_empty());
}

/// Whatever happens in whatever order: every seat is in Redis, free, under
/// way or spent, and at the end nothing is kept.
#[test]
fn no_seat_is_lost_or_doubled() {
    for seed in 0..300 {
        let mut chance = fastrand::Rng::with_seed(seed);
        let mut now = Instant::now();
        let mut blocks = Blocks::new(LIFE, LEASE_TTL, now);
        let (mut tokens, mut spent, mut under_way) = (0, 0, Vec::new());
        let mut leased: HashMap<ReservationId, i64> = HashMap::new();
        let mut hear = |trims: Vec<Trim>, leased: &mut HashMap<_, i64>, spent: &mut i64| {
            for trim in trims {
                assert_eq!(leased.remove(&trim.block), Some(trim.from), "{seed}");
                *spent += trim.from - trim.to - trim.back;
                tokens += trim.back;
                if trim.to > 0 {
                    leased.insert(trim.block, trim.to);
                }
            }
            tokens
        };
        let (mut drawn, mut settled) = (0, 0);
        for bits in 0..600 {
            now += Duration::from_millis(chance.u64(0..3));
            let seats = chance.i64(1..=20);
            let trims = match chance.u32(0..20) {
                0..=9 => {
                    let taken = blocks.take(key(bits), seats, now);
                    if taken.granted {
                        under_way.push((key(bits), seats));
                    } else {
                        blocks.answered(key(bits), true);
                    }
                    taken.trim.into_iter().collect()
                }
                10..=13 if !under_way.is_empty() => {
                    let (key, seats) = under_way.swap_remove(chance.usize(..under_way.len()));
                    settled += seats;
                    blocks.settle(key).expect("given").into_iter().collect()
                }
                14..=15 if !under_way.is_empty() => {
                    let (key, _) = under_way.swap_remove(chance.usize(..under_way.len()));
                    blocks
                        .release(key, now)
                        .expect("given")
                        .into_iter()
                        .collect()
                }
                16..=17
                    if blocks
                        .events
                        .get(&event_id())
                        .is_none_or(|event| event.wanted.or(event.next).is_none()) =>
                {
                    let block = id(10_000 + bits);
                    blocks.wanted(event_id(), block);
                    blocks.granted(event_id(), block, now).expect("wanted");
                    leased.insert(block, BLOCK_SEATS);
                    drawn += BLOCK_SEATS;
                    Vec::new()
                }
                18 => blocks.end_due(now),
                19 => blocks.end_event(event_id()),
                _ => Vec::new(),
            };
            hear(trims, &mut leased, &mut spent);
        }
        let mut trims = blocks.end_all();
        for (key, seats) in under_way {
            settled += seats;
            trims.extend(blocks.settle(key).expect("given"));
        }
        let tokens = hear(trims, &mut leased, &mut spent);
        assert_eq!((tokens + spent, spent), (drawn, settled), "seed {seed}");
        assert!(leased.is_empty() && blocks.is_empty(), "seed {seed}");
        assert!(blocks.given.is_empty() && blocks.events.is_empty());
    }
}
