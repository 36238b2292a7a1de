//! One look at all servers.

use std::collections::VecDeque;
use std::thread;
use std::time::Duration;

use super::events::{self, HotLine};
use super::figures::Figures;
use super::interval::has_restarted;
use super::source::{Reading, Source};

/// Over so long, or a little longer, rates and quantiles are told, once there are
/// readings so far apart. As long as what servers tell of events.
const WINDOW: Duration = Duration::from_secs(5);

/// Looks at servers again and again.
pub(crate) struct Watch {
    servers: Vec<Watched>,
}

/// One of them.
struct Watched {
    source: Source,
    /// Of the same process, oldest first: as many as the window needs.
    readings: VecDeque<Reading>,
}

/// What a look has seen.
#[derive(Debug, Clone, Default)]
pub(crate) struct Seen {
    /// Where servers were looked for.
    pub(super) sources: Vec<String>,
    /// What was in the way of reading some of them.
    pub(super) unread: Vec<String>,
    /// Of those that were read, if any.
    pub(super) figures: Option<Figures>,
    /// The hottest events first.
    pub(super) events: Vec<HotLine>,
}

impl Seen {
    /// Whether no server was read.
    pub(crate) fn is_blank(&self) -> bool {
        self.figures.is_none()
    }

    /// What was in the way of reading every server, in words.
    pub(crate) fn trouble(&self) -> Option<String> {
        (!self.unread.is_empty()).then(|| self.unread.join("; "))
    }
}

impl Watch {
    /// Will look at those servers, which have one database.
    pub(crate) fn new(sources: Vec<Source>) -> Self {
        let servers = sources.into_iter().map(|source| Watched {
            source,
            readings: VecDeque::new(),
        });
        Self {
            servers: servers.collect(),
        }
    }

    /// Looks at all of them at the same time, so that it takes no longer than the
    /// slowest.
    pub(crate) fn look(&mut self) -> Seen {
        let read: Vec<_> = thread::scope(|scope| {
            let servers = self.servers.iter();
            let threads = servers.map(|server| scope.spawn(|| server.source.read()));
            let threads: Vec<_> = threads.collect();
            threads.into_iter().map(|thread| thread.join()).collect()
        });
        let mut seen = Seen::default();
        let mut pages = Vec::new();
        for (server, read) in self.servers.iter_mut().zip(read) {
            seen.sources.push(server.source.to_string());
            let lost = || format!("reading {} failed", server.source);
            match read.unwrap_or_else(|_| Err(lost())) {
                Ok(reading) => {
                    pages.push(reading.overview.clone());
                    let figures = server.note(reading);
                    match &mut seen.figures {
                        Some(sum) => sum.add(figures),
                        None => seen.figures = Some(figures),
                    }
                }
                Err(why) => seen.unread.push(why),
            }
        }
        seen.events = events::table(pages.iter());
        seen
    }
}

impl Watched {
    fn note(&mut self, now: Reading) -> Figures {
        let last = self.readings.back();
        if last.is_some_and(|last| has_restarted(&last.figures, &now.figures)) {
            self.readings.clear();
        }
        // The oldest is dropped while the next one is old enough.
        let is_old = |reading: &Reading| now.at.duration_since(reading.at) >= WINDOW;
        while self.readings.get(1).is_some_and(is_old) {
            self.readings.pop_front();
        }
        let figures = Figures::of(&now, self.readings.front());
        self.readings.push_back(now);
        figures
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::time::Instant;

    use super::*;
    use crate::http::DependencyState;
    use crate::overview::OverviewPage;
    use crate::top::exposition::Exposition;

    fn reading(at: Instant, began: u32, booked: u32) -> Reading {
        let text = format!(
            "process_start_time_seconds {began}\n\
             utsavam_bookings_total{{outcome=\"booked\"}} {booked}\n"
        );
        Reading {
            at,
            figures: Exposition::parse(&text).expect("samples"),
            overview: OverviewPage {
                version: "1".to_owned(),
                uptime_seconds: 1.0,
                database: DependencyState::Up,
                redis: DependencyState::Off,
                paused: None,
                window_seconds: 4.5,
                events: Vec::new(),
            },
        }
    }

    #[test]
    fn rates_are_those_of_the_window_and_begin_anew_with_the_process() {
        let mut watched = Watched {
            source: "localhost:1".parse().expect("an address"),
            readings: VecDeque::new(),
        };
        let began = Instant::now();
        let mut rate = |second: u64, process: u32, booked: u32| {
            let at = began + Duration::from_secs(second);
            let rates = watched.note(reading(at, process, booked)).rates?;
            Some((rates.seconds, rates.booked))
        };
        assert_eq!(rate(0, 7, 100), None, "nothing to compare with");
        assert_eq!(rate(1, 7, 104), Some((1.0, 4.0)));
        assert_eq!(rate(5, 7, 104), Some((5.0, 0.8)));
        assert_eq!(
            rate(6, 7, 109),
            Some((5.0, 1.0)),
            "since the second reading"
        );
        assert_eq!(
            rate(30, 7, 109),
            Some((24.0, 0.0)),
            "nobody looked for long"
        );
        assert_eq!(rate(31, 8, 500), None, "another process");
        assert_eq!(rate(32, 8, 501), Some((1.0, 1.0)));
        assert_eq!(rate(33, 8, 3), None, "yet another");
    }

    /// Each of these answers when both have been asked.
    #[test]
    fn servers_are_asked_at_the_same_time() {
        let listeners = [(); 2].map(|()| TcpListener::bind(("127.0.0.1", 0)).expect("a free port"));
        let sources = listeners.each_ref().map(|listener| {
            let port = listener.local_addr().expect("bound").port();
            Source::new("127.0.0.1", port)
        });
        thread::spawn(move || {
            let asked = listeners.map(|listener| listener.accept().expect("a client").0);
            for mut stream in asked {
                let _ = stream.read(&mut [0; 1024]).expect("a request");
                let _ = stream.write_all(b"HTTP/1.1 404 Not Found\r\n\r\n");
            }
        });
        let seen = Watch::new(sources.to_vec()).look();
        let answered = |source| format!("{source} answered HTTP/1.1 404 Not Found for /metrics");
        assert_eq!(seen.unread, sources.map(answered));
    }

    #[test]
    fn a_server_that_is_not_there_is_told() {
        // Nobody listens on port 1.
        let source: Source = "127.0.0.1:1".parse().expect("an address");
        let seen = Watch::new(vec![source.clone(), source]).look();
        assert_eq!(seen.sources.len(), 2);
        assert!(seen.figures.is_none() && seen.events.is_empty());
        let trouble = seen.trouble().expect("trouble");
        assert!(
            trouble.starts_with("no answer from 127.0.0.1:1: "),
            "{trouble}"
        );
        assert_eq!(seen.unread.len(), 2);
    }
}
