//! `bench check`: compares what the load process was promised with what the
//! database holds, booking by booking and sum by sum.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;

use clap::Args;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Integer, Text};
use futures::TryStreamExt;
use tokio_postgres::NoTls;
use utsavam_tests::Sql;
use utsavam_tests::ledger::{self, Entry};

/// Differences that are named; more are only counted.
const SHOWN_MAX: usize = 5;

/// Which ledgers to compare with which database.
#[derive(Debug, Clone, Args)]
pub(crate) struct CheckArgs {
    /// The database of the server, `postgres://…` or `sqlite://FILE`
    #[arg(long)]
    pub(crate) database: String,
    /// Everything that was ever promised about these events
    #[arg(long)]
    pub(crate) ledger: Vec<PathBuf>,
    /// The first of the events
    #[arg(long)]
    pub(crate) event_first: i64,
    /// How many they are, with ids in a row
    #[arg(long, default_value_t = 1)]
    pub(crate) events: i64,
}

/// A booking as both sides see it; ordered by its id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, QueryableByName)]
struct Row {
    #[diesel(sql_type = BigInt)]
    id: i64,
    #[diesel(sql_type = BigInt)]
    user_id: i64,
    #[diesel(sql_type = BigInt)]
    event_id: i64,
    #[diesel(sql_type = Integer)]
    seats: i32,
    #[diesel(sql_type = Text)]
    status: String,
}

/// Compares.
///
/// # Errors
/// A sentence that names the differences, or why nothing could be compared.
pub(crate) async fn run(args: &CheckArgs) -> Result<usize, String> {
    let promised = promised(args)?;
    let found = found(args).await?;
    let mut differences = compare_rows(&promised, &found);
    differences.extend(compare_sums(args, &promised).await?);
    if differences.is_empty() {
        return Ok(promised.len());
    }
    let more = differences.len().saturating_sub(SHOWN_MAX);
    differences.truncate(SHOWN_MAX);
    Err(format!(
        "the ledger and the database differ: {}{}",
        differences.join("; "),
        if more > 0 {
            format!("; and {more} more")
        } else {
            String::new()
        }
    ))
}

/// What the ledgers say, by id.
fn promised(args: &CheckArgs) -> Result<Vec<Row>, String> {
    let mut rows = Vec::new();
    let mut cancelled = HashSet::new();
    for path in &args.ledger {
        let entries = ledger::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
        for entry in entries {
            match entry {
                Entry::Cancelled { booking_id } => {
                    cancelled.insert(booking_id);
                }
                Entry::Booked {
                    booking_id,
                    user_id,
                    event_id,
                } => rows.push(Row {
                    id: booking_id,
                    user_id,
                    event_id,
                    seats: 1,
                    status: "CONFIRMED".to_owned(),
                }),
                Entry::Unknown { user_id, .. } => {
                    return Err(format!(
                        "nobody knows what became of a booking of user {user_id}: \
                         there is nothing to compare"
                    ));
                }
            }
        }
    }
    for row in &mut rows {
        if cancelled.contains(&row.id) {
            "CANCELLED".clone_into(&mut row.status);
        }
    }
    rows.sort_unstable();
    Ok(rows)
}

/// What the database says about these events, by id.
async fn found(args: &CheckArgs) -> Result<Vec<Row>, String> {
    let query = format!(
        "SELECT id, user_id, event_id, seats, status FROM bookings \
         WHERE event_id BETWEEN {} AND {}",
        args.event_first,
        args.event_first + args.events - 1
    );
    let mut rows = match sqlite_file(&args.database) {
        Some(file) => found_in_sqlite(file, &query),
        None => found_in_postgres(&args.database, &query).await,
    }
    .map_err(|error| format!("the bookings cannot be read: {error}"))?;
    rows.sort_unstable();
    Ok(rows)
}

fn sqlite_file(database: &str) -> Option<&str> {
    database.strip_prefix("sqlite://")
}

/// A connection for the sums.
async fn sql(database: &str) -> Sql {
    match sqlite_file(database) {
        Some(file) => Sql::open(file.as_ref()),
        None => Sql::connect(database).await,
    }
}

fn found_in_sqlite(file: &str, query: &str) -> Result<Vec<Row>, Box<dyn std::error::Error>> {
    let mut connection = SqliteConnection::establish(file)?;
    diesel::sql_query("PRAGMA busy_timeout = 30000").execute(&mut connection)?;
    Ok(diesel::sql_query(query).load(&mut connection)?)
}

/// By COPY, which streams millions of rows in little memory.
async fn found_in_postgres(url: &str, query: &str) -> Result<Vec<Row>, Box<dyn std::error::Error>> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    let connection = tokio::spawn(connection);
    let stream = client
        .copy_out(&format!("COPY ({query}) TO STDOUT"))
        .await?;
    let mut stream = std::pin::pin!(stream);
    let mut rows = Vec::new();
    let mut rest = String::new();
    while let Some(piece) = stream.try_next().await? {
        rest.push_str(std::str::from_utf8(&piece)?);
        let Some(end) = rest.rfind('\n') else {
            continue;
        };
        for line in rest[..end].split('\n') {
            rows.push(row(line).ok_or_else(|| format!("{line:?} is no booking"))?);
        }
        rest.drain(..=end);
    }
    connection.abort();
    Ok(rows)
}

fn row(line: &str) -> Option<Row> {
    let mut columns = line.split('\t');
    Some(Row {
        id: columns.next()?.parse().ok()?,
        user_id: columns.next()?.parse().ok()?,
        event_id: columns.next()?.parse().ok()?,
        seats: columns.next()?.parse().ok()?,
        status: columns.next()?.to_owned(),
    })
}

/// Walks both lists, which are ordered by id, side by side.
fn compare_rows(promised: &[Row], found: &[Row]) -> Vec<String> {
    let mut differences = Vec::new();
    for pair in promised.windows(2) {
        if pair[0].id == pair[1].id {
            differences.push(format!("booking {} was given out twice", pair[0].id));
        }
    }
    let (mut left, mut right) = (promised.iter().peekable(), found.iter().peekable());
    loop {
        match (left.peek(), right.peek()) {
            (None, None) => return differences,
            (Some(promised), Some(found)) if promised.id == found.id => {
                if promised != found {
                    differences.push(format!("promised was {promised:?}, there is {found:?}"));
                }
                left.next();
                right.next();
            }
            (Some(promised), found) if found.is_none_or(|found| promised.id < found.id) => {
                differences.push(format!("booking {} is missing", promised.id));
                left.next();
            }
            _ => {
                if let Some(found) = right.next() {
                    differences.push(format!("nobody was promised booking {}", found.id));
                }
            }
        }
    }
}

/// Seats and figures of each event, and the figure of all of them.
async fn compare_sums(args: &CheckArgs, promised: &[Row]) -> Result<Vec<String>, String> {
    let mut confirmed: HashMap<i64, i64> = HashMap::new();
    for row in promised.iter().filter(|row| row.status == "CONFIRMED") {
        *confirmed.entry(row.event_id).or_default() += 1;
    }
    let sql = sql(&args.database).await;
    let rows = sql
        .rows(&format!(
            "SELECT e.id, e.capacity - e.seats_available, coalesce(s.confirmed_bookings, 0) \
             FROM events e LEFT JOIN event_sales s ON s.event_id = e.id \
             WHERE e.id BETWEEN {} AND {}",
            args.event_first,
            args.event_first + args.events - 1
        ))
        .await;
    if rows.len() as i64 != args.events {
        return Err(format!(
            "{} events of {} are there",
            rows.len(),
            args.events
        ));
    }
    let mut differences = Vec::new();
    for row in rows {
        let numbers: Vec<i64> = row.iter().filter_map(|text| text.parse().ok()).collect();
        let [event_id, seats, bookings] = numbers[..] else {
            return Err(format!("{row:?} are no figures of an event"));
        };
        let expected = confirmed.get(&event_id).copied().unwrap_or(0);
        if (seats, bookings) != (expected, expected) {
            differences.push(format!(
                "event {event_id} has {expected} confirmed bookings of one seat, \
                 {seats} seats sold and {bookings} bookings in its figures"
            ));
        }
    }
    let total = "SELECT sum(confirmed_bookings) FROM";
    let of_events = sql.number(&format!("{total} event_sales")).await;
    let of_slots = sql.number(&format!("{total} booking_totals")).await;
    if of_events != of_slots {
        differences.push(format!(
            "the total is {of_slots} bookings, of all events together {of_events}"
        ));
    }
    Ok(differences)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn booking(id: i64, status: &str) -> Row {
        Row {
            id,
            user_id: 1,
            event_id: 1,
            seats: 1,
            status: status.to_owned(),
        }
    }

    #[test]
    fn every_kind_of_difference_between_the_lists_is_found() {
        let one = booking(1, "CONFIRMED");
        let two = booking(2, "CONFIRMED");
        let cancelled = booking(2, "CANCELLED");
        let equal = [one.clone(), two.clone()];
        assert!(compare_rows(&equal, &equal).is_empty());
        for (promised, found) in [
            (vec![one.clone(), two.clone()], vec![one.clone()]),
            (vec![one.clone(), two.clone()], vec![two.clone()]),
            (vec![two.clone()], vec![one.clone(), two.clone()]),
            (vec![one.clone()], vec![one.clone(), two.clone()]),
            (vec![cancelled], vec![two.clone()]),
            (vec![one.clone(), one.clone()], vec![one.clone()]),
        ] {
            assert!(!compare_rows(&promised, &found).is_empty(), "{promised:?}");
        }
    }
}
