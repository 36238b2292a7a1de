//! Taking over records. The transaction keeps writers out from its first
//! statement on: an empty store stays empty until the archive is in it.

use diesel::result::{DatabaseErrorKind, Error};
use diesel::sql_types::{Nullable, Text};
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use domain::model::{ArchiveCounts, Record};
use domain::ports::{ImportError, RecordSource};
use domain::rules::{ArchiveCheck, Inconsistency};

use crate::error::before_commit;
use crate::one_row::OneRow;
use crate::prepared::prepared;

use super::tables::{
    InsertApiKeys, InsertAudit, InsertBookings, InsertEvents, InsertKeys, InsertUsers,
};
use super::{ROWS_AT_ONCE, blocking, checks};

/// Readers go on. Tables in the order in which bookings lock their rows.
const KEEP_WRITERS_OUT: &str = "
    LOCK TABLE idempotency_keys, users, events, bookings, event_sales, booking_totals,
               deletions_pending, erasures_pending, api_keys, audit_log
    IN SHARE ROW EXCLUSIVE MODE";

prepared!(
    /// What is there, if anything is. Erased users, deleted events and revoked
    /// keys count too: their ids are taken. So do entries of the audit log: they
    /// can neither be renumbered nor removed.
    FirstKind {} -> (Nullable<Text>,),
    "SELECT CASE WHEN EXISTS (SELECT FROM users) THEN 'users'
                 WHEN EXISTS (SELECT FROM events) THEN 'events'
                 WHEN EXISTS (SELECT FROM bookings) THEN 'bookings'
                 WHEN EXISTS (SELECT FROM api_keys) THEN 'API keys'
                 WHEN EXISTS (SELECT FROM audit_log) THEN 'entries of the audit log'
            END"
);

/// What the program keeps beside the records: the confirmed bookings of every
/// event on sale and of all together, which deleted events have bookings to be
/// marked, and which erased users may have bookings to be cancelled. Whether
/// those are yet to come is seen when they are looked for. Then the planner
/// learns what is there, so that the first requests do not suffer.
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
        SELECT FROM bookings b JOIN events e ON e.id = b.event_id
        WHERE b.user_id = u.id AND b.status = 'CONFIRMED' AND e.deleted_at IS NULL
    );

    UPDATE booking_totals SET confirmed_bookings = CASE slot
        WHEN 0 THEN (SELECT coalesce(sum(confirmed_bookings), 0) FROM event_sales)
        ELSE 0 END;

    ANALYZE users, events, bookings, idempotency_keys, event_sales, api_keys, audit_log";

/// New ids continue behind the largest. A sequence that is ahead stays there:
/// it never gives an id out twice. Sequences are not rolled back, so this comes
/// when nothing else can fail.
const MOVE_SEQUENCES: &str = "
    SELECT setval(s.name, greatest(s.largest, pg_sequence_last_value(s.name)))
    FROM (
        SELECT pg_get_serial_sequence('users', 'id')::regclass, max(id) FROM users
        UNION ALL
        SELECT pg_get_serial_sequence('events', 'id')::regclass, max(id) FROM events
        UNION ALL
        SELECT pg_get_serial_sequence('bookings', 'id')::regclass, max(id) FROM bookings
        UNION ALL
        SELECT pg_get_serial_sequence('api_keys', 'id')::regclass, max(id) FROM api_keys
        UNION ALL
        SELECT pg_get_serial_sequence('audit_log', 'id')::regclass, max(id) FROM audit_log
    ) AS s (name, largest)
    WHERE s.largest IS NOT NULL";

/// In a transaction.
pub(super) async fn import(
    connection: &mut AsyncPgConnection,
    records: RecordSource,
) -> Result<ArchiveCounts, ImportError> {
    connection
        .batch_execute(KEEP_WRITERS_OUT)
        .await
        .map_err(before_commit)?;
    let found = FirstKind {}.one_row(connection).await;
    let (first_kind,): (Option<String>,) = found.map_err(before_commit)?;
    if let Some(kind) = first_kind {
        return Err(ImportError::NotEmpty(kind));
    }
    let mut intake = Intake {
        records,
        check: ArchiveCheck::default(),
    };
    loop {
        let batch;
        (intake, batch) = blocking(move || intake.next_batch()).await??;
        if batch.records == 0 {
            break;
        }
        batch.insert(connection).await.map_err(refused)?;
    }
    let sums = intake.check.finish()?;
    connection
        .batch_execute(WORK_OUT_FIGURES)
        .await
        .map_err(before_commit)?;
    checks::check(connection, &sums).await?;
    connection
        .batch_execute(MOVE_SEQUENCES)
        .await
        .map_err(before_commit)?;
    Ok(sums.counts)
}

/// Where records come from, and what they have added up to so far.
struct Intake {
    records: RecordSource,
    check: ArchiveCheck,
}

impl Intake {
    /// The next records, none at the end.
    fn next_batch(mut self) -> Result<(Self, Batch), ImportError> {
        let mut batch = Batch::default();
        for record in self.records.by_ref().take(ROWS_AT_ONCE) {
            let record = record.map_err(ImportError::Source)?;
            self.check.accept(&record)?;
            batch.push(record);
        }
        Ok((self, batch))
    }
}

/// A piece of the stream, column by column.
#[derive(Default)]
struct Batch {
    records: usize,
    users: InsertUsers,
    events: InsertEvents,
    bookings: InsertBookings,
    keys: InsertKeys,
    api_keys: InsertApiKeys,
    audit: InsertAudit,
}

impl Batch {
    fn push(&mut self, record: Record) {
        self.records += 1;
        match record {
            Record::User(record) => self.users.push(record),
            Record::Event(record) => self.events.push(&record),
            Record::Booking(record) => self.bookings.push(&record),
            Record::Key(record) => self.keys.push(&record),
            Record::ApiKey(record) => self.api_keys.push(record),
            Record::Audit(record) => self.audit.push(record),
        }
    }

    /// In the order of the stream: what is referred to comes first.
    async fn insert(self, connection: &mut AsyncPgConnection) -> diesel::QueryResult<()> {
        if !self.users.ids.is_empty() {
            self.users.execute(connection).await?;
        }
        if !self.events.ids.is_empty() {
            self.events.execute(connection).await?;
        }
        if !self.bookings.ids.is_empty() {
            self.bookings.execute(connection).await?;
        }
        if !self.keys.user_ids.is_empty() {
            self.keys.execute(connection).await?;
        }
        if !self.api_keys.ids.is_empty() {
            self.api_keys.execute(connection).await?;
        }
        if !self.audit.ids.is_empty() {
            self.audit.execute(connection).await?;
        }
        Ok(())
    }
}

/// A constraint speaks for the records, anything else for trouble.
fn refused(error: Error) -> ImportError {
    use DatabaseErrorKind::{CheckViolation, ForeignKeyViolation, UniqueViolation};
    match &error {
        Error::DatabaseError(
            CheckViolation | ForeignKeyViolation | UniqueViolation,
            information,
        ) => {
            let table = information.table_name().unwrap_or("records");
            let why = information
                .details()
                .unwrap_or_else(|| information.message());
            let why = why.trim_end_matches('.');
            Inconsistency::new(format!("the {table} do not fit together: {why}")).into()
        }
        _ => before_commit(error).into(),
    }
}
