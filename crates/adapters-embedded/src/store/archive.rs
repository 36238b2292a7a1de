//! Everything out of SQLite, and everything into it. Sinks and sources of
//! records may block: they run on the store's own threads.

mod tables;

use async_trait::async_trait;
use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::result::{DatabaseErrorKind, Error};
use diesel::sql_types::{BigInt, Nullable, Text};
use domain::model::{ArchiveCounts, Record};
use domain::ports::{Archive, ExportError, ImportError, RecordSink, RecordSource, StoreError};
use domain::rules::{ArchiveCheck, ArchiveSums, Inconsistency};

use crate::error::{before_commit, defect};
use crate::prepared::{at_most_one, exactly_one, prepared};
use crate::rows::{self, AuditRow};

use tables::{
    ApiKeysBehind, ArchivedApiKeyRow, ArchivedBookingRow, ArchivedEventRow, ArchivedKeyRow,
    ArchivedUserRow, AuditBehind, BookingsBehind, EventsBehind, KeysBehind, UsersBehind,
};

super::store!(
    /// [`Archive`] on SQLite. An export occupies one reader, an import the
    /// writer.
    SqliteArchive
);

/// Rows that are in memory at once.
const ROWS_AT_ONCE: usize = 1_000;

prepared!(
    /// Reads an index of each table.
    CountRows {} -> (BigInt, BigInt, BigInt, BigInt, BigInt, BigInt),
    "SELECT (SELECT count(*) FROM users), (SELECT count(*) FROM events),
            (SELECT count(*) FROM bookings), (SELECT count(*) FROM idempotency_keys),
            (SELECT count(*) FROM api_keys), (SELECT count(*) FROM audit_log)"
);

prepared!(
    /// What is there, if anything is. Erased users, deleted events and revoked
    /// keys count too: their ids are taken. So do entries of the audit log: they
    /// can neither be renumbered nor removed.
    FirstKind {} -> (Nullable<Text>,),
    "SELECT CASE WHEN EXISTS (SELECT 1 FROM users) THEN 'users'
                 WHEN EXISTS (SELECT 1 FROM events) THEN 'events'
                 WHEN EXISTS (SELECT 1 FROM bookings) THEN 'bookings'
                 WHEN EXISTS (SELECT 1 FROM api_keys) THEN 'API keys'
                 WHEN EXISTS (SELECT 1 FROM audit_log) THEN 'entries of the audit log'
            END"
);

prepared!(
    /// An event whose seats left are not what its bookings leave. Nobody holds
    /// seats of a deleted one.
    MiscountedEvent {} -> (BigInt, BigInt, BigInt, BigInt),
    "SELECT e.id, e.capacity, e.seats_available, coalesce(b.seats, 0)
     FROM events e LEFT JOIN (
         SELECT event_id, sum(seats) AS seats FROM bookings
         WHERE status = 'CONFIRMED' GROUP BY event_id
     ) b ON b.event_id = e.id AND e.deleted_at IS NULL
     WHERE e.seats_available <> e.capacity - coalesce(b.seats, 0)
     ORDER BY e.id LIMIT 1"
);

prepared!(
    /// A key that stands for another request than the one that made its booking.
    StrayKey {} -> (BigInt, Text, BigInt),
    "SELECT k.user_id, k.key, k.booking_id
     FROM idempotency_keys k LEFT JOIN bookings b
         ON b.id = k.booking_id AND b.user_id = k.user_id
         AND b.event_id = k.event_id AND b.seats = k.seats
     WHERE b.id IS NULL
     ORDER BY k.user_id, k.key LIMIT 1"
);

prepared!(
    /// Confirmed bookings of events on sale: counted, by event, and in all.
    ConfirmedBookings {} -> (BigInt, BigInt, BigInt),
    "SELECT
         (SELECT count(*) FROM bookings b JOIN events e ON e.id = b.event_id
          WHERE b.status = 'CONFIRMED' AND e.deleted_at IS NULL),
         (SELECT coalesce(sum(confirmed_bookings), 0) FROM event_sales),
         (SELECT coalesce(sum(confirmed_bookings), 0) FROM booking_totals)"
);

/// What the program keeps beside the records: the confirmed bookings of every
/// event on sale and of all together, which deleted events have bookings to be
/// marked, and which erased users may have bookings to be cancelled. Whether
/// those are yet to come is seen when they are looked for. New ids continue
/// behind the largest by themselves.
const WORK_OUT_FIGURES: &str = "
    INSERT INTO event_sales (event_id, confirmed_bookings)
    SELECT e.id, count(b.id)
    FROM events e LEFT JOIN bookings b ON b.event_id = e.id AND b.status = 'CONFIRMED'
    WHERE e.deleted_at IS NULL
    GROUP BY e.id;

    INSERT INTO deletions_pending (event_id)
    SELECT DISTINCT e.id
    FROM events e JOIN bookings b ON b.event_id = e.id AND b.status = 'CONFIRMED'
    WHERE e.deleted_at IS NOT NULL;

    INSERT INTO erasures_pending (user_id)
    SELECT u.id FROM users u
    WHERE u.erased_at IS NOT NULL AND EXISTS (
        SELECT 1 FROM bookings b JOIN events e ON e.id = b.event_id
        WHERE b.user_id = u.id AND b.status = 'CONFIRMED' AND e.deleted_at IS NULL
    );

    UPDATE booking_totals SET confirmed_bookings =
        (SELECT coalesce(sum(confirmed_bookings), 0) FROM event_sales);";

#[async_trait]
impl Archive for SqliteArchive {
    async fn count(&self) -> Result<ArchiveCounts, StoreError> {
        self.0.read(|connection| Ok(count(connection))).await?
    }

    async fn export(&self, sink: RecordSink) -> Result<ArchiveCounts, ExportError> {
        self.0
            .read(move |connection| Ok(export(connection, sink)))
            .await?
    }

    async fn import(&self, records: RecordSource) -> Result<ArchiveCounts, ImportError> {
        self.0
            .write("import_records", move |connection| {
                import(connection, records)
            })
            .await
    }
}

fn count(connection: &mut SqliteConnection) -> Result<ArchiveCounts, StoreError> {
    let (users, events, bookings, keys, api_keys, audit): (i64, i64, i64, i64, i64, i64) =
        exactly_one(connection, CountRows {}).map_err(before_commit)?;
    let number = |rows: i64| u64::try_from(rows).map_err(|_| defect("a negative number of rows"));
    Ok(ArchiveCounts {
        users: number(users)?,
        events: number(events)?,
        bookings: number(bookings)?,
        keys: number(keys)?,
        api_keys: number(api_keys)?,
        audit: number(audit)?,
    })
}

#[derive(Debug, Clone, Copy)]
enum Table {
    Users,
    Events,
    Bookings,
    Keys,
    ApiKeys,
    Audit,
}

/// In the order of the archive.
const TABLES: [Table; 6] = [
    Table::Users,
    Table::Events,
    Table::Bookings,
    Table::Keys,
    Table::ApiKeys,
    Table::Audit,
];

/// How far the walk through a table got, along its primary key.
#[derive(Debug)]
struct Behind {
    /// Of keys, their user's.
    id: i64,
    /// Only of keys.
    key: String,
}

impl Behind {
    fn nothing() -> Self {
        Self {
            id: i64::MIN,
            key: String::new(),
        }
    }

    fn record(record: &Record) -> Self {
        let (id, key) = match record {
            Record::User(record) => (record.id().get(), ""),
            Record::Event(record) => (record.event.id().get(), ""),
            Record::Booking(record) => (record.booking.id.get(), ""),
            Record::Key(record) => (record.user_id.get(), record.key.as_str()),
            Record::ApiKey(record) => (record.key.id.get(), ""),
            Record::Audit(record) => (record.id.get(), ""),
        };
        let key = key.to_owned();
        Self { id, key }
    }
}

/// In a transaction, and so of one state of the database.
fn export(
    connection: &mut SqliteConnection,
    mut sink: RecordSink,
) -> Result<ArchiveCounts, ExportError> {
    let mut counts = ArchiveCounts::default();
    for table in TABLES {
        let mut behind = Behind::nothing();
        loop {
            let records = page(connection, table, behind)?;
            let Some(last) = records.last() else { break };
            behind = Behind::record(last);
            for record in records {
                counts.add(&record);
                sink(record).map_err(ExportError::Sink)?;
            }
        }
    }
    let there = count(connection)?;
    if there != counts {
        return Err(defect(format!("there are {there}, but {counts} were found")).into());
    }
    Ok(counts)
}

fn page(
    connection: &mut SqliteConnection,
    table: Table,
    behind: Behind,
) -> Result<Vec<Record>, StoreError> {
    let rows_max = ROWS_AT_ONCE as i64;
    let Behind { id, key } = behind;
    Ok(match table {
        Table::Users => {
            let query = UsersBehind { id, rows_max };
            let found: Vec<ArchivedUserRow> = query.load(connection).map_err(before_commit)?;
            rows::all(found)?.into_iter().map(Record::User).collect()
        }
        Table::Events => {
            let query = EventsBehind { id, rows_max };
            let found: Vec<ArchivedEventRow> = query.load(connection).map_err(before_commit)?;
            rows::all(found)?.into_iter().map(Record::Event).collect()
        }
        Table::Bookings => {
            let query = BookingsBehind { id, rows_max };
            let found: Vec<ArchivedBookingRow> = query.load(connection).map_err(before_commit)?;
            rows::all(found)?.into_iter().map(Record::Booking).collect()
        }
        Table::Keys => {
            let query = KeysBehind {
                user_id: id,
                key,
                rows_max,
            };
            let found: Vec<ArchivedKeyRow> = query.load(connection).map_err(before_commit)?;
            rows::all(found)?.into_iter().map(Record::Key).collect()
        }
        Table::ApiKeys => {
            let query = ApiKeysBehind { id, rows_max };
            let found: Vec<ArchivedApiKeyRow> = query.load(connection).map_err(before_commit)?;
            rows::all(found)?.into_iter().map(Record::ApiKey).collect()
        }
        Table::Audit => {
            let query = AuditBehind { id, rows_max };
            let found: Vec<AuditRow> = query.load(connection).map_err(before_commit)?;
            rows::all(found)?.into_iter().map(Record::Audit).collect()
        }
    })
}

/// In the writer's transaction: an empty store stays empty until the archive is
/// in it.
fn import(
    connection: &mut SqliteConnection,
    records: RecordSource,
) -> Result<ArchiveCounts, ImportError> {
    let (first_kind,): (Option<String>,) =
        exactly_one(connection, FirstKind {}).map_err(before_commit)?;
    if let Some(kind) = first_kind {
        return Err(ImportError::NotEmpty(kind));
    }
    let mut check = ArchiveCheck::default();
    for record in records {
        let record = record.map_err(ImportError::Source)?;
        check.accept(&record)?;
        insert(connection, record)?;
    }
    let sums = check.finish()?;
    connection
        .batch_execute(WORK_OUT_FIGURES)
        .map_err(before_commit)?;
    check_tables(connection, &sums)?;
    Ok(sums.counts)
}

/// A constraint speaks for the record, anything else for trouble.
fn insert(connection: &mut SqliteConnection, record: Record) -> Result<(), ImportError> {
    use DatabaseErrorKind::{CheckViolation, ForeignKeyViolation, UniqueViolation};
    let (kind, id) = match &record {
        Record::User(record) => ("user", record.id().get()),
        Record::Event(record) => ("event", record.event.id().get()),
        Record::Booking(record) => ("booking", record.booking.id.get()),
        Record::Key(record) => ("a key of user", record.user_id.get()),
        Record::ApiKey(record) => ("API key", record.key.id.get()),
        Record::Audit(record) => ("audit entry", record.id.get()),
    };
    match tables::insert(connection, record) {
        Ok(1) => Ok(()),
        Ok(rows) => Err(defect(format!("writing {kind} {id} changed {rows} rows")).into()),
        Err(Error::DatabaseError(
            CheckViolation | ForeignKeyViolation | UniqueViolation,
            information,
        )) => {
            let why = information.message();
            Err(Inconsistency::new(format!("{kind} {id} does not fit to the others: {why}")).into())
        }
        Err(error) => Err(before_commit(error).into()),
    }
}

/// What must be true of the tables before an archive is committed, whatever the
/// records looked like on their way.
fn check_tables(connection: &mut SqliteConnection, sums: &ArchiveSums) -> Result<(), ImportError> {
    let there = count(connection)?;
    if there != sums.counts {
        let read = sums.counts;
        return Err(defect(format!("{read} were read, but {there} are there")).into());
    }
    let miscounted: Option<(i64, i64, i64, i64)> =
        at_most_one(connection, MiscountedEvent {}).map_err(before_commit)?;
    if let Some((event_id, capacity, left, confirmed)) = miscounted {
        return Err(defect(format!(
            "event {event_id} has {capacity} seats, {confirmed} of them confirmed and {left} left"
        ))
        .into());
    }
    let stray: Option<(i64, String, i64)> =
        at_most_one(connection, StrayKey {}).map_err(before_commit)?;
    if let Some((user_id, key, booking_id)) = stray {
        return Err(Inconsistency::new(format!(
            "key {key:?} of user {user_id} stands for another request than the one that made \
             booking {booking_id}"
        ))
        .into());
    }
    let found: (i64, i64, i64) =
        exactly_one(connection, ConfirmedBookings {}).map_err(before_commit)?;
    let expected = i64::try_from(sums.confirmed_bookings).unwrap_or(i64::MAX);
    if found != (expected, expected, expected) {
        return Err(defect(format!(
            "{expected} confirmed bookings were read, but {found:?} are there, in the figures \
             and in their total"
        ))
        .into());
    }
    Ok(())
}

#[cfg(test)]
mod tests;
