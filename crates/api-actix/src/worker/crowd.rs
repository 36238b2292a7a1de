//! How large a crowd stands in the server, and how many of those who come are
//! let in to it.
//!
//! A queue that never gets shorter makes everybody wait and serves nobody
//! sooner. So where one stands, some are sent away, as many as make the others
//! wait for [`WAIT`]. Whoever obeys `Retry-After` comes back when there is room.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How long those who are let in are to wait.
const WAIT: Duration = Duration::from_millis(30);

/// So many at the same time are no crowd, however long they wait: fewer would
/// not fill the batches of the stores.
const CROWD_MIN: u64 = 2_048;

/// How often the crowd is counted.
const WINDOW: Duration = Duration::from_millis(100);

/// How much of what was counted before still counts, in quarters: answers come in
/// batches, and the crowd does not come and go with each.
const KEPT_QUARTERS: u64 = 3;

/// So many times in a row there must have been a crowd before anybody is sent
/// away: who comes in a burst is served, and so is who has waited for a disk.
const STANDS_AFTER: u32 = 2;

/// So many times in a row there must have been none before it is believed to be
/// gone: those who were sent away come back after a second or two.
const GONE_AFTER: u64 = 30;

/// Parts of those who come.
const ALL: u32 = 1_000;

/// At least so many of them are let in. To send somebody away costs a third of
/// what serving them does, and who does not obey `Retry-After` is back at once:
/// against those nothing helps but the bound on all that wait.
const ADMITTED_MIN: u32 = 750;

/// Counts the crowd. Shared by all workers.
#[derive(Debug)]
pub(super) struct Crowd {
    start: Instant,
    /// Microseconds since the start.
    counted_at_us: AtomicU64,
    here: AtomicU64,
    /// How many left since the crowd was counted, and how late the worker of the
    /// last one was.
    left: AtomicU64,
    late_us: AtomicU64,
    /// How many of [`ALL`] are let in, and the sum by which it is decided who.
    admitted: AtomicU32,
    turn: AtomicU32,
    watch: Mutex<Watch>,
}

/// What happened in some time: how long it was, how many left, and how long all who
/// were here were here for in all.
#[derive(Debug, Clone, Copy, Default)]
struct Window {
    long_us: u64,
    left: u64,
    stayed_us: u64,
}

/// What is known of the crowd from one count to the next.
#[derive(Debug, Default)]
struct Watch {
    lately: Window,
    crowded: u32,
    calm: u64,
    stands: bool,
}

impl Watch {
    /// How many of [`ALL`] are let in until the next count.
    fn count(&mut self, window: Window) -> u32 {
        // After a pause nothing is left of what was before.
        let quarters = match window.long_us < 2 * micros(WINDOW) {
            true => KEPT_QUARTERS,
            false => 0,
        };
        let kept = |past: u64, new: u64| past * quarters / 4 + new;
        self.lately = Window {
            long_us: kept(self.lately.long_us, window.long_us),
            left: kept(self.lately.left, window.left),
            stayed_us: kept(self.lately.stayed_us, window.stayed_us),
        };
        let long_us = self.lately.long_us.max(1);
        // Who stays for a tenth of the time is a tenth of somebody.
        let here = self.lately.stayed_us / long_us;
        let served_in_time = self.lately.left * micros(WAIT) / long_us;
        let room = served_in_time.max(CROWD_MIN);
        if here <= room {
            self.crowded = 0;
            self.calm += window.long_us.div_ceil(micros(WINDOW));
            self.stands &= self.calm < GONE_AFTER;
            return ALL;
        }
        self.calm = 0;
        self.crowded += 1;
        self.stands |= self.crowded > STANDS_AFTER;
        if !self.stands {
            return ALL;
        }
        let share = u64::from(ALL) * room / here;
        u32::try_from(share).unwrap_or(ALL).max(ADMITTED_MIN)
    }
}

impl Crowd {
    pub(super) fn new() -> Self {
        Self {
            start: Instant::now(),
            counted_at_us: AtomicU64::new(0),
            here: AtomicU64::new(0),
            left: AtomicU64::new(0),
            late_us: AtomicU64::new(0),
            admitted: AtomicU32::new(ALL),
            turn: AtomicU32::new(0),
            watch: Mutex::default(),
        }
    }

    /// Whether one more is let in.
    pub(super) fn admits(&self, now: Instant) -> bool {
        self.count(now);
        let admitted = self.admitted.load(Ordering::Relaxed);
        // Evenly: whoever makes the sum pass a multiple of all is let in.
        admitted >= ALL || {
            let turn = self.turn.fetch_add(admitted, Ordering::Relaxed);
            turn % ALL + admitted >= ALL
        }
    }

    /// Somebody is let in.
    pub(super) fn enter(&self) {
        self.here.fetch_add(1, Ordering::Relaxed);
    }

    /// Somebody leaves, whose worker is so late.
    pub(super) fn leave(&self, late: Duration, now: Instant) {
        self.here.fetch_sub(1, Ordering::Relaxed);
        self.left.fetch_add(1, Ordering::Relaxed);
        self.late_us.store(micros(late), Ordering::Relaxed);
        self.count(now);
    }

    /// Counts if it is time to; one of those who come or leave at the same time does.
    fn count(&self, now: Instant) {
        let now_us = micros(now.saturating_duration_since(self.start));
        let due = |counted_at_us| now_us >= counted_at_us + micros(WINDOW);
        if !due(self.counted_at_us.load(Ordering::Relaxed)) {
            return;
        }
        let Ok(mut watch) = self.watch.try_lock() else {
            return;
        };
        let counted_at_us = self.counted_at_us.load(Ordering::Relaxed);
        if due(counted_at_us) {
            let long_us = now_us - counted_at_us;
            let left = self.left.swap(0, Ordering::Relaxed);
            let inside = self.here.load(Ordering::Relaxed);
            // As many as are served while a worker is late stand in line for it: some
            // have not been read yet, and some are inside and have their answer. So
            // the larger number is never more than there are.
            let in_line_us = left * self.late_us.load(Ordering::Relaxed);
            let admitted = watch.count(Window {
                long_us,
                left,
                stayed_us: inside.saturating_mul(long_us).max(in_line_us),
            });
            self.admitted.store(admitted, Ordering::Relaxed);
            self.counted_at_us.store(now_us, Ordering::Relaxed);
        }
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A window in which so many were here all the time, and so many left.
    fn window(here: u64, left: u64) -> Window {
        let long_us = micros(WINDOW);
        Window {
            long_us,
            left,
            stayed_us: here * long_us,
        }
    }

    /// What is decided after each of so many windows of the kind.
    fn counts(watch: &mut Watch, window: Window, many: u32) -> Vec<u32> {
        (0..many).map(|_| watch.count(window)).collect()
    }

    /// 80,000 a second are 2,400 in 30 ms.
    const CALM: fn() -> Window = || window(100, 8_000);
    const CROWDED: fn() -> Window = || window(2_700, 8_000);

    #[test]
    fn a_burst_is_served_and_a_crowd_that_stands_is_thinned_out() {
        let mut watch = Watch::default();
        counts(&mut watch, CALM(), 10);
        // All who waited for a disk that stood still are answered at once.
        assert_eq!(watch.count(window(4_000, 4_000)), ALL);
        assert_eq!(counts(&mut watch, CALM(), 20), [ALL; 20]);
        let admitted = counts(&mut watch, CROWDED(), 40);
        assert_eq!(admitted[..2], [ALL; 2]);
        assert!((880..=895).contains(&admitted[39]), "{admitted:?}");
        assert_eq!(
            counts(&mut watch, window(20_000, 8_000), 20)[19],
            ADMITTED_MIN
        );
    }

    #[test]
    fn a_crowd_that_was_sent_away_is_known_when_it_comes_back() {
        let huge = window(1_000_000, 6_000);
        let mut watch = Watch::default();
        counts(&mut watch, huge, STANDS_AFTER + 1);
        assert!(watch.stands);
        watch.lately = Window::default();
        counts(&mut watch, CALM(), 20);
        assert_eq!(watch.count(huge), ADMITTED_MIN);
        watch.lately = Window::default();
        counts(&mut watch, CALM(), 40);
        assert_eq!(watch.count(huge), ALL);
    }

    #[test]
    fn a_slow_store_with_few_requests_is_no_crowd() {
        let mut watch = Watch::default();
        assert_eq!(counts(&mut watch, window(CROWD_MIN, 1), 100), [ALL; 100]);
    }

    #[test]
    fn of_those_who_come_every_fourth_is_sent_away_at_most() {
        let crowd = Crowd::new();
        let mut now = crowd.start;
        for _ in 0..3_000 {
            crowd.enter();
        }
        for _ in 0..=STANDS_AFTER {
            now += WINDOW;
            crowd.admits(now);
        }
        let admitted = (0..1_000).filter(|_| crowd.admits(now)).count();
        assert_eq!(admitted, ADMITTED_MIN as usize);
        // After a pause nothing is left of it.
        for _ in 0..3_000 {
            crowd.leave(Duration::ZERO, now);
        }
        assert!((0..1_000).all(|_| crowd.admits(now + 2 * WINDOW)));
    }

    #[test]
    fn a_few_who_waited_long_for_a_disk_are_no_crowd() {
        let crowd = Crowd::new();
        let mut now = crowd.start;
        for _ in 0..20 {
            for _ in 0..256 {
                assert!(crowd.admits(now));
                crowd.enter();
            }
            now += 10 * WINDOW;
            for _ in 0..256 {
                crowd.leave(Duration::ZERO, now);
                now += WINDOW / 256;
            }
        }
    }
}
