//! Commands for one row share a transaction: bookings of seats, in a database
//! that is only a map here. `cargo run -p group-commit --example shared_transaction`

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use group_commit::{Batch, Group, GroupCommit, Limits, NotDone, Slot};
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, SemaphorePermit};

/// How many seats are wanted.
struct Book {
    seats_count: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    Booked { seats_left: u32 },
    SoldOut,
    Unavailable,
}

type Bookings = GroupCommit<&'static str, Book, Answer>;
type BookingBatch = Batch<&'static str, Book, Answer>;

/// Seats left by event, two connections, and how many transactions there were.
struct Database {
    seats: Mutex<HashMap<&'static str, u32>>,
    connections: Semaphore,
    transactions: Mutex<u32>,
}

impl Database {
    /// `None` when the database is gone.
    async fn connect(&self) -> Option<SemaphorePermit<'_>> {
        self.connections.acquire().await.ok()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Waits for a connection and then takes what is to be done: who comes in the
/// meantime is part of the batch.
async fn start(slot: Slot<&'static str, Book, Answer>, database: Arc<Database>) {
    let connection = database.connect().await;
    let Some(batch) = slot.take() else { return };
    match connection {
        Some(_connection) => transact(batch, &database).await,
        None => refuse(batch),
    }
}

/// One transaction: reads each row once, decides one booking after the other,
/// writes each row once, commits, and only then answers.
async fn transact(mut batch: BookingBatch, database: &Database) {
    // Declared after the batch and so dropped before it, should this panic.
    let groups = batch.take_groups();
    let mut answers = Vec::new();
    for Group { key, entries } in groups {
        let mut seats_left = lock(&database.seats).get(key).copied().unwrap_or(0);
        for entry in entries {
            let (book, reply) = entry.into_parts();
            let answer = match seats_left.checked_sub(book.seats_count) {
                Some(rest) => {
                    seats_left = rest;
                    Answer::Booked { seats_left }
                }
                None => Answer::SoldOut,
            };
            answers.push((reply, answer));
        }
        lock(&database.seats).insert(key, seats_left);
    }
    // The flush to disk, of which there is one for all of them.
    tokio::time::sleep(Duration::from_millis(5)).await;
    *lock(&database.transactions) += 1;
    for (reply, answer) in answers {
        reply.send(answer);
    }
}

/// A slot must not just be dropped: everybody would go on waiting.
fn refuse(mut batch: BookingBatch) {
    for entry in batch
        .take_groups()
        .into_iter()
        .flat_map(|group| group.entries)
    {
        entry.answer(Answer::Unavailable);
    }
}

/// Books, and gives up when the time is over, unless it is under way already.
async fn book(
    bookings: &Bookings,
    event: &'static str,
    seats_count: u32,
) -> Result<Answer, NotDone> {
    let wait_max = Duration::from_secs(1);
    let deadline = Instant::now() + wait_max;
    let mut pending = bookings.submit(event, Book { seats_count }, Some(deadline))?;
    match tokio::time::timeout(wait_max, &mut pending).await {
        Ok(answer) => answer,
        Err(_) => {
            // Out, and answered as expired; or under way, and the answer is near.
            pending.withdraw();
            pending.await
        }
    }
}

#[tokio::main]
async fn main() {
    let database = Arc::new(Database {
        seats: Mutex::new(HashMap::from([("opera", 1_000), ("cinema", 20)])),
        connections: Semaphore::new(2),
        transactions: Mutex::new(0),
    });
    // A handle, because a batch may end where `tokio::spawn` knows no runtime.
    let (runtime, shared) = (Handle::current(), database.clone());
    let bookings: Bookings = GroupCommit::new(Limits::default(), move |slot| {
        runtime.spawn(start(slot, shared.clone()));
    });

    let callers = (0..600).map(|caller| {
        let bookings = bookings.clone();
        let event = if caller % 6 == 0 { "cinema" } else { "opera" };
        tokio::spawn(async move { book(&bookings, event, 1).await })
    });
    let callers: Vec<_> = callers.collect();
    let (mut booked, mut refused) = (0, 0);
    for caller in callers {
        match caller.await {
            Ok(Ok(Answer::Booked { .. })) => booked += 1,
            _ => refused += 1,
        }
    }

    // The end: takes no more, waits for those that were taken.
    bookings.close();
    bookings.drained().await;
    let transactions = *lock(&database.transactions);
    println!("{booked} booked and {refused} refused in {transactions} transactions");
    assert_eq!((booked, refused), (520, 80));
}
