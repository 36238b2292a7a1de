//! What the clients ask for: the bytes of the next request, and what has to be
//! remembered until its answer is there.

use std::io::Write as _;

use clap::ValueEnum;

use super::LoadArgs;

/// Cancellations and bookings of mixed traffic, in per cent; the rest reads.
const MIXED_CANCELS_PCT: u32 = 5;
const MIXED_BOOKINGS_PCT: u32 = 15;

/// What the clients do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Work {
    /// `GET` of the path.
    Read,
    /// Bookings of one seat.
    Book,
    /// Cancellations of the bookings in a ledger.
    Cancel,
    /// 80 % reads of the path, 15 % bookings, 5 % cancellations of those.
    Mixed,
}

/// A request whose answer is awaited.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Asked {
    Read,
    Book { user_id: i64, event_id: i64 },
    Cancel { booking_id: i64 },
}

/// Makes one request after the other.
pub(crate) struct Script {
    work: Work,
    read: Vec<u8>,
    book_head: Vec<u8>,
    event_first: i64,
    events: i64,
    user_first: i64,
    users: i64,
    /// The header that proves each user, in the order of their ids, or empty.
    proofs: Vec<String>,
    /// What idempotency keys of this run begin with, if there are to be any.
    key_prefix: Option<String>,
    keys: u64,
    /// Bookings that can be cancelled.
    to_cancel: Vec<i64>,
    random: fastrand::Rng,
    body: Vec<u8>,
}

impl Script {
    /// `tokens` has one in each line.
    pub(crate) fn new(args: &LoadArgs, to_cancel: Vec<i64>, tokens: &str) -> Self {
        let host = args.address;
        let unless = match &args.if_none_match {
            Some(etag) => format!("If-None-Match: {etag}\r\n"),
            None => String::new(),
        };
        let admin = match &args.admin_key {
            Some(key) => format!("X-Admin-Key: {key}\r\n"),
            None => String::new(),
        };
        let path = &args.path;
        let mut random = fastrand::Rng::new();
        let key_prefix = args.keyed.then(|| format!("{:016x}", random.u64(..)));
        Self {
            work: args.work,
            read: format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n{unless}{admin}").into_bytes(),
            book_head: format!(
                "POST /bookings HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
            )
            .into_bytes(),
            event_first: args.event_first,
            events: args.events,
            user_first: args.user_first,
            users: args.users,
            proofs: tokens
                .lines()
                .map(|token| format!("Authorization: Bearer {token}\r\n"))
                .collect(),
            key_prefix,
            keys: 0,
            to_cancel,
            random,
            body: Vec::new(),
        }
    }

    /// Writes the next request behind what `out` holds; `None` when there is
    /// nothing left to ask for.
    pub(crate) fn next(&mut self, out: &mut Vec<u8>) -> Option<Asked> {
        match self.work {
            Work::Read => Some(self.read(out)),
            Work::Book => Some(self.book(out)),
            Work::Cancel => self.cancel(out),
            Work::Mixed => {
                let dice = self.random.u32(0..100);
                if dice < MIXED_CANCELS_PCT {
                    // The first cancellations come before the first bookings.
                    self.cancel(out).or_else(|| Some(self.book(out)))
                } else if dice < MIXED_CANCELS_PCT + MIXED_BOOKINGS_PCT {
                    Some(self.book(out))
                } else {
                    Some(self.read(out))
                }
            }
        }
    }

    /// A booking was made: mixed traffic may cancel it.
    pub(crate) fn booked(&mut self, booking_id: i64) {
        if self.work == Work::Mixed {
            self.to_cancel.push(booking_id);
        }
    }

    fn read(&mut self, out: &mut Vec<u8>) -> Asked {
        out.extend_from_slice(&self.read);
        let user = self.random.i64(0..self.users);
        self.prove(user, out);
        out.extend_from_slice(b"\r\n");
        Asked::Read
    }

    /// Says which of the users is asking, if they have tokens.
    fn prove(&self, user: i64, out: &mut Vec<u8>) {
        let proof = usize::try_from(user)
            .ok()
            .and_then(|user| self.proofs.get(user));
        out.extend_from_slice(proof.map_or(&[][..], String::as_bytes));
    }

    fn book(&mut self, out: &mut Vec<u8>) -> Asked {
        let user = self.random.i64(0..self.users);
        let user_id = self.user_first + user;
        let event_id = self.event_first + self.random.i64(0..self.events);
        self.body.clear();
        out.extend_from_slice(&self.book_head);
        self.prove(user, out);
        // Writing into a vector cannot fail.
        let _ = write!(
            self.body,
            "{{\"user_id\":{user_id},\"event_id\":{event_id},\"seats\":1}}"
        );
        if let Some(prefix) = &self.key_prefix {
            self.keys += 1;
            let _ = write!(out, "Idempotency-Key: \"{prefix}-{}\"\r\n", self.keys);
        }
        let _ = write!(out, "Content-Length: {}\r\n\r\n", self.body.len());
        out.extend_from_slice(&self.body);
        Asked::Book { user_id, event_id }
    }

    fn cancel(&mut self, out: &mut Vec<u8>) -> Option<Asked> {
        let booking_id = self.to_cancel.pop()?;
        let _ = write!(
            out,
            "DELETE /bookings/{booking_id} HTTP/1.1\r\nHost: localhost\r\n\r\n"
        );
        Some(Asked::Cancel { booking_id })
    }
}
