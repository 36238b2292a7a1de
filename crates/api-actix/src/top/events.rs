//! The table of events, summed over servers.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use crate::overview::{EventRow, OverviewPage};

/// One event.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct HotLine {
    pub(super) event_id: i64,
    pub(super) name: Option<String>,
    pub(super) capacity: Option<u32>,
    /// As the server knew it that was told last.
    pub(super) seats_left: Option<u32>,
    /// For each second.
    pub(super) booked: f64,
    pub(super) refused: f64,
    pub(super) told_ago: f64,
    /// Where it stood in the tables that it comes from, the first place among them.
    pub(super) place: usize,
}

impl HotLine {
    fn new(row: &EventRow, place: usize, window: f64) -> Self {
        let rate = |count: u32| match window > 0.0 {
            true => f64::from(count) / window,
            false => 0.0,
        };
        Self {
            event_id: row.event_id,
            name: row.name.clone(),
            capacity: row.capacity,
            seats_left: row.seats_left,
            booked: rate(row.booked),
            refused: rate(row.refused),
            told_ago: row.seats_left_seconds_ago.unwrap_or(f64::INFINITY),
            place,
        }
    }

    fn add(&mut self, other: Self) {
        self.booked += other.booked;
        self.refused += other.refused;
        self.place = self.place.min(other.place);
        self.name = self.name.take().or(other.name);
        self.capacity = self.capacity.or(other.capacity);
        if other.told_ago < self.told_ago {
            self.told_ago = other.told_ago;
            self.seats_left = other.seats_left;
        }
    }
}

/// The events of these servers: who sells most comes first, then who refuses most,
/// then who did so last.
pub(super) fn table<'a>(pages: impl Iterator<Item = &'a OverviewPage>) -> Vec<HotLine> {
    let mut lines = BTreeMap::<i64, HotLine>::new();
    for page in pages {
        for (place, row) in page.events.iter().enumerate() {
            let line = HotLine::new(row, place, page.window_seconds);
            match lines.get_mut(&row.event_id) {
                Some(known) => known.add(line),
                None => drop(lines.insert(row.event_id, line)),
            }
        }
    }
    let mut lines: Vec<_> = lines.into_values().collect();
    // Rates are never negative, and so their bits are in their order.
    lines.sort_by_key(|line| {
        let (booked, refused) = (line.booked.to_bits(), line.refused.to_bits());
        (Reverse(booked), Reverse(refused), line.place)
    });
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::DependencyState;

    fn page(window_seconds: f64, events: Vec<EventRow>) -> OverviewPage {
        OverviewPage {
            version: "1".to_owned(),
            uptime_seconds: 60.0,
            database: DependencyState::Up,
            redis: DependencyState::Off,
            paused: None,
            window_seconds,
            events,
        }
    }

    fn row(event_id: i64, booked: u32, refused: u32, left: u32, ago: f64) -> EventRow {
        EventRow {
            event_id,
            name: None,
            capacity: None,
            seats_left: Some(left),
            seats_left_seconds_ago: Some(ago),
            booked,
            refused,
        }
    }

    #[test]
    fn who_sells_most_comes_first_whatever_is_refused() {
        let rows = vec![
            row(1, 0, 1_000, 0, 0.1),
            row(2, 10, 0, 7, 0.1),
            row(3, 0, 0, 9, 3.0),
            row(4, 20, 1, 7, 0.1),
            row(5, 0, 0, 9, 9.0),
        ];
        let lines = table([page(4.0, rows)].iter());
        let ids = |lines: &[HotLine]| lines.iter().map(|line| line.event_id).collect::<Vec<_>>();
        assert_eq!(ids(&lines), [4, 2, 1, 3, 5]);
        let rows = vec![
            row(3, 0, 0, 9, 0.1),
            row(1, 0, 0, 9, 0.1),
            row(2, 0, 5, 9, 0.1),
        ];
        let other = vec![row(8, 0, 0, 9, 0.1), row(1, 0, 0, 9, 0.1)];
        let quiet = table([page(4.0, rows), page(4.0, other)].iter());
        assert_eq!(ids(&quiet), [2, 3, 8, 1], "as they stood");
        assert_eq!((lines[0].booked, lines[0].refused), (5.0, 0.25));
        let nothing = table([page(0.0, vec![row(1, 3, 0, 1, 0.0)])].iter());
        assert_eq!(nothing[0].booked, 0.0, "a server that has just begun");
    }

    #[test]
    fn servers_are_summed_and_who_was_told_last_knows_what_is_left() {
        let named = EventRow {
            name: Some("Concert".to_owned()),
            capacity: Some(500),
            ..row(1, 4, 4, 30, 2.0)
        };
        let untold = EventRow {
            seats_left: None,
            seats_left_seconds_ago: None,
            ..row(1, 0, 2, 0, 0.0)
        };
        let pages = [
            page(4.0, vec![row(1, 8, 0, 20, 0.5)]),
            page(4.0, vec![named]),
            page(2.0, vec![untold]),
        ];
        let lines = table(pages.iter());
        assert_eq!(lines.len(), 1);
        let line = &lines[0];
        assert_eq!((line.booked, line.refused), (3.0, 2.0));
        assert_eq!((line.seats_left, line.capacity), (Some(20), Some(500)));
        assert_eq!(line.name.as_deref(), Some("Concert"));
    }
}
