//! In the place of the file of that name in `adapters-redis`: time, tasks and chance
//! of a history.

use std::cell::Cell;
use std::pin::pin;
use std::sync::LazyLock;
use std::task::Poll;
use std::time::{Duration, Instant};

use crate::executor::{self, Owner, Sleep, sleep_until_us};

/// Any instant; histories count from it.
static BEGINNING: LazyLock<Instant> = LazyLock::new(Instant::now);

thread_local! {
    static DRAWN: Cell<u128> = const { Cell::new(0) };
}

/// The clock that all processes share.
pub(crate) fn now() -> Instant {
    *BEGINNING + Duration::from_micros(executor::now_us())
}

pub(crate) fn sleep_until(at: Instant) -> Sleep {
    sleep_until_us(us_since_beginning(at))
}

fn us_since_beginning(at: Instant) -> u64 {
    u64::try_from(at.saturating_duration_since(*BEGINNING).as_micros()).unwrap_or(u64::MAX)
}

/// The time is up.
#[derive(Debug)]
pub(crate) struct Elapsed;

/// Gives up after so long.
pub(crate) async fn timeout<T>(
    time_limit: Duration,
    work: impl Future<Output = T>,
) -> Result<T, Elapsed> {
    let mut work = pin!(work);
    let mut end = pin!(sleep_until(now() + time_limit));
    std::future::poll_fn(|context| match work.as_mut().poll(context) {
        Poll::Ready(done) => Poll::Ready(Ok(done)),
        Poll::Pending => end.as_mut().poll(context).map(|()| Err(Elapsed)),
    })
    .await
}

/// Names that nobody has drawn before in this history: blocks, as reservations
/// of calls have small numbers.
pub(crate) fn random_bits() -> u128 {
    let drawn = DRAWN.get() + 1;
    DRAWN.set(drawn);
    BLOCKS_FROM + drawn
}

const BLOCKS_FROM: u128 = 1 << 64;

/// Begins the names again, for the next history.
pub(crate) fn reset() {
    DRAWN.set(0);
}

/// Where tasks of a process run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Handle(Owner);

impl Handle {
    #[allow(clippy::unnecessary_wraps, reason = "tokio's may not be there")]
    pub(crate) fn try_current() -> Result<Self, Elapsed> {
        Ok(Self::current())
    }

    pub(crate) fn current() -> Self {
        Self(executor::current_owner())
    }

    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        executor::spawn(self.0, work);
    }
}
