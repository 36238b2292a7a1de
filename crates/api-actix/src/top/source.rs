//! One server: where its metrics are, and one reading of them.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, Instant};

use super::exposition::Exposition;
use crate::overview::OverviewPage;
use crate::plain_http;

/// How long a server may take for each of its pages. It looks at its dependencies for a
/// second at most.
const PATIENCE: Duration = Duration::from_secs(2);

/// Where a server shows its metrics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Source {
    host: String,
    port: u16,
}

/// What a server showed at one time.
#[derive(Debug, Clone)]
pub(super) struct Reading {
    pub(super) at: Instant,
    pub(super) figures: Exposition,
    pub(super) overview: OverviewPage,
}

impl Source {
    /// A server that listens there for whoever reads its metrics.
    pub(crate) fn new(host: &str, port: u16) -> Self {
        Self {
            host: plain_http::reachable(host).to_owned(),
            port,
        }
    }

    /// Reads it; what is in the way, in words.
    pub(super) fn read(&self) -> Result<Reading, String> {
        let figures = Exposition::parse(&self.get("/metrics")?);
        let figures = figures.map_err(|line| format!("{self} shows no metrics: {line:?}"))?;
        if !figures.has("utsavam_build_info") {
            return Err(format!("{self} shows metrics of something else"));
        }
        let at = Instant::now();
        let overview = serde_json::from_str(&self.get("/overview")?)
            .map_err(|error| format!("{self} shows another overview: {error}"))?;
        Ok(Reading {
            at,
            figures,
            overview,
        })
    }

    fn get(&self, path: &str) -> Result<String, String> {
        let answer = plain_http::get(&self.host, self.port, path, PATIENCE)
            .map_err(|error| format!("no answer from {self}: {error}"))?;
        if answer.is_ok() {
            Ok(answer.body)
        } else {
            let status = answer.status_line;
            Err(format!("{self} answered {status} for {path}"))
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        if host.contains(':') {
            write!(f, "[{host}]:{port}")
        } else {
            write!(f, "{host}:{port}")
        }
    }
}

/// As in `http://127.0.0.1:9464/metrics`, or the middle of it.
impl FromStr for Source {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let rest = match text.split_once("://") {
            Some(("http", rest)) => rest,
            Some(_) => return Err("must begin with http://".to_owned()),
            None => text,
        };
        let (place, path) = rest.split_once('/').unwrap_or((rest, ""));
        if !matches!(path, "" | "metrics" | "overview") {
            return Err("must end behind the port, or with /metrics".to_owned());
        }
        let (host, port) = place.rsplit_once(':').ok_or("must have a port")?;
        let port = port.parse().map_err(|_| "must have a port")?;
        let bare = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'));
        match bare {
            Some(bare) => Ok(Self::new(bare, port)),
            None if host.is_empty() || host.contains(':') => {
                Err("must name a host; an IPv6 address stands in brackets".to_owned())
            }
            None => Ok(Self::new(host, port)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    #[test]
    fn what_shows_no_figures_of_ours_is_no_server() {
        for (body, expected) in [
            ("up 1\n", "shows metrics of something else"),
            ("<html>", "shows no metrics: \"<html>\""),
        ] {
            let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
            let port = listener.local_addr().expect("bound").port();
            let answering = thread::spawn(move || {
                let (mut stream, _) = listener.accept().expect("a client");
                let _ = stream.read(&mut [0; 1024]).expect("a request");
                let answer = format!("HTTP/1.1 200 OK\r\n\r\n{body}");
                stream.write_all(answer.as_bytes()).expect("sent");
            });
            let source = Source::new("127.0.0.1", port);
            let error = source.read().expect_err(body);
            assert_eq!(error, format!("{source} {expected}"));
            answering.join().expect("no panic");
        }
    }

    #[test]
    fn an_address_may_be_written_as_the_server_prints_it_or_shorter() {
        for (text, expected) in [
            ("http://127.0.0.1:9464/metrics", "127.0.0.1:9464"),
            ("http://127.0.0.1:9464/", "127.0.0.1:9464"),
            ("http://shop.internal:9464", "shop.internal:9464"),
            ("localhost:9464", "localhost:9464"),
            ("http://[::1]:9464/metrics", "[::1]:9464"),
            ("0.0.0.0:9464", "127.0.0.1:9464"),
            ("http://[::]:9464", "[::1]:9464"),
        ] {
            let source: Source = text.parse().expect(text);
            assert_eq!(source.to_string(), expected);
        }
        for text in [
            "",
            "9464",
            "localhost",
            "localhost:",
            "localhost:http",
            "localhost:99999",
            ":9464",
            "::1:9464",
            "https://localhost:9464",
            "http://localhost:9464/events",
        ] {
            assert!(text.parse::<Source>().is_err(), "{text:?}");
        }
    }
}
