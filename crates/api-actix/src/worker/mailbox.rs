//! Answers from other threads, delivered together.
//!
//! Stores and gates answer from threads of their own. A worker's scheduler
//! (`LocalSet` of tokio) looks at what other threads woke once for 31 tasks of
//! its own: where new requests never cease, the answers of those that were let
//! in stand behind them. And each such wake is a system call. So here it is
//! written down in a mailbox of the worker; the first letter wakes its postman,
//! a task of the worker, who delivers all that have gathered.

use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use futures::task::AtomicWaker;

use super::waiting::Place;

/// A worker that is no later than this is in time.
const IN_TIME: Duration = Duration::from_millis(1);

thread_local! {
    /// The mailbox of this worker, once it was needed.
    static MAILBOX: RefCell<Option<Arc<Mailbox>>> = const { RefCell::new(None) };
    /// How late this worker is with what it has to do.
    static LATE: Cell<Duration> = const { Cell::new(Duration::ZERO) };
}

/// Where other threads write down whom they would wake.
#[derive(Default)]
struct Mailbox {
    content: Mutex<Content>,
}

#[derive(Default)]
struct Content {
    letters: Vec<Arc<Letter>>,
    postman: Option<Waker>,
    /// The worker has ended: nobody is left to be woken.
    closed: bool,
}

impl Mailbox {
    /// That of this worker; its postman starts with it.
    fn of_this_worker() -> Arc<Self> {
        MAILBOX.with_borrow_mut(|mailbox| {
            if let Some(mailbox) = mailbox
                && !mailbox.content().closed
            {
                return mailbox.clone();
            }
            let new = Arc::new(Self::default());
            actix_web::rt::spawn(Postman {
                mailbox: new.clone(),
                round: Vec::new(),
                in_line_since: None,
            });
            mailbox.insert(new).clone()
        })
    }

    fn is_of_this_thread(self: &Arc<Self>) -> bool {
        MAILBOX.with_borrow(|own| own.as_ref().is_some_and(|own| Arc::ptr_eq(own, self)))
    }

    fn put(&self, letter: Arc<Letter>) {
        let mut content = self.content();
        if content.closed {
            return;
        }
        content.letters.push(letter);
        // Whoever is not the first finds the postman on his way.
        let postman = match content.letters.len() {
            1 => content.postman.clone(),
            _ => None,
        };
        drop(content);
        if let Some(postman) = postman {
            postman.wake();
        }
    }

    fn content(&self) -> MutexGuard<'_, Content> {
        // What is done under the lock cannot panic half-way.
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Delivers what has gathered, for as long as the worker runs.
struct Postman {
    mailbox: Arc<Mailbox>,
    /// Empty between rounds; kept for its room.
    round: Vec<Arc<Letter>>,
    /// Since when he stands in line behind those to whom he has delivered, and
    /// whatever else the worker has to do, to see how long that takes.
    in_line_since: Option<Instant>,
}

impl Future for Postman {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        let late = this.in_line_since.take().map(|since| since.elapsed());
        let late = late.unwrap_or_default();
        LATE.set(late);
        let mut content = this.mailbox.content();
        std::mem::swap(&mut content.letters, &mut this.round);
        if content.postman.is_none() {
            content.postman = Some(context.waker().clone());
        }
        drop(content);
        let stands_in_line = !this.round.is_empty() || late > IN_TIME;
        for letter in this.round.drain(..) {
            letter.addressee.wake();
        }
        if stands_in_line {
            this.in_line_since = Some(Instant::now());
            context.waker().wake_by_ref();
        }
        Poll::Pending
    }
}

impl Drop for Postman {
    fn drop(&mut self) {
        let mut content = self.mailbox.content();
        content.closed = true;
        // Letters and mailbox know each other: one of them has to let go.
        let left = std::mem::take(&mut content.letters);
        drop(content);
        drop(left);
    }
}

/// The waker of a piece of work.
struct Letter {
    mailbox: Arc<Mailbox>,
    addressee: AtomicWaker,
    place: Place,
}

impl Wake for Letter {
    fn wake(self: Arc<Self>) {
        self.place.leave();
        if self.mailbox.is_of_this_thread() {
            self.addressee.wake();
        } else {
            self.mailbox.clone().put(self);
        }
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.clone().wake();
    }
}

/// Work of this worker that is woken through its mailbox.
pub(crate) struct WokenTogether<F> {
    work: F,
    letter: Arc<Letter>,
    waker: Waker,
}

impl<F> WokenTogether<F> {
    /// Must be called on a worker, and polled there.
    pub(crate) fn new(place: Place, work: F) -> Self {
        let letter = Arc::new(Letter {
            mailbox: Mailbox::of_this_worker(),
            addressee: AtomicWaker::new(),
            place,
        });
        let waker = Waker::from(letter.clone());
        Self {
            work,
            letter,
            waker,
        }
    }
}

impl<F: Future + Unpin> Future for WokenTogether<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = &mut *self;
        this.letter.addressee.register(context.waker());
        let outcome = Pin::new(&mut this.work).poll(&mut Context::from_waker(&this.waker));
        // A wake during the poll is overwritten here; the next poll, which
        // that wake brings about, sets it right.
        if outcome.is_pending() {
            this.letter.place.take();
        }
        outcome
    }
}

impl<F> Drop for WokenTogether<F> {
    fn drop(&mut self) {
        // Whoever was to wake the work may keep the letter for a while.
        self.letter.place.end(LATE.get());
    }
}
