use ratatui::Terminal;
use ratatui::backend::TestBackend;

use super::*;
use crate::top::figures::{Connections, Jobs};
use crate::top::histogram::Histogram;

fn kinds<const N: usize>(kinds: [(&str, f64); N]) -> BTreeMap<String, f64> {
    kinds.map(|(name, value)| (name.to_owned(), value)).into()
}

fn event(event_id: i64, left: Option<u32>, booked: f64, refused: f64, name: &str) -> HotLine {
    HotLine {
        event_id,
        name: Some(name.to_owned()),
        capacity: Some(500),
        seats_left: left,
        booked,
        refused,
        told_ago: 0.1,
        place: 0,
    }
}

fn figures() -> Figures {
    let durations = |scale: f64| {
        let buckets = vec![(scale, 50.0), (scale * 10.0, 100.0), (f64::INFINITY, 100.0)];
        Histogram::new(buckets, 100.0 * scale)
    };
    let rates = Rates {
        seconds: 5.0,
        booked: 1_234.0,
        seats: 2_400.5,
        cancelled: 3.0,
        refused: kinds([
            ("not_enough_seats", 20.0),
            ("sales_paused", 100.4),
            ("key_reused", 0.0),
        ]),
        failed: kinds([("busy", 0.0), ("unavailable", 2.0)]),
        requests: 1_500.0,
        server_errors: 2.0,
        rate_limited: 0.0,
        gate: kinds([("granted", 1_234.0), ("refused", 20.0), ("unknown", 0.0)]),
        latency: durations(0.004),
        batch_commands: Histogram::new(vec![(f64::INFINITY, 200.0)], 6_800.0),
        batch_duration: durations(0.001),
        queue_wait: durations(0.000_5),
    };
    Figures {
        versions: ["0.1.0".to_owned()].into(),
        uptimes: vec![7_980.0],
        bookings_made: 120_345.0,
        seats_sold: 200_000.0,
        requests_in_progress: 12.0,
        requests_waiting: 8.0,
        requests_waiting_max: 4_096.0,
        queues: kinds([("bookings", 7.0), ("audit", 0.0)]),
        postgres: Some(Connections {
            used: 5.0,
            idle: 11.0,
            connections_max: 16.0,
            transactions: 3.0,
            transactions_max: 12.0,
        }),
        sqlite: None,
        database: Answers { up: 1, down: 0 },
        redis: Answers { up: 1, down: 0 },
        redis_gone_around: 0.0,
        paused: Some(Paused::default()),
        rates: Some(rates),
    }
}

fn seen(figures: Figures) -> Seen {
    Seen {
        sources: vec!["127.0.0.1:9464".to_owned()],
        unread: Vec::new(),
        figures: Some(figures),
        events: vec![
            event(7, Some(12), 1_200.0, 0.0, "Tech Talk"),
            event(9, Some(0), 34.0, 20.0, "Sold\u{1b}Out"),
            event(11, None, 0.0, 0.0, "Quiet"),
        ],
    }
}

const WHOLE: &str = "\
utsavam 0.1.0 at 127.0.0.1:9464, up 2 h 13 min, figures of the last 5.0 s

bookings  made 1,234/s   seats 2,400/s   cancelled 3.0/s     since the start: bookings 120,345, seats 200,000
refused   all 120/s     sales_paused 100/s     not_enough_seats 20.0/s
failed    all 2.0/s     unavailable 2.0/s
requests  all 1,500/s   5xx 2.0/s     rate limited 0/s       in progress 12        waiting 8 of 4,096
latency   p50 4.0 ms    p99 39 ms     of POST /bookings
batches   size 34.0      each 40.0/s    p50 1.0 ms    p99 9.8 ms
queues    audit 0         bookings 7         p99 wait 4.9 ms
gate      granted 1,234/s   refused 20.0/s    unknown 0/s
database  PostgreSQL up  connections 5 used 11 idle of 16  transactions 3 of 12
redis     Redis up
sales     nothing paused

    EVENT  SEATS LEFT        OF   BOOKED/S  REFUSED/S  NAME
        7          12       500      1,200          0  Tech Talk
        9           0       500       34.0       20.0  Sold\u{fffd}Out
       11           ?       500          0          0  Quiet";

#[test]
fn a_script_gets_the_whole_view() {
    assert_eq!(plain(&seen(figures())), WHOLE);
}

#[test]
fn a_terminal_shows_what_it_has_room_for_and_the_keys() {
    let mut terminal = Terminal::new(TestBackend::new(60, 19)).expect("in memory");
    let seen = seen(figures());
    let drawn = terminal.draw(|frame| draw(frame, Some(&seen)));
    drawn.expect("in memory");
    let whole = WHOLE.lines().take(18);
    let cut = whole.map(|line| line.chars().take(60).collect::<String>());
    let keys = std::iter::once("q quits".to_owned());
    let expected: Vec<String> = cut.chain(keys).map(|line| format!("{line:<60}")).collect();
    let buffer = terminal.backend().buffer();
    let shown: Vec<String> = (0..19)
        .map(|y| (0..60).map(|x| buffer[(x, y)].symbol()).collect())
        .collect();
    assert_eq!(shown, expected);
    // Trouble stands out: what failed does, what was refused does not.
    assert_eq!(buffer[(12, 4)].fg, Color::Red);
    assert_ne!(buffer[(12, 3)].fg, Color::Red);
}

/// The terminal's lines, without what fills them up.
fn rows(terminal: &Terminal<TestBackend>) -> Vec<String> {
    let buffer = terminal.backend().buffer();
    let (width, height) = (buffer.area.width, buffer.area.height);
    let row = |y| {
        (0..width)
            .map(|x| buffer[(x, y)].symbol())
            .collect::<String>()
    };
    (0..height).map(|y| row(y).trim_end().to_owned()).collect()
}

#[test]
fn before_anything_was_read_a_terminal_says_so() {
    let mut terminal = Terminal::new(TestBackend::new(60, 3)).expect("in memory");
    terminal.draw(|frame| draw(frame, None)).expect("in memory");
    assert_eq!(rows(&terminal), ["reading …", "", "q quits"]);
}

#[test]
fn a_script_is_told_of_some_events_and_a_tall_terminal_of_more() {
    let events = (1..=30).map(|id| event(id, Some(1), 1.0, 0.0, "Concert"));
    let many = Seen {
        events: events.collect(),
        ..seen(figures())
    };
    let told = |lines: &[String]| {
        lines
            .iter()
            .filter(|line| line.ends_with("Concert"))
            .count()
    };
    let text: Vec<String> = plain(&many).lines().map(str::to_owned).collect();
    assert_eq!(told(&text), PLAIN_EVENTS_MAX);
    let mut terminal = Terminal::new(TestBackend::new(100, 60)).expect("in memory");
    let drawn = terminal.draw(|frame| draw(frame, Some(&many)));
    drawn.expect("in memory");
    assert_eq!(told(&rows(&terminal)), 30);
    let none = Seen {
        events: Vec::new(),
        ..seen(figures())
    };
    assert!(plain(&none).ends_with("NAME\nnobody has asked for seats yet"));
}

#[test]
fn trouble_stands_out_and_what_is_sold_out_stands_back() {
    let mut some = seen(Figures {
        redis_gone_around: 1.0,
        paused: Some(Paused {
            event_ids: vec![7],
            ..Paused::default()
        }),
        ..figures()
    });
    some.unread = vec!["no answer from 127.0.0.1:2: refused".to_owned()];
    let mut terminal = Terminal::new(TestBackend::new(100, 40)).expect("in memory");
    let drawn = terminal.draw(|frame| draw(frame, Some(&some)));
    drawn.expect("in memory");
    let rows = rows(&terminal);
    let style = |text: &str| {
        let place = rows.iter().enumerate().find_map(|(y, row)| {
            let before = row.split_once(text)?.0;
            Some((before.chars().count() as u16, y as u16))
        });
        let place = place.unwrap_or_else(|| panic!("no {text} in {rows:#?}"));
        terminal.backend().buffer()[place].style()
    };
    for trouble in [
        "no answer from",
        "5xx 2.0/s",
        "gone around",
        "paused events",
        "1,200          0  Tech Talk (paused)",
    ] {
        assert_eq!(style(trouble).fg, Some(Color::Red), "{trouble}");
    }
    for calm in ["rate limited", "Redis up", "PostgreSQL up", "Quiet"] {
        assert_ne!(style(calm).fg, Some(Color::Red), "{calm}");
    }
    let is_dim = |text| style(text).add_modifier.contains(Modifier::DIM);
    assert!(is_dim("Out") && !is_dim("Quiet"));
}

#[test]
fn what_is_not_known_of_an_event_is_not_made_up() {
    let stranger = Seen {
        events: vec![HotLine {
            name: None,
            capacity: None,
            ..event(7, None, 0.5, 0.0, "")
        }],
        ..seen(figures())
    };
    let row = line_of(&stranger, "        7");
    let words: Vec<&str> = row.split_whitespace().collect();
    assert_eq!(words, ["7", "?", "?", "0.5", "0", "?"]);
}

#[test]
fn two_versions_and_a_gate_that_nobody_asks() {
    let mut both = figures();
    both.versions.insert("0.2.0".to_owned());
    let rates = both.rates.as_mut().expect("rates");
    rates.gate.values_mut().for_each(|often| *often = 0.0);
    let text = plain(&seen(both));
    assert!(text.starts_with("utsavam 0.1.0 and 0.2.0 at "), "{text}");
    assert!(!text.contains("\ngate "), "{text}");
}

#[test]
fn a_terminal_of_any_size_is_drawn_on() {
    for (width, height) in [(1, 1), (2, 3), (300, 200), (80, 4)] {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("in memory");
        for seen in [Some(seen(figures())), Some(Seen::default()), None] {
            let drawn = terminal.draw(|frame| draw(frame, seen.as_ref()));
            drawn.expect("in memory");
        }
    }
}

fn line_of(seen: &Seen, label: &str) -> String {
    let text = plain(seen);
    let line = text.lines().find(|line| line.starts_with(label));
    line.unwrap_or_else(|| panic!("no {label} in\n{text}"))
        .to_owned()
}

#[test]
fn before_there_is_something_to_compare_with_nothing_is_made_up() {
    let fresh = seen(Figures {
        rates: None,
        ..figures()
    });
    let text = plain(&fresh);
    assert!(!text.contains("NaN") && !text.contains("inf"), "{text}");
    assert_eq!(
        line_of(&fresh, "latency"),
        "latency   p50 -         p99 -         of POST /bookings"
    );
    assert!(line_of(&fresh, "bookings").contains("bookings 120,345"));
    assert!(!text.contains("figures of the last"), "{text}");
}

#[test]
fn dependencies_that_are_away_are_told() {
    let away = seen(Figures {
        database: Answers { up: 0, down: 1 },
        redis: Answers { up: 0, down: 1 },
        redis_gone_around: 1.0,
        paused: None,
        ..figures()
    });
    assert!(
        line_of(&away, "database").starts_with("database  PostgreSQL down  connections 5 used")
    );
    assert_eq!(line_of(&away, "redis"), "redis     Redis down  gone around");
    assert_eq!(
        line_of(&away, "sales"),
        "sales     it is not known what is paused"
    );
    let partly = seen(Figures {
        uptimes: vec![9.0, 7.0, 8.0],
        redis: Answers { up: 2, down: 1 },
        redis_gone_around: 1.0,
        ..figures()
    });
    let redis = "redis     Redis down for 1 of 3 servers  gone around by 1 of 3 servers";
    assert_eq!(line_of(&partly, "redis"), redis);
    assert!(plain(&partly).contains(", up 7 s"), "the youngest");
    let embedded = seen(Figures {
        postgres: None,
        sqlite: Some(Jobs {
            writes: 3.0,
            reads: 0.0,
        }),
        redis: Answers::default(),
        ..figures()
    });
    let database = "database  SQLite up  writes waiting 3         reads waiting 0";
    assert_eq!(line_of(&embedded, "database"), database);
    assert_eq!(line_of(&embedded, "redis"), "redis     not used");
}

#[test]
fn what_is_paused_is_told_above_and_beside_the_event() {
    let seen_with = |all, event_ids, more| {
        seen(Figures {
            paused: Some(Paused {
                all,
                event_ids,
                more,
            }),
            ..figures()
        })
    };
    let some = seen_with(false, vec![9], false);
    assert_eq!(line_of(&some, "sales"), "sales     paused events: 9");
    assert!(line_of(&some, "        9").ends_with("Out (paused)"));
    assert!(line_of(&some, "        7").ends_with("Tech Talk"));
    let all = seen_with(true, (1..=9).collect(), false);
    let line = "sales     all paused  paused events: 1, 2, 3, 4, 5, 6, 7, 8, …";
    assert_eq!(line_of(&all, "sales"), line);
    assert!(line_of(&all, "        7").ends_with("Tech Talk (paused)"));
    assert!(line_of(&all, "       11").ends_with("Quiet (paused)"));
    let more = seen_with(false, vec![9], true);
    assert_eq!(line_of(&more, "sales"), "sales     paused events: 9, …");
}

#[test]
fn servers_that_cannot_be_read_are_told_with_or_without_others() {
    let lost = "no answer from 127.0.0.1:2: refused".to_owned();
    let partly = Seen {
        sources: vec!["127.0.0.1:1".to_owned(), "127.0.0.1:2".to_owned()],
        unread: vec![lost.clone()],
        ..seen(figures())
    };
    let text = plain(&partly);
    let mut lines = text.lines();
    let title = "utsavam 0.1.0 at 1 of 2 servers, up 2 h 13 min, figures of the last 5.0 s";
    assert_eq!(lines.next(), Some(title));
    assert_eq!(lines.next(), Some(lost.as_str()));
    let blank = Seen {
        sources: vec!["127.0.0.1:2".to_owned()],
        unread: vec![lost.clone()],
        ..Seen::default()
    };
    assert_eq!(plain(&blank), format!("utsavam at 127.0.0.1:2\n{lost}"));
}
