//! Asking a server of ours one question over HTTP/1: for commands that have no other
//! use for a client, and for images that have none. No TLS, no redirects, one request for
//! each connection, and an end to how long it takes and how much is read.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

/// The longest answer. Metrics come to some ten thousand bytes.
const ANSWER_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// What was answered.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    /// The first line, as in `HTTP/1.1 200 OK`.
    pub(crate) status_line: String,
    /// The body.
    pub(crate) body: String,
}

impl Answer {
    /// Whether it is what was asked for.
    pub(crate) fn is_ok(&self) -> bool {
        let mut words = self.status_line.split(' ');
        words.next().is_some_and(|word| word.starts_with("HTTP/1.")) && words.next() == Some("200")
    }
}

/// Asks for that path, which takes `patience` at most once the host's address is known.
///
/// # Errors
/// There was no connection, or no whole answer in time.
pub(crate) fn get(host: &str, port: u16, path: &str, patience: Duration) -> io::Result<Answer> {
    let until = Instant::now() + patience;
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let mut tried = Err(io::Error::other("the host has no address"));
    for address in (bare, port).to_socket_addrs()? {
        tried = TcpStream::connect_timeout(&address, left(until)?);
        if tried.is_ok() {
            break;
        }
    }
    let mut stream = tried?;
    stream.set_write_timeout(Some(left(until)?))?;
    let host = match bare.contains(':') {
        true => format!("[{bare}]"),
        false => bare.to_owned(),
    };
    // In one piece: whoever answers the first of several and leaves breaks the pipe of the others.
    let request =
        format!("GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    let mut piece = [0; 16 * 1024];
    loop {
        stream.set_read_timeout(Some(left(until)?))?;
        match stream.read(&mut piece) {
            Ok(0) => break,
            Ok(length) => answer.extend_from_slice(&piece[..length]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Err(too_late()),
            Err(error) => return Err(error),
        }
        if answer.len() as u64 > ANSWER_BYTES_MAX {
            return Err(io::Error::other("the answer has no end"));
        }
    }
    parse(&answer)
}

fn left(until: Instant) -> io::Result<Duration> {
    let left = until.saturating_duration_since(Instant::now());
    if left.is_zero() {
        Err(too_late())
    } else {
        Ok(left)
    }
}

fn too_late() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "no answer in time")
}

fn parse(answer: &[u8]) -> io::Result<Answer> {
    let text = String::from_utf8_lossy(answer);
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return Err(io::Error::other("the answer is not one of HTTP"));
    };
    let mut lines = head.split("\r\n");
    let status_line = lines.next().unwrap_or_default();
    let length = lines.find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then_some(value)
    });
    match length.map(|length| length.trim().parse::<usize>()) {
        Some(Ok(length)) if length == body.len() => {}
        // Without a length the end of the connection is the end of the body.
        None => {}
        Some(_) => return Err(io::Error::other("the answer was cut off")),
    }
    Ok(Answer {
        status_line: status_line.to_owned(),
        body: body.to_owned(),
    })
}

/// Where a server is asked that listens there: one that listens on every address, on the
/// loopback one.
pub(crate) fn reachable(host: &str) -> &str {
    match host {
        "0.0.0.0" => "127.0.0.1",
        "::" | "[::]" => "::1",
        host => host,
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    /// Answers one request with these bytes and closes, or holds on to the
    /// connection until the other side goes.
    fn answering(bytes: &'static [u8], closes: bool) -> u16 {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let port = listener.local_addr().expect("bound").port();
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("a client");
            let mut head = [0; 1024];
            let _ = stream.read(&mut head).expect("a request");
            stream.write_all(bytes).expect("sent");
            if !closes {
                let _ = stream.read(&mut head);
            }
        });
        port
    }

    fn asked(bytes: &'static [u8], closes: bool, patience: Duration) -> Result<Answer, String> {
        let port = answering(bytes, closes);
        get("127.0.0.1", port, "/metrics", patience).map_err(|error| error.to_string())
    }

    const LONG: Duration = Duration::from_secs(30);

    #[test]
    fn a_whole_answer_is_read_and_any_other_is_none() {
        let whole = asked(
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
            true,
            LONG,
        );
        let expected = Answer {
            status_line: "HTTP/1.1 200 OK".to_owned(),
            body: "ok".to_owned(),
        };
        assert!(expected.is_ok());
        assert_eq!(whole, Ok(expected));
        let refused = asked(b"HTTP/1.1 404 Not Found\r\n\r\n200", true, LONG);
        assert!(!refused.expect("an answer").is_ok());
        for (bytes, error) in [
            (
                &b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nok"[..],
                "the answer was cut off",
            ),
            (b"HTTP/1.1 200 OK\r\n", "the answer is not one of HTTP"),
            (b"\x16\x03\x01", "the answer is not one of HTTP"),
        ] {
            assert_eq!(asked(bytes, true, LONG), Err(error.to_owned()));
        }
    }

    #[test]
    fn whoever_does_not_answer_is_left() {
        let short = Duration::from_millis(50);
        let waited = asked(
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n",
            false,
            short,
        );
        assert_eq!(waited, Err("no answer in time".to_owned()));
    }
}
