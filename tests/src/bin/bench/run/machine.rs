//! What the figures were measured on.

use std::fs::{self, OpenOptions};
use std::io::{Read, Seek, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use chrono::{DateTime, Utc};
use tokio::process::Command;
use utsavam_tests::Sql;

use super::plan::Plan;
use super::process;
use super::results::spread;

/// Writes whose time is taken.
const FLUSHES: usize = 200;

/// A page of PostgreSQL's log.
const PAGE: usize = 8192;

/// Lines of a table, name and value.
///
/// # Errors
/// The disk cannot be written to.
pub(crate) async fn describe(plan: &Plan) -> Result<Vec<(&'static str, String)>, String> {
    let sql = Sql::connect(&plan.database_url).await;
    let processors = std::thread::available_parallelism().map_or(0, usize::from);
    let git = |arguments: &'static [&'static str]| async move {
        let printed = process::output(Command::new("git").args(arguments)).await;
        printed.unwrap_or_default().trim().to_owned()
    };
    let commit = git(&["rev-parse", "--short=12", "HEAD"]).await;
    let is_dirty = !git(&["status", "--porcelain", "--untracked-files=no"])
        .await
        .is_empty();
    let now: DateTime<Utc> = SystemTime::now().into();
    Ok(vec![
        ("date", now.format("%Y-%m-%d").to_string()),
        (
            "commit",
            if is_dirty {
                format!("{commit} and changes")
            } else {
                commit
            },
        ),
        ("processor", format!("{}, {processors} logical", cpu())),
        ("memory", memory()),
        ("kernel", read("/proc/sys/kernel/osrelease")),
        ("PostgreSQL", sql.text("SHOW server_version").await),
        ("Redis", redis_version(&plan.redis_url)),
        ("SQLite", sqlite_version()),
        (
            "flush (write of 8 kB and fdatasync, median)",
            format!("{:.3} ms", flush_ms(&plan.folder)?),
        ),
    ])
}

fn read(path: &str) -> String {
    fs::read_to_string(path)
        .unwrap_or_default()
        .trim()
        .to_owned()
}

fn field(path: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let value = text.lines().find_map(|line| line.strip_prefix(name))?;
    Some(value.trim_start_matches([' ', '\t', ':']).to_owned())
}

fn cpu() -> String {
    field("/proc/cpuinfo", "model name").unwrap_or_else(|| "unknown".to_owned())
}

fn memory() -> String {
    let kilobytes = field("/proc/meminfo", "MemTotal")
        .and_then(|value| value.strip_suffix(" kB")?.parse::<f64>().ok());
    kilobytes.map_or_else(
        || "unknown".to_owned(),
        |kilobytes| format!("{:.0} GiB", kilobytes / 1024.0 / 1024.0),
    )
}

fn sqlite_version() -> String {
    use diesel::prelude::*;
    use diesel::sql_types::Text;

    #[derive(QueryableByName)]
    struct Version {
        #[diesel(sql_type = Text)]
        version: String,
    }

    SqliteConnection::establish(":memory:")
        .ok()
        .and_then(|mut connection| {
            diesel::sql_query("SELECT sqlite_version() AS version")
                .get_result::<Version>(&mut connection)
                .ok()
        })
        .map_or_else(|| "unknown".to_owned(), |row| row.version)
}

/// By the line `redis_version:…` of its INFO.
fn redis_version(url: &str) -> String {
    let ask = || {
        let address = url.strip_prefix("redis://")?.split('/').next()?;
        let mut stream = TcpStream::connect(address).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
        stream.write_all(b"INFO server\r\nQUIT\r\n").ok()?;
        let mut text = String::new();
        stream.read_to_string(&mut text).ok()?;
        let version = text
            .lines()
            .find_map(|line| line.strip_prefix("redis_version:"));
        version.map(|version| version.trim().to_owned())
    };
    ask().unwrap_or_else(|| "unknown".to_owned())
}

/// How long it takes until a page is on the disk, as `pg_test_fsync` does it.
///
/// # Errors
/// The folder cannot be written to.
pub(crate) fn flush_ms(folder: &Path) -> Result<f64, String> {
    let path = folder.join("flush");
    let measure = || -> std::io::Result<Vec<f64>> {
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(true)
            .write(true)
            .open(&path)?;
        let page = [1; PAGE];
        file.write_all(&page)?;
        file.sync_all()?;
        let mut times = Vec::with_capacity(FLUSHES);
        for _ in 0..FLUSHES {
            let started = Instant::now();
            file.rewind()?;
            file.write_all(&page)?;
            file.sync_data()?;
            times.push(started.elapsed().as_secs_f64() * 1000.0);
        }
        fs::remove_file(&path)?;
        Ok(times)
    };
    let times = measure().map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(spread(times).median)
}
