//! As much of PostgreSQL's protocol as it takes to find a COMMIT and its answer.
//! See "Message Formats" in PostgreSQL's manual.

use std::collections::HashSet;

/// The request for TLS, the number of which stands in place of a version.
const TLS_REQUEST: [u8; 4] = 80_877_103_u32.to_be_bytes();

/// What a client sends.
#[derive(Debug, Default)]
pub(super) struct Frontend {
    buffer: Vec<u8>,
    /// Whether the first message with a type may come.
    started: bool,
    /// Names of prepared statements that are COMMIT.
    commits: HashSet<Vec<u8>>,
}

/// What a server sends.
#[derive(Debug, Default)]
pub(super) struct Backend {
    buffer: Vec<u8>,
    /// Whether the answer to a request for TLS has come, which has no length.
    /// Every client of ours asks first.
    started: bool,
}

/// A whole message, and whether it is what one looks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) bytes: Vec<u8>,
    /// A client's: it has a COMMIT begin. A server's: COMMIT was done.
    pub(super) is_commit: bool,
}

impl Frontend {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next message, if all of it is there.
    pub(super) fn next(&mut self) -> Option<Message> {
        let bytes = take(&mut self.buffer, usize::from(self.started))?;
        if !self.started {
            self.started = bytes.get(4..8) != Some(&TLS_REQUEST);
            let is_commit = false;
            return Some(Message { bytes, is_commit });
        }
        let mut texts = bytes[5..].split(|byte| *byte == 0);
        let is_commit = match bytes[0] {
            b'Q' => texts.next().is_some_and(is_commit),
            // Parse: the statement's name and text.
            b'P' => {
                let name = texts.next().unwrap_or_default().to_vec();
                if texts.next().is_some_and(is_commit) {
                    self.commits.insert(name);
                } else {
                    self.commits.remove(&name);
                }
                false
            }
            // Bind: the portal's name, the statement's.
            b'B' => texts.nth(1).is_some_and(|name| self.commits.contains(name)),
            _ => false,
        };
        Some(Message { bytes, is_commit })
    }
}

impl Backend {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next message, if all of it is there.
    pub(super) fn next(&mut self) -> Option<Message> {
        let is_commit = false;
        if !self.started && matches!(self.buffer.first()?, b'S' | b'N') {
            self.started = true;
            let bytes = vec![self.buffer.remove(0)];
            return Some(Message { bytes, is_commit });
        }
        self.started = true;
        let bytes = take(&mut self.buffer, 1)?;
        // CommandComplete: its tag.
        let is_commit = bytes[0] == b'C' && bytes[5..].starts_with(b"COMMIT\0");
        Some(Message { bytes, is_commit })
    }
}

/// Takes a message with so many bytes before its length.
fn take(buffer: &mut Vec<u8>, before: usize) -> Option<Vec<u8>> {
    let length = buffer.get(before..before + 4)?;
    let length = u32::from_be_bytes(length.try_into().ok()?) as usize + before;
    if buffer.len() < length {
        return None;
    }
    let rest = buffer.split_off(length);
    Some(std::mem::replace(buffer, rest))
}

fn is_commit(text: &[u8]) -> bool {
    text.trim_ascii().eq_ignore_ascii_case(b"COMMIT")
}
