//! The benchmark itself: starts everything, measures in rounds, and reports.

mod buffers;
mod fill;
mod growth;
mod machine;
mod pgbench;
mod plan;
mod process;
mod report;
mod results;
mod scenarios;
mod side;
mod slow_disk;
mod sqlite_batch;
mod targets;

use tokio::process::Command;
use tokio::signal::unix::{SignalKind, signal};
use utsavam_tests::Sql;

pub(crate) use plan::RunArgs;

use pgbench::Pgbench;
use plan::Plan;
use process::Process;
use results::Results;
use scenarios::Bench;
use side::Kind;
use sqlite_batch::SqliteBatch;

/// Measures until everything is measured or somebody asks to stop. All
/// processes that were started end with it.
///
/// # Errors
/// A sentence when something could not be measured, or was measured on a server
/// that did not keep what it had promised.
pub(crate) async fn run(args: &RunArgs) -> Result<(), String> {
    let interrupt = |kind| signal(kind).map_err(|error| format!("signals: {error}"));
    let mut int = interrupt(SignalKind::interrupt())?;
    let mut term = interrupt(SignalKind::terminate())?;
    tokio::select! {
        outcome = measure(args) => outcome,
        _ = int.recv() => Err("interrupted".to_owned()),
        _ = term.recv() => Err("asked to end".to_owned()),
    }
}

async fn measure(args: &RunArgs) -> Result<(), String> {
    let plan = Plan::new(args).await?;
    refuse_unknown_names(&plan)?;
    let machine = machine::describe(&plan).await?;
    for (name, value) in &machine {
        eprintln!("{name}: {value}");
    }
    if plan.has(Kind::Scaled) {
        recycle_log_files(&plan).await;
    }
    let mut results = Results::default();
    rounds(&plan, &mut results).await?;
    for kind in [Kind::Scaled, Kind::Embedded] {
        if plan.has(kind) && plan.wants("GROWTH", "GROWTH") {
            growth::run(&plan, kind, &mut results).await;
        }
    }
    let is_asked_for = plan.only.iter().any(|only| only == "SLOW");
    let slow = if is_asked_for || (plan.only.is_empty() && !plan.quick) {
        match slow_disk::run(&plan).await {
            Ok(slow) => slow,
            Err(sentence) => {
                results.fail("slow", &sentence);
                Results::default()
            }
        }
    } else {
        Results::default()
    };
    let text = report::text(&plan, &machine, &results, &slow);
    println!("{text}");
    if let Some(path) = &args.json {
        let json = serde_json::to_string_pretty(&results).map_err(|error| error.to_string())?;
        std::fs::write(path, json).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    if !results.failures.is_empty() {
        return Err(format!(
            "the benchmark failed: {}",
            results.failures.join("\n")
        ));
    }
    if let Some(path) = &args.report {
        report::write(path, &text)?;
    }
    Ok(())
}

/// Megabytes that are written to PostgreSQL's log before anything is measured:
/// a little less than the `min_wal_size` of the benchmark's server.
const LOG_MEGABYTES: i64 = 1_800;

/// Gives PostgreSQL files of its write-ahead log to write anew, as it has them in
/// production. A server that was just made fills each new file of 16 MB with
/// zeros and flushes it first, and everybody waits for that about once a second.
async fn recycle_log_files(plan: &Plan) {
    let sql = Sql::connect(&plan.database_url).await;
    let fill = format!(
        "SELECT count(pg_logical_emit_message(false, 'bench', repeat('x', 1000000)))
         FROM generate_series(1, {LOG_MEGABYTES})"
    );
    sql.run(&fill).await;
    sql.run("CHECKPOINT").await;
}

/// Names that `--only` knows beside those of scenarios and of pgbench.
const OTHERS: [&str; 4] = ["A", "N", "GROWTH", "SLOW"];

/// A misspelt name would measure nothing and say nothing.
fn refuse_unknown_names(plan: &Plan) -> Result<(), String> {
    let mut known: Vec<String> = OTHERS.map(str::to_owned).to_vec();
    for (name, group) in scenarios::ALL
        .into_iter()
        .map(scenarios::Scenario::name)
        .chain(pgbench::names())
    {
        for name in [group.to_owned(), name] {
            if !known.contains(&name) {
                known.push(name);
            }
        }
    }
    match plan.only.iter().find(|only| !known.contains(only)) {
        Some(only) => Err(format!(
            "there is no measurement {only}, but {}",
            known.join(", ")
        )),
        None => Ok(()),
    }
}

/// The measurements that are compared with one another, one after the other in
/// each round, so that whatever slows the machine down for a while slows all.
async fn rounds(plan: &Plan, results: &mut Results) -> Result<(), String> {
    let wants = |name: &str| plan.wants(name, name);
    let bare = if wants("A") && plan.has(Kind::Scaled) {
        let mut command = Command::new(std::env::current_exe().map_err(|error| error.to_string())?);
        command.arg("bare");
        Some(Process::start(command, &plan.folder.join("bare.log")).await?)
    } else {
        None
    };
    let pgbench = if plan.has(Kind::Scaled) && pgbench::names().any(|(n, g)| plan.wants(&n, g)) {
        Some(Pgbench::prepare(plan).await?)
    } else {
        None
    };
    let batch = if plan.has(Kind::Embedded) && wants("N") {
        Some(SqliteBatch::prepare(plan).await?)
    } else {
        None
    };
    let mut benches = Vec::new();
    for kind in [Kind::Scaled, Kind::Embedded] {
        if plan.has(kind) && scenarios::any_is_wanted(plan) {
            benches.push(Bench::start(plan, kind).await?);
        }
    }
    for round in 1..=plan.rounds {
        eprintln!("round {round} of {}", plan.rounds);
        if let Some(server) = &bare {
            results.add("bare/A", scenarios::bare(plan, server).await?);
        }
        for bench in &mut benches {
            bench.round(plan, results).await;
        }
        if let Some(pgbench) = &pgbench {
            pgbench.round(plan, results).await?;
        }
        if let Some(batch) = &batch {
            results.add("sqlite/N", batch.measure(plan).await?);
        }
    }
    Ok(())
}
