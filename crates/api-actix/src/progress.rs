//! Telling whoever waits at the terminal how far a long command got; in a log
//! file, a line every few seconds.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// Between two lines where there is no terminal.
const LINE_INTERVAL: Duration = Duration::from_secs(5);

/// Steps between two looks at the clock.
const STEPS_BETWEEN_LOOKS: u32 = 1_000;

const WITH_TOTAL: &str = "{msg} [{wide_bar}] {percent:>3} % {eta:>4}";
const WITHOUT_TOTAL: &str = "{msg} {spinner} {elapsed}";

/// A progress bar, gone when it is dropped.
#[derive(Debug)]
pub(crate) struct Progress {
    verb: &'static str,
    total: Option<u64>,
    /// Only at a terminal.
    bar: Option<ProgressBar>,
    steps: u32,
    last_line: Instant,
}

impl Progress {
    /// Begins at nothing. `total` is in the unit of `position` below; without it
    /// only what is done is shown.
    pub(crate) fn start(verb: &'static str, total: Option<u64>) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = total.map_or_else(ProgressBar::no_length, ProgressBar::new);
            let template = total.map_or(WITHOUT_TOTAL, |_| WITH_TOTAL);
            let style = ProgressStyle::with_template(template).expect("a constant that is valid");
            bar.with_style(style.progress_chars("=> "))
        });
        Self {
            verb,
            total,
            bar,
            steps: 0,
            last_line: Instant::now(),
        }
    }

    /// One more record was dealt with. Mostly does nothing, so that it may be
    /// called for each.
    pub(crate) fn step(&mut self, position: u64, records: u64) {
        self.steps += 1;
        if self.steps < STEPS_BETWEEN_LOOKS {
            return;
        }
        self.steps = 0;
        self.show(position, &format!("{}: {records} records", self.verb));
    }

    /// All records were dealt with, but not all of the work.
    pub(crate) fn last_part(&mut self, what: &str) {
        let position = self.total.unwrap_or_default();
        self.show(position, what);
    }

    fn show(&mut self, position: u64, message: &str) {
        if let Some(bar) = &self.bar {
            bar.set_message(message.to_owned());
            bar.set_position(position);
        } else if self.last_line.elapsed() >= LINE_INTERVAL {
            self.last_line = Instant::now();
            match self.total {
                Some(total @ 1..) => {
                    let percent = position.min(total) * 100 / total;
                    eprintln!("{message}, {percent} %");
                }
                _ => eprintln!("{message}"),
            }
        }
    }
}

impl Drop for Progress {
    /// The last word is the command's own.
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
