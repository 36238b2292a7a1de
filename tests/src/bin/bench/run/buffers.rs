//! How many pages of PostgreSQL a request touches, by the statements that the
//! server really sends: pg_stat_statements counts them while a single client
//! makes a fixed number of requests.

use super::fill::FIRST;
use super::plan::Plan;
use super::results::{Results, Sample};
use super::scenarios::admin_read;
use super::side::{Load, MANY, Place};

/// Requests before the count, which fill caches and prepare statements.
const WARM: usize = 50;

/// Requests that are counted.
const COUNTED: usize = 200;

/// Pages of all statements that were sent once for each request, or twice, and
/// so on; others are the server's own housekeeping.
const PAGES: &str = "
    SELECT coalesce(sum(shared_blks_hit + shared_blks_read), 0)
    FROM pg_stat_statements
    WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
      AND calls > {requests} * 0.9
      AND abs(calls - {requests} * round(calls / {requests}.0)) < {requests} * 0.05";

/// Keeps the server from walking through all events in the meantime.
const QUIET: (&str, &str) = ("UTSAVAM__GATE__RECONCILE_INTERVAL", "1h");

/// Counts for each call on one store; those that cancel stand behind those that
/// book.
///
/// # Errors
/// A request was not answered as it should be.
pub(crate) async fn run(
    plan: &Plan,
    store: &str,
    place: &Place,
    calls: &[&str],
    results: &mut Results,
) -> Result<(), String> {
    let sql = place.sql().await;
    let preloaded = sql.text("SHOW shared_preload_libraries").await;
    if !preloaded.contains("pg_stat_statements") {
        eprintln!("  pages are not counted: pg_stat_statements is not installed");
        return Ok(());
    }
    sql.run("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
        .await;
    // Only for sessions that begin now, which are the server's. Statements
    // within statements are part of the outer ones.
    sql.run(
        "DO $$ BEGIN EXECUTE format(
             'ALTER DATABASE %I SET pg_stat_statements.track = ''top''', current_database());
         END $$",
    )
    .await;
    let mut plan = plan.clone();
    plan.server_env
        .push((QUIET.0.to_owned(), QUIET.1.to_owned()));
    let plan = &plan;
    let mut side = place.start(plan, FIRST).await?;
    let mut event = side.publish(1, MANY).await?;
    for call in calls {
        for (requests, counts) in [(WARM, false), (COUNTED, true)] {
            sql.run("SELECT pg_stat_statements_reset()").await;
            let load = match *call {
                "D" => Load::new("book", 1),
                "G" => Load::new("cancel", 1)
                    .flag("--bookings", event.ledgers[usize::from(counts)].display()),
                "B" => Load::new("read", 1).flag("--path", format!("/events/{FIRST}")),
                "C" => Load::new("read", 1).flag("--path", "/events"),
                _ => admin_read("/admin/analytics", 1),
            };
            // A window that the number of requests ends.
            let load = load
                .flag("--requests", requests)
                .flag("--warmup", 0)
                .flag("--seconds", 60);
            if matches!(*call, "D" | "G") {
                side.sell(plan, &mut event, load).await?;
            } else {
                side.load(plan, load).await?;
            }
            if counts {
                let query = PAGES.replace("{requests}", &COUNTED.to_string());
                let pages: f64 = sql.text(&query).await.parse().unwrap_or(f64::NAN);
                let sample = Sample {
                    figure: pages / requests as f64,
                    ..Sample::default()
                };
                results.add(&format!("pages/{call}/{store}"), sample);
            }
        }
    }
    side.server.stop().await
}
