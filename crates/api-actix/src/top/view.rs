//! What a look has seen, as lines: for the terminal and, without colours, for scripts.

use std::collections::BTreeMap;

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use super::events::HotLine;
use super::figures::{Answers, Figures, Rates};
use super::text::{count, duration, harmless, number, rate, seconds, uptime};
use super::watch::Seen;
use crate::overview::Paused;

/// Events that a script is told of.
const PLAIN_EVENTS_MAX: usize = 20;

const TROUBLE: Style = Style::new().fg(Color::Red).add_modifier(Modifier::BOLD);
const HEADING: Style = Style::new().add_modifier(Modifier::REVERSED);
const LABEL: Style = Style::new().fg(Color::Cyan);

/// Fills the terminal: what servers do above, events below as far as there is room, and
/// the keys on the last line.
pub(super) fn draw(frame: &mut Frame<'_>, seen: Option<&Seen>) {
    let [body, keys] =
        Layout::vertical([Constraint::Min(0), Constraint::Length(1)]).areas(frame.area());
    let lines = match seen {
        Some(seen) => lines(seen, Some(usize::from(body.height))),
        None => vec![Line::raw("reading …")],
    };
    frame.render_widget(Paragraph::new(lines), body);
    frame.render_widget(Line::styled("q quits", LABEL), keys);
}

/// The same for whoever has no terminal.
pub(crate) fn plain(seen: &Seen) -> String {
    let lines = lines(seen, None);
    let lines = lines
        .iter()
        .map(|line| line.to_string().trim_end().to_owned());
    lines.collect::<Vec<_>>().join("\n")
}

/// `height` is how many lines there is room for, unless there is no end to it.
fn lines(seen: &Seen, height: Option<usize>) -> Vec<Line<'static>> {
    let mut lines = vec![title(seen)];
    let unread = seen.unread.iter();
    lines.extend(unread.map(|why| Line::styled(why.clone(), TROUBLE)));
    let Some(figures) = &seen.figures else {
        return lines;
    };
    lines.push(Line::default());
    lines.extend(traffic(figures));
    lines.extend(work(figures));
    lines.extend(dependencies(figures));
    lines.push(Line::default());
    lines.push(Line::styled(heading(), HEADING));
    let room = match height {
        Some(height) => height.saturating_sub(lines.len()),
        None => PLAIN_EVENTS_MAX,
    };
    let paused = figures.paused.as_ref();
    let events = seen.events.iter().take(room);
    lines.extend(events.map(|event| event_line(event, paused)));
    if seen.events.is_empty() {
        lines.push(Line::raw("nobody has asked for seats yet"));
    }
    lines
}

fn title(seen: &Seen) -> Line<'static> {
    let mut title = "utsavam".to_owned();
    if let Some(figures) = &seen.figures {
        let versions: Vec<&str> = figures.versions.iter().map(String::as_str).collect();
        title = format!("{title} {}", versions.join(" and "));
    }
    let place = match &seen.sources[..] {
        [one] => one.clone(),
        all => format!("{} of {} servers", all.len() - seen.unread.len(), all.len()),
    };
    title = format!("{title} at {place}");
    if let Some(figures) = &seen.figures {
        let shortest = figures
            .uptimes
            .iter()
            .copied()
            .fold(f64::INFINITY, f64::min);
        title = format!("{title}, up {}", uptime(shortest));
        if let Some(rates) = &figures.rates {
            title = format!("{title}, figures of the last {}", seconds(rates.seconds));
        }
    }
    Line::styled(title, Modifier::BOLD)
}

/// What comes in and what becomes of it.
fn traffic(figures: &Figures) -> Vec<Line<'static>> {
    let none = Rates::default();
    let rates = figures.rates.as_ref().unwrap_or(&none);
    let in_all = format!(
        "since the start: bookings {}, seats {}",
        count(figures.bookings_made),
        count(figures.seats_sold)
    );
    let failed: f64 = rates.failed.values().sum();
    let latency = |share| duration(rates.latency.quantile(share));
    vec![
        row("bookings")
            .told("made", rate(rates.booked))
            .told("seats", rate(rates.seats))
            .told("cancelled", rate(rates.cancelled))
            .text(in_all)
            .line(),
        by_kind("refused", &rates.refused, Style::new()),
        by_kind("failed", &rates.failed, trouble_if(failed > 0.0)),
        row("requests")
            .told("all", rate(rates.requests))
            .styled(
                "5xx",
                rate(rates.server_errors),
                trouble_if(rates.server_errors > 0.0),
            )
            .told("rate limited", rate(rates.rate_limited))
            .told("in progress", count(figures.requests_in_progress))
            .text(format!(
                "waiting {} of {}",
                count(figures.requests_waiting),
                count(figures.requests_waiting_max)
            ))
            .line(),
        row("latency")
            .told("p50", latency(0.5))
            .told("p99", latency(0.99))
            .text("of POST /bookings".to_owned())
            .line(),
    ]
}

/// What the server does about it.
fn work(figures: &Figures) -> Vec<Line<'static>> {
    let none = Rates::default();
    let rates = figures.rates.as_ref().unwrap_or(&none);
    let batch_duration = |share| duration(rates.batch_duration.quantile(share));
    let mean = rates.batch_commands.mean();
    let batches = row("batches")
        .told("size", mean.map_or("-".to_owned(), number))
        .told(
            "each",
            rate(rates.batch_commands.count() / rates.seconds.max(f64::MIN_POSITIVE)),
        )
        .told("p50", batch_duration(0.5))
        .told("p99", batch_duration(0.99));
    let queues = row("queues");
    let queues = figures
        .queues
        .iter()
        .fold(queues, |queues, (queue, waiting)| {
            queues.told(queue, count(*waiting))
        });
    let waited = duration(rates.queue_wait.quantile(0.99));
    let mut lines = vec![batches.line(), queues.told("p99 wait", waited).line()];
    if rates.gate.values().sum::<f64>() > 0.0 {
        let gate = rates.gate.iter();
        let gate = gate.fold(row("gate"), |row, (answer, often)| {
            row.told(answer, rate(*often))
        });
        lines.push(gate.line());
    }
    lines
}

/// What the server needs.
fn dependencies(figures: &Figures) -> Vec<Line<'static>> {
    let database = row("database");
    let database = match figures.postgres {
        Some(_) => answering(database, "PostgreSQL", figures.database),
        None => answering(database, "SQLite", figures.database),
    };
    let database = match (figures.postgres, figures.sqlite) {
        (Some(pool), _) => database
            .text(format!(
                "connections {} used {} idle of {}",
                count(pool.used),
                count(pool.idle),
                count(pool.connections_max)
            ))
            .text(format!(
                "transactions {} of {}",
                count(pool.transactions),
                count(pool.transactions_max)
            )),
        (None, Some(jobs)) => database
            .told("writes waiting", count(jobs.writes))
            .told("reads waiting", count(jobs.reads)),
        (None, None) => database,
    };
    let redis = match figures.redis {
        Answers { up: 0, down: 0 } => row("redis").text("not used".to_owned()),
        answers => answering(row("redis"), "Redis", answers),
    };
    let redis = match figures.redis_gone_around {
        0.0 => redis,
        servers if figures.uptimes.len() > 1 => redis.trouble(format!(
            "gone around by {} of {} servers",
            count(servers),
            figures.uptimes.len()
        )),
        _ => redis.trouble("gone around".to_owned()),
    };
    vec![
        database.line(),
        redis.line(),
        sales(figures.paused.as_ref()),
    ]
}

fn answering(row: Row, name: &str, answers: Answers) -> Row {
    match answers {
        Answers { down: 0, .. } => row.text(format!("{name} up")),
        Answers { up: 0, .. } => row.trouble(format!("{name} down")),
        Answers { up, down } => {
            row.trouble(format!("{name} down for {down} of {} servers", up + down))
        }
    }
}

fn sales(paused: Option<&Paused>) -> Line<'static> {
    let row = row("sales");
    let Some(paused) = paused else {
        return row
            .trouble("it is not known what is paused".to_owned())
            .line();
    };
    let row = match paused.all {
        true => row.trouble("all paused".to_owned()),
        false if paused.event_ids.is_empty() => row.text("nothing paused".to_owned()),
        false => row,
    };
    if paused.event_ids.is_empty() {
        return row.line();
    }
    const IDS_MAX: usize = 8;
    let ids = paused.event_ids.iter().take(IDS_MAX).map(i64::to_string);
    let mut ids: Vec<String> = ids.collect();
    if paused.more || paused.event_ids.len() > IDS_MAX {
        ids.push("…".to_owned());
    }
    row.trouble(format!("paused events: {}", ids.join(", ")))
        .line()
}

fn by_kind(label: &'static str, kinds: &BTreeMap<String, f64>, style: Style) -> Line<'static> {
    let all: f64 = kinds.values().sum();
    let mut often: Vec<_> = kinds.iter().filter(|(_, rate)| **rate > 0.0).collect();
    often.sort_by(|(_, one), (_, other)| other.total_cmp(one));
    let row = row(label).styled("all", rate(all), style);
    let row = often
        .into_iter()
        .fold(row, |row, (kind, often)| row.told(kind, rate(*often)));
    row.line()
}

fn heading() -> String {
    let (event, left, of, booked) = ("EVENT", "SEATS LEFT", "OF", "BOOKED/S");
    format!(
        "{event:>9} {left:>11} {of:>9} {booked:>10} {:>10}  NAME",
        "REFUSED/S"
    )
}

fn event_line(event: &HotLine, paused: Option<&Paused>) -> Line<'static> {
    let unknown = || "?".to_owned();
    let seats = |seats: Option<u32>| seats.map_or_else(unknown, |seats| count(seats.into()));
    let is_paused =
        paused.is_some_and(|paused| paused.all || paused.event_ids.contains(&event.event_id));
    let text = format!(
        "{:>9} {:>11} {:>9} {:>10} {:>10}  {}{}",
        event.event_id,
        seats(event.seats_left),
        seats(event.capacity),
        number(event.booked),
        number(event.refused),
        event.name.as_deref().map_or_else(unknown, harmless),
        if is_paused { " (paused)" } else { "" },
    );
    let style = match event.seats_left {
        _ if is_paused => TROUBLE,
        Some(0) => Style::new().add_modifier(Modifier::DIM),
        _ => Style::new(),
    };
    Line::styled(text, style)
}

fn trouble_if(is_trouble: bool) -> Style {
    if is_trouble { TROUBLE } else { Style::new() }
}

/// A line of figures behind a label.
struct Row(Vec<Span<'static>>);

fn row(label: &'static str) -> Row {
    Row(vec![Span::styled(format!("{label:<10}"), LABEL)])
}

impl Row {
    fn told(self, what: &str, value: String) -> Self {
        self.styled(what, value, Style::new())
    }

    fn styled(mut self, what: &str, value: String, style: Style) -> Self {
        self.0
            .push(Span::styled(format!("{what} {value:<8}  "), style));
        self
    }

    fn text(mut self, text: String) -> Self {
        self.0.push(Span::raw(text + "  "));
        self
    }

    fn trouble(mut self, text: String) -> Self {
        self.0.push(Span::styled(text, TROUBLE));
        self.0.push(Span::raw("  "));
        self
    }

    fn line(self) -> Line<'static> {
        Line::from(self.0)
    }
}

#[cfg(test)]
mod tests;
