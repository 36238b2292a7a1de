//! One request for the figures, or for the overview, and its answer. HTTP/1, as much of it as somebody
//! who reads figures needs: a head, an answer, the end of the connection.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// The longest head. Prometheus sends some hundred bytes.
const HEAD_BYTES_MAX: usize = 8 * 1024;

/// What there is to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Page {
    /// `/metrics`: the figures, in the text format that all versions of Prometheus read.
    Metrics,
    /// `/overview`: the hottest events and the dependencies, in JSON.
    Overview,
}

impl Page {
    fn at(path: &str) -> Option<Self> {
        match path {
            "/metrics" => Some(Self::Metrics),
            "/overview" => Some(Self::Overview),
            _ => None,
        }
    }

    fn media_type(self) -> &'static str {
        match self {
            Self::Metrics => "text/plain; version=0.0.4; charset=utf-8",
            Self::Overview => "application/json",
        }
    }
}

/// Reads a request and answers it. `render` is called only for a page that there is.
///
/// # Errors
/// The connection broke.
pub(super) async fn answer<S>(
    mut stream: S,
    render: impl AsyncFnOnce(Page) -> Option<String>,
) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let answer = match read_head(&mut stream).await? {
        Head::Ended => return Ok(()),
        Head::TooLong => Answer::plain("431 Request Header Fields Too Large"),
        Head::Read(head) => respond(&head, render).await,
    };
    stream.write_all(answer.head.as_bytes()).await?;
    stream.write_all(answer.body.as_bytes()).await?;
    stream.shutdown().await
}

enum Head {
    /// The client went away.
    Ended,
    TooLong,
    Read(Vec<u8>),
}

async fn read_head(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Head> {
    let mut head = Vec::with_capacity(1024);
    loop {
        if stream.read_buf(&mut head).await? == 0 {
            return Ok(Head::Ended);
        }
        let is_whole = head.windows(4).any(|end| end == b"\r\n\r\n");
        match head.len() {
            _ if is_whole => return Ok(Head::Read(head)),
            HEAD_BYTES_MAX.. => return Ok(Head::TooLong),
            _ => {}
        }
    }
}

struct Answer {
    head: String,
    body: String,
}

impl Answer {
    fn new(status: &str, media_type: &str, more: &str, body: String) -> Self {
        let length = body.len();
        Self {
            head: format!(
                "HTTP/1.1 {status}\r\nContent-Type: {media_type}\r\nContent-Length: {length}\r\n\
                 Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n{more}\
                 Connection: close\r\n\r\n"
            ),
            body,
        }
    }

    fn plain(status: &str) -> Self {
        Self::plain_with(status, "")
    }

    /// `more` are whole lines of the head.
    fn plain_with(status: &str, more: &str) -> Self {
        let media_type = "text/plain; charset=utf-8";
        Self::new(status, media_type, more, format!("{status}\n"))
    }
}

async fn respond(head: &[u8], render: impl AsyncFnOnce(Page) -> Option<String>) -> Answer {
    let line = head.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let line = String::from_utf8_lossy(line);
    let words: Vec<&str> = line.split(' ').collect();
    let [method, target, version] = words[..] else {
        return Answer::plain("400 Bad Request");
    };
    if !version.starts_with("HTTP/1.") {
        return Answer::plain("400 Bad Request");
    }
    let path = target.split('?').next().unwrap_or_default();
    let Some(page) = Page::at(path) else {
        return Answer::plain("404 Not Found");
    };
    if method != "GET" {
        return Answer::plain_with("405 Method Not Allowed", "Allow: GET\r\n");
    }
    match render(page).await {
        Some(body) => Answer::new("200 OK", page.media_type(), "", body),
        None => Answer::plain("500 Internal Server Error"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn status(head: &[u8]) -> String {
        let render = async |page| Some(format!("{page:?}\n"));
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        let runtime = runtime.expect("a runtime");
        let answer = runtime.block_on(respond(head, render));
        let status = answer.head.split("\r\n").next().unwrap_or_default();
        status.to_owned()
    }

    #[test]
    fn only_the_figures_and_the_overview_are_there() {
        for (head, expected) in [
            ("GET /metrics HTTP/1.1\r\n\r\n", "200 OK"),
            ("GET /metrics?x=y HTTP/1.0\r\n\r\n", "200 OK"),
            ("GET /overview HTTP/1.1\r\n\r\n", "200 OK"),
            ("POST /metrics HTTP/1.1\r\n\r\n", "405 Method Not Allowed"),
            ("PUT /overview HTTP/1.1\r\n\r\n", "405 Method Not Allowed"),
            ("GET / HTTP/1.1\r\n\r\n", "404 Not Found"),
            ("GET /metrics/ HTTP/1.1\r\n\r\n", "404 Not Found"),
            ("GET /events HTTP/1.1\r\n\r\n", "404 Not Found"),
            ("GET /metrics\r\n\r\n", "400 Bad Request"),
            ("GET /metrics SPDY/3\r\n\r\n", "400 Bad Request"),
            ("\r\n\r\n", "400 Bad Request"),
        ] {
            assert_eq!(
                status(head.as_bytes()),
                format!("HTTP/1.1 {expected}"),
                "{head:?}"
            );
        }
    }

    proptest! {
        #[test]
        fn whatever_comes_is_answered(head in prop::collection::vec(any::<u8>(), 0..200)) {
            let status = status(&head);
            prop_assert!(status.starts_with("HTTP/1.1 "), "{status}");
        }
    }
}
