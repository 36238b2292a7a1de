//! The stores on SQLite.

use std::path::Path;
use std::sync::Arc;

use adapters_embedded::{
    Database, OpenError, SqliteAccountStore, SqliteApiKeyStore, SqliteArchive, SqliteAuditLog,
    SqliteBookingRecords, SqliteBookingStore, SqliteDemoStore, SqliteEventStore, SqliteLocation,
    SqliteMaintenance, SqliteProbe, SqliteReconciliation, SqliteSalesControl, SqliteSalesReports,
    SqliteSessionStore, SqliteSettings, SqliteUserStore, TransactionObserver,
};

use futures::FutureExt;

use crate::failure::Failure;
use crate::metrics::Metrics;
use crate::settings::Settings;

use super::{Stores, meters};

/// Where the data are when nobody says so: below the folder in which the
/// program was started.
const DEFAULT_FILE: &str = "utsavam-data/utsavam.db";

pub(super) fn settings(settings: &Settings) -> Result<SqliteSettings, Failure> {
    let url = match settings.database.url.as_str() {
        "" => DEFAULT_FILE,
        url if url.starts_with("sqlite:") => url,
        // A misspelt URL must not start a server on an empty store of its own.
        _ => {
            return Err(Failure::new(
                "the setting database.url (DATABASE_URL) must begin with postgres:// or sqlite://, \
                 or be sqlite::memory:, or be absent for the embedded store",
            ));
        }
    };
    let location = SqliteLocation::parse(url).map_err(|error| {
        Failure::new(format!("the setting database.url (DATABASE_URL) {error}"))
    })?;
    Ok(SqliteSettings {
        readers: settings.sqlite.readers,
        queue_max: settings.sqlite.queue_max,
        keep_keys: settings.idempotency.keep,
        ..SqliteSettings::new(location)
    })
}

/// Whether there is a store already, and where.
pub(super) fn require_data(settings: &SqliteSettings) -> Result<&Path, Failure> {
    match &settings.location {
        SqliteLocation::File(path) if path.exists() => Ok(path),
        SqliteLocation::File(path) => Err(Failure::new(format!(
            "there is no database at {}",
            path.display()
        ))),
        SqliteLocation::Memory => Err(Failure::new(
            "the store in memory belongs to one process: there is none to look at",
        )),
    }
}

/// Where the store is, unless that is in memory.
pub(super) fn file(settings: &SqliteSettings) -> Option<&Path> {
    match &settings.location {
        SqliteLocation::File(path) => Some(path),
        SqliteLocation::Memory => None,
    }
}

/// Nobody has asked for a folder besides the default one: where it is missing the
/// path is likely to be wrong, and the store would be an empty one.
fn require_folder(location: &SqliteLocation) -> Result<(), Failure> {
    let SqliteLocation::File(path) = location else {
        return Ok(());
    };
    let folder = std::path::absolute(path)
        .ok()
        .and_then(|path| path.parent().map(Path::to_owned));
    match folder {
        Some(folder) if path != Path::new(DEFAULT_FILE) && is_missing(&folder) => {
            Err(Failure::new(format!(
                "the setting database.url (DATABASE_URL) names a file in {}, a folder that does \
                 not exist: make it, or name a file in another one; an absolute path has three \
                 slashes, as in sqlite:///var/lib/utsavam/utsavam.db",
                folder.display()
            )))
        }
        _ => Ok(()),
    }
}

/// Not so where nobody lets us look.
fn is_missing(folder: &Path) -> bool {
    matches!(folder.try_exists(), Ok(false))
}

fn not_opened(error: &OpenError) -> Failure {
    Failure::new(match error {
        OpenError::InUse { .. } => format!(
            "{error}; stop that one, or name another file in the setting database.url \
             (DATABASE_URL)"
        ),
        OpenError::Unusable { .. } | OpenError::Sqlite { .. } | OpenError::Migration { .. } => {
            format!("{error} (setting database.url, DATABASE_URL)")
        }
        OpenError::Thread(_) => error.to_string(),
    })
}

/// Opens the file and brings it to this version's schema. Nobody else has it
/// open, so there is no version of a schema to be careful of.
pub(super) async fn open(
    mut settings: SqliteSettings,
    metrics: &Metrics,
) -> Result<(Stores, String), Failure> {
    require_folder(&settings.location)?;
    settings.observer = Some(TransactionObserver::new(metrics.transaction_observer()));
    let opened = tokio::task::spawn_blocking(move || Database::open(&settings)).await;
    let database = opened
        .map_err(|panic| Failure::new(format!("the embedded store failed: {panic}")))?
        .map_err(|error| not_opened(&error))?;
    let place = match database.path() {
        Some(path) => format!("the embedded store, {}", path.display()),
        None => "the embedded store, in memory: gone when this process ends".to_owned(),
    };
    Ok((
        stores(database, place, metrics),
        "the schema is current".to_owned(),
    ))
}

fn stores(database: Database, place: String, metrics: &Metrics) -> Stores {
    let events = Arc::new(SqliteEventStore::new(database.clone()));
    let observer = |queue| Some(metrics.batches.observer(queue));
    let bookings = SqliteBookingStore::observed(
        database.clone(),
        observer(meters::BOOKINGS),
        Some(metrics.hottest.clone()),
    );
    let audit = SqliteAuditLog::observed(database.clone(), observer(meters::AUDIT));
    meters::watch_sqlite(metrics, &database, &bookings, &audit);
    let let_go = database.let_go().boxed().shared();
    Stores {
        bookings: Arc::new(bookings),
        records: Arc::new(SqliteBookingRecords::new(database.clone())),
        events: events.clone(),
        catalogue: events,
        users: Arc::new(SqliteUserStore::new(database.clone())),
        accounts: Arc::new(SqliteAccountStore::new(database.clone())),
        sessions: Arc::new(SqliteSessionStore::new(database.clone())),
        api_keys: Arc::new(SqliteApiKeyStore::new(database.clone())),
        audit: Arc::new(audit),
        sales: Arc::new(SqliteSalesReports::new(database.clone())),
        control: Arc::new(SqliteSalesControl::new(database.clone())),
        demo: Arc::new(SqliteDemoStore::new(database.clone())),
        maintenance: Arc::new(SqliteMaintenance::new(database.clone())),
        reconciliation: Arc::new(SqliteReconciliation::new(database.clone())),
        archive: Arc::new(SqliteArchive::new(database.clone())),
        probe: Arc::new(SqliteProbe::new(database)),
        queue: None,
        let_go: Some(let_go),
        place,
    }
}
