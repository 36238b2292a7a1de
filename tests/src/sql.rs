//! A connection of a test's own to the database of a server, whichever kind of
//! database that is. It speaks in text.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::DateTime;
use diesel::connection::SimpleConnection;
use diesel::deserialize::{FromSql, QueryableByName};
use diesel::row::{Field, NamedRow, Row};
use diesel::sql_types::{Nullable, Text};
use diesel::sqlite::Sqlite;
use diesel::{Connection, RunQueryDsl, SqliteConnection};
use tokio_postgres::{NoTls, SimpleQueryMessage};

/// How long a statement on a file waits for the server to finish a transaction.
const BUSY_TIMEOUT: &str = "PRAGMA busy_timeout = 30000; PRAGMA foreign_keys = ON;";

/// A connection beside the server's.
pub struct Sql {
    connection: Connected,
}

enum Connected {
    Postgres(tokio_postgres::Client),
    /// In a mutex, because it is not to be used by two threads at once.
    Sqlite(Mutex<SqliteConnection>),
}

/// A row of any query on SQLite.
struct TextRow(Vec<String>);

impl Sql {
    /// Connects to the database on PostgreSQL behind the URL.
    pub async fn connect(url: &str) -> Self {
        let (client, connection) = tokio_postgres::connect(url, NoTls)
            .await
            .unwrap_or_else(|error| panic!("PostgreSQL does not answer: {error:?}"));
        tokio::spawn(connection);
        Self {
            connection: Connected::Postgres(client),
        }
    }

    /// Opens the file of an embedded store that a server has made.
    pub fn open(file: &Path) -> Self {
        assert!(file.exists(), "{} is not there", file.display());
        let path = file.to_str().expect("a path in UTF-8");
        let mut connection = SqliteConnection::establish(path)
            .unwrap_or_else(|error| panic!("SQLite does not open {path}: {error}"));
        connection
            .batch_execute(BUSY_TIMEOUT)
            .expect("a pragma of SQLite");
        Self {
            connection: Connected::Sqlite(Mutex::new(connection)),
        }
    }

    /// Runs statements whose results nobody needs.
    pub async fn run(&self, statements: &str) {
        match &self.connection {
            Connected::Postgres(client) => client
                .batch_execute(statements)
                .await
                .unwrap_or_else(|error| panic!("{error:?} in: {statements}")),
            Connected::Sqlite(connection) => lock(connection)
                .batch_execute(statements)
                .unwrap_or_else(|error| panic!("{error:?} in: {statements}")),
        }
    }

    /// All rows of a query as text; NULL reads as `NULL`.
    pub async fn rows(&self, query: &str) -> Vec<Vec<String>> {
        match &self.connection {
            Connected::Postgres(client) => client
                .simple_query(query)
                .await
                .unwrap_or_else(|error| panic!("{error:?} in: {query}"))
                .iter()
                .filter_map(|message| match message {
                    SimpleQueryMessage::Row(row) => Some(
                        (0..row.len())
                            .map(|column| row.get(column).unwrap_or("NULL").to_owned())
                            .collect(),
                    ),
                    _ => None,
                })
                .collect(),
            Connected::Sqlite(connection) => diesel::sql_query(query)
                .load::<TextRow>(&mut *lock(connection))
                .unwrap_or_else(|error| panic!("{error:?} in: {query}"))
                .into_iter()
                .map(|TextRow(values)| values)
                .collect(),
        }
    }

    /// The only value of the only row.
    pub async fn text(&self, query: &str) -> String {
        let rows = self.rows(query).await;
        assert_eq!(rows.len(), 1, "rows of {query}");
        rows[0][0].clone()
    }

    /// The only value of the only row, a whole number.
    pub async fn number(&self, query: &str) -> i64 {
        let text = self.text(query).await;
        text.parse()
            .unwrap_or_else(|_| panic!("{text:?} is no whole number: {query}"))
    }

    /// A time as it is written in a statement for this database.
    pub fn time(&self, rfc3339: &str) -> String {
        let time = DateTime::parse_from_rfc3339(rfc3339)
            .unwrap_or_else(|error| panic!("{rfc3339:?} is not RFC 3339: {error}"));
        let mut literal = String::new();
        let written = match &self.connection {
            Connected::Postgres(_) => write!(literal, "TIMESTAMPTZ '{rfc3339}'"),
            Connected::Sqlite(_) => write!(literal, "{}", time.timestamp_micros()),
        };
        written.expect("a string takes everything");
        literal
    }
}

fn lock(connection: &Mutex<SqliteConnection>) -> MutexGuard<'_, SqliteConnection> {
    connection.lock().unwrap_or_else(PoisonError::into_inner)
}

impl QueryableByName<Sqlite> for TextRow {
    fn build<'a>(row: &impl NamedRow<'a, Sqlite>) -> diesel::deserialize::Result<Self> {
        let values = (0..row.field_count()).map(|column| {
            let field = Row::get(row, column).ok_or("a column is missing")?;
            let text = <Option<String> as FromSql<Nullable<Text>, Sqlite>>::from_nullable_sql(
                field.value(),
            )?;
            Ok(text.unwrap_or_else(|| "NULL".to_owned()))
        });
        values.collect::<diesel::deserialize::Result<_>>().map(Self)
    }
}
