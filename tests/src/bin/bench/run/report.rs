//! The report: tables in Markdown, which are read as well in a terminal.

use std::fmt::Write as _;
use std::path::Path;

use super::plan::Plan;
use super::results::{Results, Series, Spread};
use super::targets;

/// Between these two lines of the document everything is written anew; what
/// people wrote around them stays.
const BEGIN: &str = "<!-- written by `make bench`: begin -->";
const END: &str = "<!-- written by `make bench`: end -->";

/// The tables.
pub(crate) fn text(
    plan: &Plan,
    machine: &[(&str, String)],
    results: &Results,
    slow: &Results,
) -> String {
    let mut text = String::new();
    // Writing into a string cannot fail.
    let _ = write!(text, "### The machine\n\n| | |\n|---|---|\n");
    for (name, value) in machine {
        let _ = writeln!(text, "| {name} | {value} |");
    }
    let _ = writeln!(
        text,
        "\nMedians of {} rounds of {} s each{}. Figures are per second; those of MEMORY are MB, those\nof pages are pages for each request.\n",
        plan.rounds,
        plan.seconds,
        if plan.quick { " (quick)" } else { "" }
    );
    targets_table(&mut text, "Ratios", results);
    figures_table(&mut text, "Figures", results);
    if !slow.series.is_empty() {
        let _ = writeln!(
            text,
            "\nA second pass on a modelled disk, on which each flush of PostgreSQL takes 1 ms or a \
             little more, as with block storage in a data centre. Its figures stand apart from \
             those above.\n"
        );
        targets_table(&mut text, "Ratios on the slow disk", slow);
        figures_table(&mut text, "Figures on the slow disk", slow);
    }
    text
}

fn targets_table(text: &mut String, title: &str, results: &Results) {
    let _ = write!(
        text,
        "### {title}\n\n| ratio | needed | wanted | measured | from … to | |\n|---|--:|--:|--:|--:|---|\n"
    );
    for target in targets::all(results) {
        let (Some(measured), Some(is_met)) = (target.measured, target.is_met()) else {
            continue;
        };
        let sign = if target.at_least { "≥" } else { "≤" };
        let _ = writeln!(
            text,
            "| {} | {sign} {} | {} | {} | {} … {} | {} |",
            target.title,
            target.needed,
            target.wanted,
            short(measured.median),
            short(measured.min),
            short(measured.max),
            if is_met { "met" } else { "**missed**" }
        );
    }
    text.push('\n');
}

fn figures_table(text: &mut String, title: &str, results: &Results) {
    let _ = write!(
        text,
        "### {title}\n\n\
         | measurement | figure | from … to | p50 ms | p99 ms | p99.9 ms | 503 per second | 503 p99 ms |\n\
         |---|--:|--:|--:|--:|--:|--:|--:|\n"
    );
    for series in &results.series {
        let figures = series.figures();
        let _ = writeln!(
            text,
            "| {} | {} | {} … {} | {} | {} | {} | {} | {} |",
            series.name,
            short(figures.median),
            short(figures.min),
            short(figures.max),
            latency(series, |sample| sample.latency.p50_ms),
            latency(series, |sample| sample.latency.p99_ms),
            latency(series, |sample| sample.latency.p999_ms),
            latency(series, |sample| sample.refusals),
            latency(series, |sample| sample.refusal_latency.p99_ms),
        );
    }
}

/// Nothing where nothing was measured.
fn latency(series: &Series, of: impl Fn(&super::results::Sample) -> f64) -> String {
    let Spread { median, .. } = series.spread(of);
    if median > 0.0 {
        short(median)
    } else {
        String::new()
    }
}

/// As many digits as are worth something.
fn short(value: f64) -> String {
    if value.abs() >= 100.0 {
        format!("{value:.0}")
    } else if value.abs() >= 10.0 {
        format!("{value:.1}")
    } else {
        format!("{value:.2}")
    }
}

/// Puts the tables into the document.
///
/// # Errors
/// The document is missing, or has no place for them.
pub(crate) fn write(path: &Path, tables: &str) -> Result<(), String> {
    let shown = path.display();
    let document = std::fs::read_to_string(path).map_err(|error| format!("{shown}: {error}"))?;
    let document = replace(&document, tables)
        .ok_or_else(|| format!("{shown} has no lines {BEGIN:?} and {END:?}"))?;
    std::fs::write(path, document).map_err(|error| format!("{shown}: {error}"))
}

fn replace(document: &str, tables: &str) -> Option<String> {
    let (before, rest) = document.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!(
        "{before}{BEGIN}\n\n{}\n\n{END}{after}",
        tables.trim()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_stands_between_the_lines_is_replaced() {
        let document = format!("by hand\n{BEGIN}\nold\n{END}\nby hand too\n");
        let written = replace(&document, "new\n").expect("both lines are there");
        assert_eq!(
            written,
            format!("by hand\n{BEGIN}\n\nnew\n\n{END}\nby hand too\n")
        );
        assert_eq!(replace("by hand", "new"), None);
    }
}
