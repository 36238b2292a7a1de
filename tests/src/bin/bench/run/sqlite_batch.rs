//! What SQLite itself can do with the same bookings: rows in batches, by one
//! prepared statement, on a file with the server's schema and pragmas, without
//! any decision.

use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use utsavam_tests::Sql;

use super::pgbench::BATCH;
use super::plan::Plan;
use super::results::Sample;
use super::side::{Kind, Place};

diesel::table! {
    bookings (id) {
        id -> BigInt,
        user_id -> BigInt,
        event_id -> BigInt,
        seats -> Integer,
        created_at -> BigInt,
        updated_at -> BigInt,
    }
}

/// As the embedded store's writer has them.
const PRAGMAS: &str = "PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF;
    PRAGMA temp_store = MEMORY; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
    PRAGMA journal_size_limit = 67108864;";

const ROWS: &str = "
    WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 1000)
    INSERT INTO users (email) SELECT 'user' || n FROM n;
    INSERT INTO events (name, start_at, capacity, seats_available)
    VALUES ('Concert', 4083930000000000, 1000000000, 1000000000);";

/// A file with users and an event.
pub(crate) struct SqliteBatch {
    file: String,
}

impl SqliteBatch {
    /// Makes the file.
    ///
    /// # Errors
    /// It cannot be made.
    pub(crate) async fn prepare(plan: &Plan) -> Result<Self, String> {
        let place = Place::make(plan, Kind::Embedded, "batch", 0).await?;
        let file = place.url.trim_start_matches("sqlite://").to_owned();
        Sql::open(file.as_ref()).run(ROWS).await;
        Ok(Self { file })
    }

    /// Inserts for as long as any measurement takes.
    ///
    /// # Errors
    /// SQLite's own words.
    pub(crate) async fn measure(&self, plan: &Plan) -> Result<Sample, String> {
        let file = self.file.clone();
        let (warmup, seconds) = (plan.warmup, plan.seconds);
        let inserting = tokio::task::spawn_blocking(move || {
            insert(&file, warmup, seconds).map_err(|error| format!("SQLite: {error}"))
        });
        let figure = inserting.await.map_err(|error| error.to_string())??;
        Ok(Sample {
            figure,
            ..Sample::default()
        })
    }
}

/// Rows in each second.
fn insert(
    file: &str,
    warmup: f64,
    seconds: f64,
) -> Result<f64, Box<dyn std::error::Error + Send + Sync>> {
    let mut connection = SqliteConnection::establish(file)?;
    connection.batch_execute(PRAGMAS)?;
    let mut random = fastrand::Rng::new();
    let mut batch = |connection: &mut SqliteConnection| {
        connection.immediate_transaction(|connection| {
            for _ in 0..BATCH {
                let now = 1_900_000_000_000_000_i64;
                diesel::insert_into(bookings::table)
                    .values((
                        bookings::user_id.eq(random.i64(1..=1000)),
                        bookings::event_id.eq(1_i64),
                        bookings::seats.eq(1),
                        bookings::created_at.eq(now),
                        bookings::updated_at.eq(now),
                    ))
                    .execute(connection)?;
            }
            diesel::QueryResult::Ok(())
        })
    };
    let window = Duration::from_secs_f64(seconds);
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs_f64(warmup) {
        batch(&mut connection)?;
    }
    let started = Instant::now();
    let mut rows = 0;
    while started.elapsed() < window {
        batch(&mut connection)?;
        rows += BATCH;
    }
    Ok(rows as f64 / started.elapsed().as_secs_f64())
}
