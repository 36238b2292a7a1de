//! Walking through all tables along their primary keys, in pages: a cursor
//! would keep its place for as long as the sink takes.

use diesel_async::{AsyncPgConnection, RunQueryDsl};
use domain::model::{ArchiveCounts, Record};
use domain::ports::{ExportError, RecordSink, StoreError};

use crate::error::{before_commit, defect};
use crate::rows::{self, AuditRow};

use super::tables::{
    ApiKeysBehind, ArchivedApiKeyRow, ArchivedBookingRow, ArchivedEventRow, ArchivedKeyRow,
    ArchivedUserRow, AuditBehind, BookingsBehind, EventsBehind, KeysBehind, UsersBehind,
};
use super::{ROWS_AT_ONCE, blocking, count};

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

/// How far the walk through a table got.
#[derive(Debug)]
struct Place {
    /// Of keys, their user's.
    id: i64,
    /// Only of keys.
    key: String,
}

impl Place {
    fn before_all() -> Self {
        Self {
            id: i64::MIN,
            key: String::new(),
        }
    }

    fn of(record: &Record) -> Self {
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

/// In a transaction that sees one snapshot.
pub(super) async fn export(
    connection: &mut AsyncPgConnection,
    mut sink: RecordSink,
) -> Result<ArchiveCounts, ExportError> {
    let mut counts = ArchiveCounts::default();
    for table in TABLES {
        let mut place = Place::before_all();
        loop {
            let records = page(connection, table, place).await?;
            let Some(last) = records.last() else { break };
            place = Place::of(last);
            records.iter().for_each(|record| counts.add(record));
            sink = blocking(move || hand_over(records, sink)).await??;
        }
    }
    let there = count(connection).await?;
    if there != counts {
        return Err(defect(format!("there are {there}, but {counts} were found")).into());
    }
    Ok(counts)
}

fn hand_over(records: Vec<Record>, mut sink: RecordSink) -> Result<RecordSink, ExportError> {
    for record in records {
        sink(record).map_err(ExportError::Sink)?;
    }
    Ok(sink)
}

async fn page(
    connection: &mut AsyncPgConnection,
    table: Table,
    after: Place,
) -> Result<Vec<Record>, StoreError> {
    let rows_max = ROWS_AT_ONCE as i64;
    let Place { id, key } = after;
    Ok(match table {
        Table::Users => {
            let query = UsersBehind { id, rows_max };
            let found: Vec<ArchivedUserRow> =
                query.load(connection).await.map_err(before_commit)?;
            rows::all(found)?.into_iter().map(Record::User).collect()
        }
        Table::Events => {
            let query = EventsBehind { id, rows_max };
            let found: Vec<ArchivedEventRow> =
                query.load(connection).await.map_err(before_commit)?;
            rows::all(found)?.into_iter().map(Record::Event).collect()
        }
        Table::Bookings => {
            let query = BookingsBehind { id, rows_max };
            let found: Vec<ArchivedBookingRow> =
                query.load(connection).await.map_err(before_commit)?;
            rows::all(found)?.into_iter().map(Record::Booking).collect()
        }
        Table::Keys => {
            let user_id = id;
            let query = KeysBehind {
                user_id,
                key,
                rows_max,
            };
            let found: Vec<ArchivedKeyRow> = query.load(connection).await.map_err(before_commit)?;
            rows::all(found)?.into_iter().map(Record::Key).collect()
        }
        Table::ApiKeys => {
            let query = ApiKeysBehind { id, rows_max };
            let found: Vec<ArchivedApiKeyRow> =
                query.load(connection).await.map_err(before_commit)?;
            rows::all(found)?.into_iter().map(Record::ApiKey).collect()
        }
        Table::Audit => {
            let query = AuditBehind { id, rows_max };
            let found: Vec<AuditRow> = query.load(connection).await.map_err(before_commit)?;
            rows::all(found)?.into_iter().map(Record::Audit).collect()
        }
    })
}
