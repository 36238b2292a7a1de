//! Wakes the loop when the next request is due. epoll counts its timeout in
//! whole milliseconds, which is longer than many an answer takes; on Linux a
//! timer of the kernel is polled instead.

use std::io;
use std::time::Duration;

use mio::{Registry, Token};

#[cfg(target_os = "linux")]
pub(crate) struct Ticker(std::os::fd::OwnedFd);

#[cfg(target_os = "linux")]
impl Ticker {
    /// A timer that makes itself heard under the token.
    ///
    /// # Errors
    /// The system has no more timers.
    pub(crate) fn new(registry: &Registry, token: Token) -> io::Result<Self> {
        use mio::Interest;
        use mio::unix::SourceFd;
        use rustix::time::{TimerfdClockId, TimerfdFlags, timerfd_create};
        use std::os::fd::AsRawFd;

        let timer = timerfd_create(
            TimerfdClockId::Monotonic,
            TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC,
        )?;
        registry.register(&mut SourceFd(&timer.as_raw_fd()), token, Interest::READABLE)?;
        Ok(Self(timer))
    }

    /// Sets the timer; returns the timeout with which to poll.
    ///
    /// # Errors
    /// The system refuses the time.
    pub(crate) fn wake_in(&self, wait: Duration) -> io::Result<Option<Duration>> {
        use rustix::time::{Itimerspec, TimerfdTimerFlags, Timespec, timerfd_settime};

        // Zero would switch the timer off. Setting it takes an old tick away.
        let wait = wait.max(Duration::from_nanos(1));
        let never = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        let once = Itimerspec {
            it_interval: never,
            it_value: Timespec {
                tv_sec: wait.as_secs().try_into().unwrap_or(1),
                tv_nsec: wait.subsec_nanos().into(),
            },
        };
        timerfd_settime(&self.0, TimerfdTimerFlags::empty(), &once)?;
        Ok(None)
    }
}

/// Elsewhere the poll's own timeout must do.
#[cfg(not(target_os = "linux"))]
pub(crate) struct Ticker;

#[cfg(not(target_os = "linux"))]
impl Ticker {
    /// Needs nothing.
    ///
    /// # Errors
    /// Never.
    pub(crate) fn new(_registry: &Registry, _token: Token) -> io::Result<Self> {
        Ok(Self)
    }

    /// The timeout with which to poll.
    ///
    /// # Errors
    /// Never.
    pub(crate) fn wake_in(&self, wait: Duration) -> io::Result<Option<Duration>> {
        Ok(Some(wait))
    }
}
