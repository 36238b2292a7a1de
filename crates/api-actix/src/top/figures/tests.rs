use std::time::{Duration, Instant};

use super::*;
use crate::overview::OverviewPage;

/// What a server shows that has done everything so many times, in two seconds.
fn shown(times: u32) -> String {
    let mut text = "process_start_time_seconds 1\n".to_owned();
    for (sample, each) in [
        ("utsavam_bookings_total{outcome=\"booked\"}", 2),
        ("utsavam_bookings_total{outcome=\"replayed\"}", 4),
        ("utsavam_bookings_total{outcome=\"not_enough_seats\"}", 6),
        ("utsavam_bookings_total{outcome=\"busy\"}", 8),
        ("utsavam_bookings_total{outcome=\"unavailable\"}", 10),
        ("utsavam_bookings_total{outcome=\"outcome_unknown\"}", 12),
        ("utsavam_bookings_total{outcome=\"failed\"}", 14),
        ("utsavam_seats_booked_total", 16),
        ("utsavam_cancellations_total{outcome=\"cancelled\"}", 18),
        ("utsavam_cancellations_total{outcome=\"not_found\"}", 20),
        ("utsavam_http_requests_total{status=\"200\"}", 22),
        ("utsavam_http_requests_total{status=\"500\"}", 24),
        ("utsavam_http_requests_total{status=\"503\"}", 26),
        ("utsavam_rate_limit_refusals_total{policy=\"read\"}", 28),
        ("utsavam_gate_answers_total{answer=\"granted\"}", 30),
        ("utsavam_http_requests_in_progress", 32),
        ("utsavam_http_requests_waiting", 34),
        ("utsavam_http_requests_waiting_max", 36),
        ("utsavam_queue_waiting_commands{queue=\"bookings\"}", 38),
        ("utsavam_queue_waiting_commands{queue=\"audit\"}", 40),
        ("utsavam_database_connections{state=\"used\"}", 42),
        ("utsavam_database_connections{state=\"idle\"}", 44),
        ("utsavam_database_connections_max", 46),
        ("utsavam_database_transactions_in_progress", 48),
        ("utsavam_database_transactions_max", 50),
        ("utsavam_sqlite_jobs_waiting{thread=\"writer\"}", 52),
        ("utsavam_sqlite_jobs_waiting{thread=\"readers\"}", 54),
        ("utsavam_redis_gone_around", 1),
    ] {
        text += &format!("{sample} {}\n", each * times);
    }
    for (name, labels, each) in [
        (
            "utsavam_http_request_duration_seconds",
            "method=\"POST\",route=\"/bookings\"",
            1,
        ),
        (
            "utsavam_http_request_duration_seconds",
            "method=\"GET\",route=\"/bookings\"",
            100,
        ),
        ("utsavam_batch_commands", "queue=\"bookings\"", 3),
        ("utsavam_batch_commands", "queue=\"audit\"", 100),
        ("utsavam_batch_duration_seconds", "queue=\"bookings\"", 5),
        ("utsavam_batch_duration_seconds", "queue=\"audit\"", 100),
        ("utsavam_queue_wait_seconds", "queue=\"bookings\"", 7),
        ("utsavam_queue_wait_seconds", "queue=\"audit\"", 100),
    ] {
        let (count, sum) = (each * times, 2 * each * times);
        text += &format!("{name}_bucket{{{labels},le=\"+Inf\"}} {count}\n");
        text += &format!("{name}_sum{{{labels}}} {sum}\n{name}_count{{{labels}}} {count}\n");
    }
    text
}

/// What is made of that.
fn figures(times: f64) -> Figures {
    let histogram = |each: f64| {
        let buckets = vec![(f64::INFINITY, each * times)];
        Histogram::new(buckets, 2.0 * each * times)
    };
    let by = |names: &[(&str, f64)]| {
        let names = names.iter();
        let named = names.map(|(name, each)| ((*name).to_owned(), each * times));
        named.collect()
    };
    Figures {
        versions: BTreeSet::from(["1".to_owned()]),
        uptimes: vec![60.0],
        bookings_made: 2.0 * times,
        seats_sold: 16.0 * times,
        requests_in_progress: 32.0 * times,
        requests_waiting: 34.0 * times,
        requests_waiting_max: 36.0 * times,
        queues: by(&[("bookings", 38.0), ("audit", 40.0)]),
        postgres: Some(Connections {
            used: 42.0 * times,
            idle: 44.0 * times,
            connections_max: 46.0 * times,
            transactions: 48.0 * times,
            transactions_max: 50.0 * times,
        }),
        sqlite: Some(Jobs {
            writes: 52.0 * times,
            reads: 54.0 * times,
        }),
        database: Answers { up: 1, down: 0 },
        redis: Answers { up: 0, down: 1 },
        redis_gone_around: times,
        paused: None,
        rates: Some(Rates {
            seconds: 2.0,
            booked: times,
            seats: 8.0 * times,
            cancelled: 9.0 * times,
            refused: by(&[("not_enough_seats", 3.0)]),
            failed: by(&[
                ("busy", 4.0),
                ("unavailable", 5.0),
                ("outcome_unknown", 6.0),
                ("failed", 7.0),
            ]),
            requests: 36.0 * times,
            server_errors: 25.0 * times,
            rate_limited: 14.0 * times,
            gate: by(&[("granted", 15.0)]),
            latency: histogram(1.0),
            batch_commands: histogram(3.0),
            batch_duration: histogram(5.0),
            queue_wait: histogram(7.0),
        }),
    }
}

fn reading(at: Instant, text: &str) -> Reading {
    Reading {
        at,
        figures: Exposition::parse(text).expect("samples"),
        overview: OverviewPage {
            version: "1".to_owned(),
            uptime_seconds: 60.0,
            database: DependencyState::Up,
            redis: DependencyState::Down,
            paused: None,
            window_seconds: 4.5,
            events: Vec::new(),
        },
    }
}

#[test]
fn each_figure_is_found_by_its_name_and_labels() {
    let began = Instant::now();
    let before = reading(began, &shown(0));
    let now = reading(began + Duration::from_secs(2), &shown(1));
    assert_eq!(Figures::of(&now, Some(&before)), figures(1.0));
    let alone = Figures {
        rates: None,
        ..figures(1.0)
    };
    assert_eq!(Figures::of(&now, None), alone);
}

#[test]
fn what_a_server_does_not_have_is_not_shown() {
    let mut bare = reading(Instant::now(), "process_start_time_seconds 1\n");
    bare.overview.redis = DependencyState::Off;
    let found = Figures::of(&bare, None);
    assert_eq!((found.postgres, found.sqlite), (None, None));
    assert_eq!(found.redis, Answers { up: 0, down: 0 });
}

#[test]
fn servers_are_summed() {
    let paused = Some(Paused {
        all: false,
        event_ids: vec![7],
        more: false,
    });
    let mut other = Figures {
        versions: BTreeSet::from(["2".to_owned()]),
        uptimes: vec![90.0],
        paused: paused.clone(),
        ..figures(2.0)
    };
    other.rates.as_mut().expect("rates").seconds = 3.0;
    let mut expected = Figures {
        versions: BTreeSet::from(["1".to_owned(), "2".to_owned()]),
        uptimes: vec![60.0, 90.0],
        database: Answers { up: 2, down: 0 },
        redis: Answers { up: 0, down: 2 },
        paused,
        ..figures(3.0)
    };
    expected.rates.as_mut().expect("rates").seconds = 3.0;
    let mut sum = figures(1.0);
    sum.add(other);
    assert_eq!(sum, expected);

    // Of one that was not read before, what it has done lately is not known.
    let fresh = Figures {
        rates: None,
        postgres: None,
        ..figures(1.0)
    };
    let mut sum = figures(1.0);
    sum.add(fresh.clone());
    assert_eq!((sum.rates, sum.postgres), {
        let one = figures(1.0);
        (one.rates, one.postgres)
    });
    let mut sum = fresh;
    sum.add(figures(1.0));
    assert_eq!(sum.rates, figures(1.0).rates);
}
