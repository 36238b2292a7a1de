//! The loop of the load process: one thread, one epoll, no allocation for each
//! request. It shares the machine with the server that it measures, so every
//! system call counts: a request costs one write and one read. That is why it
//! stands on mio and not on an HTTP client or an asynchronous runtime.

use std::collections::VecDeque;
use std::io;
use std::time::{Duration, Instant};

use mio::event::Event;
use mio::{Events, Poll, Token};
use utsavam_tests::NOBODY_KNOWS;
use utsavam_tests::ledger::Entry;

use super::LoadArgs;
use super::answer::{self, Answer, Parsed};
use super::connection::{Connection, Sent};
use super::patience::Patience;
use super::requests::{Asked, Script};
use super::tally::{Summary, Tally};
use super::ticker::Ticker;

/// How long requests under way may take to be answered after the window, so
/// that nothing about them stays unknown.
const DRAIN: Duration = Duration::from_secs(30);

/// How long the loop sleeps when nothing is due.
const IDLE: Duration = Duration::from_millis(100);

/// How long a client whom nobody could serve waits before it asks again, where that is
/// to be expected.
const TRY_AGAIN: Duration = Duration::from_millis(100);

const TICK: Token = Token(usize::MAX);

/// More than any answer that is measured.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// Everything about a run under way.
pub(crate) struct Engine<'a> {
    args: &'a LoadArgs,
    poll: Poll,
    connections: Vec<Connection>,
    /// Connections without a request.
    idle: Vec<usize>,
    /// Requests that are due and found no idle connection.
    waiting: VecDeque<Instant>,
    /// Clients that were told to ask again later.
    patience: Patience,
    script: Script,
    pub(crate) entries: Vec<Entry>,
    tally: Tally,
    request: Vec<u8>,
    /// What was read last.
    buffer: Box<[u8]>,
    under_way: usize,
    sent: u64,
    window_start: Instant,
    /// No request starts later.
    stop: Instant,
    trouble: Option<String>,
}

impl<'a> Engine<'a> {
    /// Connects the clients.
    ///
    /// # Errors
    /// The server does not take the connections.
    pub(crate) fn new(args: &'a LoadArgs, script: Script) -> io::Result<Self> {
        let poll = Poll::new()?;
        let mut connections = Vec::with_capacity(args.clients);
        for client in 0..args.clients {
            let connection = Connection::open(args.address, poll.registry(), Token(client))?;
            connections.push(connection);
        }
        let now = Instant::now();
        Ok(Self {
            args,
            poll,
            idle: (0..connections.len()).rev().collect(),
            connections,
            waiting: VecDeque::new(),
            patience: Patience::new(),
            script,
            entries: Vec::new(),
            tally: Tally::new(),
            request: Vec::new(),
            buffer: vec![0; ANSWER_BYTES_MAX].into_boxed_slice(),
            under_way: 0,
            sent: 0,
            window_start: now,
            stop: now,
            trouble: None,
        })
    }

    /// Runs to the end and counts.
    ///
    /// # Errors
    /// The system does not poll any more.
    pub(crate) fn run(&mut self) -> io::Result<Summary> {
        let start = Instant::now();
        self.window_start = start + Duration::from_secs_f64(self.args.warmup);
        self.stop = self.window_start + Duration::from_secs_f64(self.args.seconds);
        match self.args.rate {
            None => self.run_closed()?,
            Some(rate) => self.run_open(start, rate)?,
        }
        let unsent = self.waiting.len() as u64;
        for due in std::mem::take(&mut self.waiting) {
            // Nobody has answered them; what they have waited so far counts.
            self.tally.wanted(self.stop.saturating_duration_since(due));
        }
        let window = self.stop.saturating_duration_since(self.window_start);
        Ok(Summary {
            unsent,
            connections: self.connections.len(),
            trouble: self.trouble.take(),
            ..self.tally.summary(window)
        })
    }

    /// Each client asks again as soon as it was answered.
    fn run_closed(&mut self) -> io::Result<()> {
        while let Some(client) = self.idle.pop() {
            if !self.ask_next(client, Instant::now()) {
                break;
            }
        }
        let mut events = Events::with_capacity(1024);
        loop {
            let now = Instant::now();
            let wakes_in = match now < self.stop {
                true => self.patience.wakes_in(now),
                false => None,
            };
            if (self.under_way == 0 && wakes_in.is_none()) || !self.may_go_on(now) {
                return Ok(());
            }
            self.poll(&mut events, Some(wakes_in.unwrap_or(IDLE).min(IDLE)))?;
            for event in &events {
                self.on_event(event);
            }
            self.ask_again(Instant::now());
        }
    }

    /// Lets those ask again who have waited as long as they were told.
    fn ask_again(&mut self, now: Instant) {
        while now < self.stop
            && let Some(client) = self.patience.next_awake(now)
        {
            if !self.connections[client].is_broken || self.reconnect(client) {
                self.ask_next(client, now);
            }
        }
    }

    /// Requests start at a fixed rate, whether the server keeps up or not.
    fn run_open(&mut self, start: Instant, rate: f64) -> io::Result<()> {
        let ticker = Ticker::new(self.poll.registry(), TICK)?;
        let due = |number: u64| start + Duration::from_secs_f64(number as f64 / rate);
        let mut events = Events::with_capacity(1024);
        let mut started = 0;
        loop {
            let mut now = Instant::now();
            while due(started) <= now && due(started) < self.stop {
                self.start_one(due(started));
                started += 1;
            }
            let open = due(started) < self.stop;
            if !open {
                // The window is over: who has not been sent yet never will be.
                now = now.max(self.stop);
            }
            if (!open && self.under_way == 0) || !self.may_go_on(now) {
                return Ok(());
            }
            let timeout = if open {
                ticker.wake_in(due(started).saturating_duration_since(Instant::now()))?
            } else {
                Some(IDLE)
            };
            self.poll(&mut events, timeout)?;
            for event in &events {
                self.on_event(event);
            }
        }
    }

    fn poll(&mut self, events: &mut Events, timeout: Option<Duration>) -> io::Result<()> {
        match self.poll.poll(events, timeout) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                events.clear();
                Ok(())
            }
            other => other,
        }
    }

    /// Whether there is a point in waiting for more answers.
    fn may_go_on(&mut self, now: Instant) -> bool {
        if self.trouble.is_none() && now > self.stop + DRAIN {
            self.trouble = Some(format!("{} requests were never answered", self.under_way));
        }
        self.trouble.is_none()
    }

    /// Starts a request on an idle connection, on a new one, or when one is free.
    fn start_one(&mut self, due: Instant) {
        if let Some(client) = self.idle.pop() {
            self.ask_next(client, due);
        } else if self.connections.len() < self.args.connections_max {
            let client = self.connections.len();
            match Connection::begin(self.args.address, self.poll.registry(), Token(client)) {
                Ok(connection) => {
                    self.connections.push(connection);
                    self.ask_next(client, due);
                }
                Err(error) => self.fail(format!("no connection number {client}: {error}")),
            }
        } else {
            self.waiting.push_back(due);
        }
    }

    /// Sends the next request; false when there is none any more.
    fn ask_next(&mut self, client: usize, due: Instant) -> bool {
        if self.args.requests.is_some_and(|most| self.sent >= most) {
            return false;
        }
        self.request.clear();
        let Some(asked) = self.script.next(&mut self.request) else {
            // The window ends where the work does.
            self.stop = self.stop.min(Instant::now()).max(self.window_start);
            return false;
        };
        self.under_way += 1;
        self.sent += 1;
        let sent = Sent { asked, due };
        if let Err(error) = self.connections[client].send(&self.request, sent) {
            self.broken(client, format!("a request was not sent: {error}"));
        }
        true
    }

    fn on_event(&mut self, event: &Event) {
        let client = event.token().0;
        if event.token() == TICK {
            return;
        }
        if self.connections[client].is_broken {
            return;
        }
        if event.is_writable()
            && let Err(error) = self.connections[client].flush()
        {
            return self.broken(client, format!("a request was not sent: {error}"));
        }
        if event.is_readable() || event.is_error() {
            let mut buffer = std::mem::take(&mut self.buffer);
            self.receive(client, &mut buffer);
            self.buffer = buffer;
        }
    }

    /// Reads until the answer is whole. More bytes than that make a new event,
    /// so there is no need to read until nothing is left.
    fn receive(&mut self, client: usize, buffer: &mut [u8]) {
        loop {
            let connection = &mut self.connections[client];
            let length = match connection.read(buffer) {
                Ok(Some(length)) => length,
                Ok(None) => return,
                Err(error) => return self.broken(client, format!("no answer: {error}")),
            };
            if length == 0 {
                return self.closed(client);
            }
            let mut inbox = std::mem::take(&mut connection.inbox);
            let received = if inbox.is_empty() {
                &buffer[..length]
            } else {
                inbox.extend_from_slice(&buffer[..length]);
                &inbox[..]
            };
            match answer::parse(received) {
                // To a connection that was opened and not used for a while.
                Parsed::Whole(answer) if answer.status == 408 && connection.sent.is_none() => {
                    return self.closed(client);
                }
                Parsed::Whole(answer) => {
                    let closes = answer.closes;
                    let wait = self.wait_after(&answer);
                    self.answered(client, &answer);
                    inbox.clear();
                    self.connections[client].inbox = inbox;
                    return self.go_on(client, closes, wait);
                }
                Parsed::Incomplete if received.len() < ANSWER_BYTES_MAX => {
                    if inbox.is_empty() {
                        inbox.extend_from_slice(&buffer[..length]);
                    }
                    self.connections[client].inbox = inbox;
                }
                Parsed::Incomplete | Parsed::Broken => {
                    let shown = String::from_utf8_lossy(&received[..received.len().min(300)]);
                    return self.fail(format!("no answer that can be read: {shown}"));
                }
            }
        }
    }

    /// How long a client waits until it asks again, if it does not do so at once.
    fn wait_after(&self, answer: &Answer<'_>) -> Option<Duration> {
        if answer.status != 503 {
            None
        } else if self.args.through_faults {
            Some(TRY_AGAIN)
        } else if self.args.patient {
            answer.retry_after.map(Duration::from_secs)
        } else {
            None
        }
    }

    /// Counts an answer and writes it down.
    fn answered(&mut self, client: usize, answer: &Answer<'_>) {
        let Some(Sent { asked, due }) = self.connections[client].sent.take() else {
            return self.fail("an answer that nobody asked for".to_owned());
        };
        self.under_way -= 1;
        let now = Instant::now();
        let status = answer.status;
        self.tally.status(status);
        let refused = status == 503 && (self.args.allow_503 || self.args.through_faults);
        if !refused && !self.args.expect.contains(&status) {
            let body = String::from_utf8_lossy(answer.body);
            return self.fail(format!("{asked:?} was answered {status}: {body}"));
        }
        self.note(asked, answer);
        // A closed loop is in the window when the answer is; an open one when
        // the start was: all of those are waited for, and none is left out.
        let counted = if self.args.rate.is_some() { due } else { now };
        if counted >= self.window_start && counted < self.stop {
            if refused {
                self.tally.refused(now - due);
            } else {
                self.tally.wanted(now - due);
            }
        }
        if now >= self.window_start && now < self.stop {
            self.tally.in_window(!refused);
        }
    }

    /// Keeps what the server has promised.
    fn note(&mut self, asked: Asked, answer: &Answer<'_>) {
        match (asked, answer.status) {
            (Asked::Book { user_id, event_id }, 201) => {
                if self.args.bare {
                    return;
                }
                let Some(booking_id) = answer::booking_id(answer.body) else {
                    return self.fail("a booking was confirmed without its id".to_owned());
                };
                self.entries.push(Entry::Booked {
                    booking_id,
                    user_id,
                    event_id,
                });
                self.script.booked(booking_id);
            }
            (Asked::Cancel { booking_id }, 200) => {
                self.entries.push(Entry::Cancelled { booking_id });
            }
            (Asked::Book { user_id, event_id }, 503) if self.args.through_faults => {
                let mut pieces = answer.body.windows(NOBODY_KNOWS.len());
                if pieces.any(|piece| piece == NOBODY_KNOWS.as_bytes()) {
                    self.nobody_knows(user_id, event_id);
                } else {
                    self.sent -= 1;
                }
            }
            _ => {}
        }
    }

    fn nobody_knows(&mut self, user_id: i64, event_id: i64) {
        self.tally.unknown();
        self.entries.push(Entry::Unknown { user_id, event_id });
    }

    /// What a connection does after an answer; `wait` is how long its client is going to wait.
    fn go_on(&mut self, client: usize, closes: bool, wait: Option<Duration>) {
        if closes && !self.reconnect(client) {
            return;
        }
        let now = Instant::now();
        if self.args.rate.is_some() {
            match self.waiting.pop_front() {
                Some(due) if now < self.stop => {
                    self.ask_next(client, due);
                }
                Some(due) => self.waiting.push_front(due),
                None => self.idle.push(client),
            }
        } else if let Some(wait) = wait {
            self.patience.wait(client, wait, now);
        } else if now < self.stop {
            self.ask_next(client, now);
        }
    }

    /// The server has closed a connection.
    fn closed(&mut self, client: usize) {
        if self.connections[client].sent.is_some() {
            self.broken(
                client,
                "the connection was closed instead of an answer".to_owned(),
            );
        } else {
            self.reconnect(client);
        }
    }

    /// A connection is of no use any more. What was asked on it may have been done if the
    /// system has taken any of it.
    fn broken(&mut self, client: usize, sentence: String) {
        if !self.args.through_faults {
            return self.fail(sentence);
        }
        let connection = &mut self.connections[client];
        connection.is_broken = true;
        // A client without a request waits already, and connects when it wakes.
        let Some(Sent { asked, .. }) = connection.sent.take() else {
            return;
        };
        self.under_way -= 1;
        match asked {
            Asked::Book { user_id, event_id } if self.connections[client].was_taken => {
                self.nobody_knows(user_id, event_id);
            }
            _ => self.sent -= 1,
        }
        self.patience.wait(client, TRY_AGAIN, Instant::now());
    }

    fn reconnect(&mut self, client: usize) -> bool {
        match Connection::begin(self.args.address, self.poll.registry(), Token(client)) {
            Ok(connection) => {
                self.connections[client] = connection;
                true
            }
            Err(error) => {
                self.fail(format!("no connection number {client}: {error}"));
                false
            }
        }
    }

    /// Remembers the first thing that went wrong, which ends the run.
    fn fail(&mut self, sentence: String) {
        self.trouble.get_or_insert(sentence);
    }
}
