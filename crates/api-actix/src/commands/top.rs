//! `utsavam top`: a view of running servers, refreshed at a terminal, once for scripts.

use std::io::IsTerminal;
use std::sync::mpsc;
use std::time::Duration;

use clap::Args;

use crate::commands::print;
use crate::failure::Failure;
use crate::settings::Settings;
use crate::top::{Source, Watch, plain, show};

/// Between two readings at least: servers answer anew twice a second.
const INTERVAL_MIN_SECONDS: f64 = 0.2;

#[derive(Args)]
pub(crate) struct Options {
    /// Where servers show their metrics, as they print it: http://127.0.0.1:9464/metrics.
    ///
    /// Several servers of one database are summed. Without any it is metrics.host and
    /// metrics.port of the settings.
    #[arg(value_name = "URL")]
    urls: Vec<Source>,
    /// Print the view once, after one interval. So does an output that is no terminal.
    #[arg(long)]
    once: bool,
    /// Seconds between two readings.
    #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = interval)]
    interval: Duration,
}

fn interval(text: &str) -> Result<Duration, String> {
    let wrong = || format!("must be a number from {INTERVAL_MIN_SECONDS} to 3600");
    let seconds: f64 = text.parse().map_err(|_| wrong())?;
    if (INTERVAL_MIN_SECONDS..=3_600.0).contains(&seconds) {
        Ok(Duration::from_secs_f64(seconds))
    } else {
        Err(wrong())
    }
}

pub(crate) fn top(settings: &Settings, options: Options) -> Result<(), Failure> {
    let Options {
        urls,
        once,
        interval,
    } = options;
    let sources = if urls.is_empty() {
        vec![of_the_settings(settings)?]
    } else {
        urls
    };
    let watch = Watch::new(sources);
    if once || !std::io::stdout().is_terminal() {
        print_once(watch, interval)
    } else {
        show(watch, interval)
    }
}

fn of_the_settings(settings: &Settings) -> Result<Source, Failure> {
    match settings.metrics.port {
        Some(port @ 1..) => Ok(Source::new(&settings.metrics.host, port)),
        _ => Err(Failure::new(
            "the settings do not say where a server shows its metrics (metrics.port): \
             name the address that it prints when it starts, \
             as in `utsavam top http://127.0.0.1:9464/metrics`",
        )),
    }
}

/// Rates need two readings. What is in the way of one is said at once.
fn print_once(mut watch: Watch, interval: Duration) -> Result<(), Failure> {
    let first = watch.look();
    if let (Some(trouble), true) = (first.trouble(), first.is_blank()) {
        return Err(Failure::new(trouble));
    }
    let (_end, ended) = mpsc::channel::<()>();
    // Nobody ends it, so the time is waited for.
    let _ = ended.recv_timeout(interval);
    let seen = watch.look();
    print(&plain(&seen))?;
    seen.trouble()
        .map_or(Ok(()), |trouble| Err(Failure::new(trouble)))
}
