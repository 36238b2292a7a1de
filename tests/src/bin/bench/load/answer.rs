//! Reading an HTTP/1.1 answer as far as the measurement needs it: where it
//! ends, its status, and the id of the booking that it names.

/// What an answer begins with, complete or not.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Parsed<'a> {
    /// More bytes must come first.
    Incomplete,
    /// A whole answer.
    Whole(Answer<'a>),
    /// Nothing that this program understands.
    Broken,
}

/// A whole answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer<'a> {
    pub(crate) status: u16,
    pub(crate) body: &'a [u8],
    /// Whether the server closes the connection behind it.
    pub(crate) closes: bool,
    /// After how many seconds it wants to be asked again.
    pub(crate) retry_after: Option<u64>,
}

/// Takes the bytes received so far apart. One request at a time is under way on
/// a connection, so nothing may follow the answer.
pub(crate) fn parse(received: &[u8]) -> Parsed<'_> {
    let Some(head_end) = received.windows(4).position(|four| four == b"\r\n\r\n") else {
        return Parsed::Incomplete;
    };
    let (head, body) = (&received[..head_end], &received[head_end + 4..]);
    let mut lines = head.split(|byte| *byte == b'\n');
    let Some(status) = lines.next().and_then(status) else {
        return Parsed::Broken;
    };
    let mut length = None;
    let mut closes = false;
    let mut retry_after = None;
    for line in lines {
        if let Some(value) = value(line, b"content-length") {
            length = number(value).and_then(|length| usize::try_from(length).ok());
        } else if let Some(value) = value(line, b"connection") {
            closes = value.eq_ignore_ascii_case(b"close");
        } else if let Some(value) = value(line, b"retry-after") {
            retry_after = number(value);
        }
    }
    let length = match (status, length) {
        // They never have a body, whatever length they tell.
        (204 | 304, _) => 0,
        (_, Some(length)) => length,
        (_, None) => return Parsed::Broken,
    };
    match body.len() {
        short if short < length => Parsed::Incomplete,
        exact if exact == length => Parsed::Whole(Answer {
            status,
            body,
            closes,
            retry_after,
        }),
        _ => Parsed::Broken,
    }
}

/// The number behind `"booking_id":`.
pub(crate) fn booking_id(body: &[u8]) -> Option<i64> {
    const MEMBER: &[u8] = b"\"booking_id\":";
    let at = body
        .windows(MEMBER.len())
        .position(|window| window == MEMBER)?;
    let rest = &body[at + MEMBER.len()..];
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    number(&rest[..digits]).and_then(|id| i64::try_from(id).ok())
}

fn status(line: &[u8]) -> Option<u16> {
    let digits = line.strip_prefix(b"HTTP/1.1 ")?.get(..3)?;
    number(digits).and_then(|status| u16::try_from(status).ok())
}

/// The value of the header field, if the line is about it; names in lower case.
fn value<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let (field, value) = line.split_at_checked(name.len())?;
    let value = value.strip_prefix(b":")?;
    field.eq_ignore_ascii_case(name).then(|| value.trim_ascii())
}

fn number(digits: &[u8]) -> Option<u64> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOOKED: &[u8] =
        b"HTTP/1.1 201 Created\r\nContent-Length: 17\r\nVary: x\r\n\r\n{\"booking_id\":12}";

    #[test]
    fn an_answer_is_whole_only_with_its_last_byte() {
        for length in 0..BOOKED.len() {
            assert_eq!(parse(&BOOKED[..length]), Parsed::Incomplete, "{length}");
        }
        let Parsed::Whole(answer) = parse(BOOKED) else {
            panic!("not whole");
        };
        assert_eq!((answer.status, answer.closes), (201, false));
        assert_eq!(booking_id(answer.body), Some(12));
    }

    #[test]
    fn an_unchanged_page_has_no_body_and_closing_is_noticed() {
        let answer =
            b"HTTP/1.1 304 Not Modified\r\ncontent-length: 99\r\nConnection: close\r\n\r\n";
        let Parsed::Whole(answer) = parse(answer) else {
            panic!("not whole");
        };
        assert_eq!((answer.status, answer.closes), (304, true));
    }

    #[test]
    fn it_is_noticed_when_to_ask_again() {
        let answer = b"HTTP/1.1 503 Busy\r\nRetry-After: 2\r\nContent-Length: 0\r\n\r\n";
        let Parsed::Whole(answer) = parse(answer) else {
            panic!("not whole");
        };
        assert_eq!((answer.status, answer.retry_after), (503, Some(2)));
    }

    #[test]
    fn what_cannot_be_understood_is_broken() {
        for bytes in [
            &b"SSH-2.0\r\n\r\n"[..],
            b"HTTP/1.1 200 OK\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nab",
        ] {
            assert_eq!(parse(bytes), Parsed::Broken);
        }
    }
}
