//! The terminal: taken when the view begins and given back as it was, however the view
//! ends. Servers are read on a thread of their own, so that a key is answered at once
//! whatever they do.

use std::io;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::Duration;

use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use tokio::signal::unix::{SignalKind, signal};

use super::view;
use super::watch::{Seen, Watch};
use crate::failure::Failure;

/// How long nobody looks whether something was seen while no key is pressed.
const KEY_WAIT: Duration = Duration::from_millis(100);

/// What the view is told.
enum Told {
    Seen(Box<Seen>),
    /// A signal asks the process to end.
    End,
}

/// Shows what is seen, again after each interval, until somebody quits.
///
/// # Errors
/// The terminal cannot be used.
pub(crate) fn show(watch: Watch, interval: Duration) -> Result<(), Failure> {
    let (tell, told) = mpsc::channel();
    // Dropped when the view ends, and then the other thread ends too.
    let (_watching, is_over) = mpsc::channel();
    // From here on the terminal is given back, also where one of these panics.
    let mut screen = Screen::take().map_err(unusable)?;
    let ender = tell.clone();
    start("signals", move || tell_of_signals(&ender))?;
    start("look", move || {
        keep_looking(watch, interval, &tell, &is_over)
    })?;
    run(&mut screen, &told).map_err(unusable)
}

fn unusable(error: io::Error) -> Failure {
    Failure::new(format!("the terminal cannot be used: {error}"))
}

fn start(name: &str, work: impl FnOnce() + Send + 'static) -> Result<(), Failure> {
    let thread = thread::Builder::new().name(name.to_owned()).spawn(work);
    thread
        .map(drop)
        .map_err(|error| Failure::new(format!("no thread: {error}")))
}

fn keep_looking(mut watch: Watch, interval: Duration, tell: &Sender<Told>, over: &Receiver<()>) {
    loop {
        if tell.send(Told::Seen(Box::new(watch.look()))).is_err() {
            return;
        }
        if over.recv_timeout(interval) != Err(RecvTimeoutError::Timeout) {
            return;
        }
    }
}

/// Ctrl-C is a key here. Where signals cannot be listened to they end the process as
/// they do by themselves.
fn tell_of_signals(tell: &Sender<Told>) {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let Ok(runtime) = builder.enable_all().build() else {
        return;
    };
    let waited = runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut hang_up = signal(SignalKind::hangup())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        tokio::select! {
            _ = terminate.recv() => {}
            _ = hang_up.recv() => {}
            _ = interrupt.recv() => {}
        }
        io::Result::Ok(())
    });
    if waited.is_ok() {
        // It has ended by itself.
        let _ = tell.send(Told::End);
    }
}

fn run(screen: &mut Screen, told: &Receiver<Told>) -> io::Result<()> {
    let mut seen: Option<Box<Seen>> = None;
    let mut is_stale = true;
    loop {
        if is_stale {
            screen.0.draw(|frame| view::draw(frame, seen.as_deref()))?;
        }
        is_stale = false;
        if event::poll(KEY_WAIT)? {
            match event::read()? {
                Event::Key(key) if quits(&key) => return Ok(()),
                Event::Resize(..) => is_stale = true,
                _ => {}
            }
        }
        loop {
            match told.try_recv() {
                Ok(Told::Seen(now)) => {
                    seen = Some(now);
                    is_stale = true;
                }
                Ok(Told::End) => return Ok(()),
                Err(mpsc::TryRecvError::Empty) => break,
                Err(mpsc::TryRecvError::Disconnected) => {
                    return Err(io::Error::other("nobody looks at the servers any more"));
                }
            }
        }
    }
}

fn quits(key: &KeyEvent) -> bool {
    let is_control = key.modifiers.contains(KeyModifiers::CONTROL);
    key.kind != KeyEventKind::Release
        && match key.code {
            KeyCode::Esc | KeyCode::Char('q' | 'Q') => true,
            KeyCode::Char('c' | 'd') => is_control,
            _ => false,
        }
}

/// The terminal while it is ours. A panic gives it back before it is told, so that what
/// is told stays on it.
struct Screen(DefaultTerminal);

impl Screen {
    fn take() -> io::Result<Self> {
        ratatui::try_init().map(Self).inspect_err(|_| give_back())
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        give_back();
        // Where that fails there is no terminal any more.
        let _ = self.0.show_cursor();
    }
}

fn give_back() {
    // Not `restore`, which complains on a terminal that may be gone.
    let _ = ratatui::try_restore();
}

#[cfg(all(test, target_os = "linux"))]
mod tests;
