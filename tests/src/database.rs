//! A database per test: on PostgreSQL, cloned from a template that the program
//! under test migrated, or a file of the embedded store.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use tempfile::TempDir;

use crate::program::{self, Program};
use crate::sql::Sql;
use crate::url;

/// The advisory lock under which the template is made (exclusive) and cloned
/// (shared): "utsavamt" in ASCII, read as a number.
const TEMPLATE_LOCK: i64 = 0x7574_7361_7661_6d74;

/// The embedded store's file in its folder.
const FILE: &str = "utsavam.db";

/// A database that exists as long as this value does.
#[derive(Debug)]
pub struct TestDatabase {
    place: Place,
    url: String,
}

#[derive(Debug)]
enum Place {
    /// The name of a database on the PostgreSQL of the tests.
    Postgres(String),
    /// A folder with the file of the embedded store.
    Embedded(TempDir),
}

impl TestDatabase {
    /// A database with the current schema and no data.
    pub async fn migrated() -> Self {
        let admin = Sql::connect(&admin_url()).await;
        let template = template_name();
        let mark = template_mark();
        admin
            .run(&format!("SELECT pg_advisory_lock_shared({TEMPLATE_LOCK})"))
            .await;
        if !is_template_ready(&admin, &template, &mark).await {
            admin
                .run(&format!(
                    "SELECT pg_advisory_unlock_shared({TEMPLATE_LOCK})"
                ))
                .await;
            make_template(&admin, &template, &mark).await;
            admin
                .run(&format!("SELECT pg_advisory_lock_shared({TEMPLATE_LOCK})"))
                .await;
        }
        // The lock ends with the connection.
        Self::create(&admin, &format!(" TEMPLATE \"{template}\"")).await
    }

    /// A database without any table.
    pub async fn empty() -> Self {
        let admin = Sql::connect(&admin_url()).await;
        Self::create(&admin, " TEMPLATE template0").await
    }

    async fn create(admin: &Sql, options: &str) -> Self {
        let name = unique_name();
        admin
            .run(&format!("CREATE DATABASE \"{name}\"{options}"))
            .await;
        Self {
            url: url::with_path(&admin_url(), &name),
            place: Place::Postgres(name),
        }
    }

    /// A file of the embedded store that the server is to make.
    pub fn embedded() -> Self {
        let folder = TempDir::with_prefix("utsavam_test_").expect("a temporary folder");
        Self {
            url: format!("sqlite://{}", folder.path().join(FILE).display()),
            place: Place::Embedded(folder),
        }
    }

    /// The URL under which a server finds it.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A connection of the test's own.
    pub async fn sql(&self) -> Sql {
        match &self.place {
            Place::Postgres(_) => Sql::connect(&self.url).await,
            Place::Embedded(folder) => Sql::open(&folder.path().join(FILE)),
        }
    }

    /// A connection that keeps the row of an event locked, on PostgreSQL, until it
    /// says COMMIT or ROLLBACK.
    pub async fn hold_event(&self, event_id: i64) -> Sql {
        let holder = self.sql().await;
        holder
            .run(&format!(
                "BEGIN; SELECT FROM events WHERE id = {event_id} FOR UPDATE"
            ))
            .await;
        holder
    }

    /// How many sessions wait for a lock in this database on PostgreSQL right
    /// now.
    pub async fn sessions_waiting(&self) -> i64 {
        let Place::Postgres(name) = &self.place else {
            panic!("the embedded store has no sessions");
        };
        let admin = Sql::connect(&admin_url()).await;
        admin
            .number(&format!(
                "SELECT count(*) FROM pg_stat_activity \
                 WHERE datname = '{name}' AND wait_event_type = 'Lock'"
            ))
            .await
    }

    /// Panics unless the event's seats left are its capacity less its
    /// confirmed seats, by what the tables say.
    pub async fn assert_seats_add_up(&self, event_id: i64) {
        let sql = self.sql().await;
        let figures = sql
            .rows(&format!(
                "SELECT e.capacity, e.seats_available, \
                 (SELECT coalesce(sum(b.seats), 0) FROM bookings b \
                  WHERE b.event_id = e.id AND b.status = 'CONFIRMED') \
                 FROM events e WHERE e.id = {event_id}"
            ))
            .await;
        let figures: Vec<i64> = figures[0]
            .iter()
            .map(|n| n.parse().expect("a number"))
            .collect();
        let (capacity, seats_available, confirmed) = (figures[0], figures[1], figures[2]);
        assert_eq!(
            seats_available,
            capacity - confirmed,
            "event {event_id}: {capacity} seats, {confirmed} of them confirmed"
        );
    }
}

impl Drop for TestDatabase {
    /// Works inside a runtime too, hence the thread. WITH (FORCE) ends the
    /// sessions of a server that is still there. A folder goes by itself.
    fn drop(&mut self) {
        let Place::Postgres(name) = &self.place else {
            return;
        };
        let statement = format!("DROP DATABASE IF EXISTS \"{name}\" WITH (FORCE)");
        let dropped = std::thread::spawn(move || {
            tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime can be built")
                .block_on(async { Sql::connect(&admin_url()).await.run(&statement).await });
        })
        .join();
        if dropped.is_err() && !std::thread::panicking() {
            panic!("database {name} could not be dropped");
        }
    }
}

fn admin_url() -> String {
    std::env::var("DATABASE_URL")
        .expect("DATABASE_URL names a PostgreSQL for the tests; `make test` starts one")
}

fn unique_name() -> String {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    format!(
        "utsavam_test_{}_{}_{}",
        std::process::id(),
        COUNTER.fetch_add(1, Ordering::Relaxed),
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .expect("the clock is past 1970")
            .subsec_nanos()
    )
}

/// Follows the migrations, so that a template of older ones is not reused.
fn template_name() -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../migrations/postgres");
    let mut files = Vec::new();
    collect_files(&folder, &mut files);
    files.sort();
    let mut hasher = DefaultHasher::new();
    for file in files {
        file.strip_prefix(&folder)
            .expect("a file of that folder")
            .hash(&mut hasher);
        std::fs::read(&file)
            .expect("a migration can be read")
            .hash(&mut hasher);
    }
    format!("utsavam_template_{:016x}", hasher.finish())
}

/// Says which build of the program made a template: one that was built before
/// the migrations were edited would leave the right name on the wrong schema.
fn template_mark() -> String {
    let metadata = std::fs::metadata(program::binary()).expect("the program is there");
    let built_at = metadata
        .modified()
        .ok()
        .and_then(|time| time.duration_since(UNIX_EPOCH).ok())
        .unwrap_or_default();
    format!("{} bytes, built at {built_at:?}", metadata.len())
}

fn collect_files(folder: &Path, files: &mut Vec<PathBuf>) {
    let entries =
        std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    for entry in entries {
        let path = entry.expect("a folder can be listed").path();
        if path.is_dir() {
            collect_files(&path, files);
        } else {
            files.push(path);
        }
    }
}

/// The mark is set last, so that a template that was left half done has none.
async fn is_template_ready(admin: &Sql, template: &str, mark: &str) -> bool {
    let found = admin
        .rows(&format!(
            "SELECT shobj_description(oid, 'pg_database') FROM pg_database \
             WHERE datname = '{template}'"
        ))
        .await;
    found.first().is_some_and(|row| row[0] == mark)
}

async fn make_template(admin: &Sql, template: &str, mark: &str) {
    admin
        .run(&format!("SELECT pg_advisory_lock({TEMPLATE_LOCK})"))
        .await;
    // Another test may have made it while this one waited.
    if !is_template_ready(admin, template, mark).await {
        admin
            .run(&format!(
                "DROP DATABASE IF EXISTS \"{template}\" WITH (FORCE)"
            ))
            .await;
        admin
            .run(&format!(
                "CREATE DATABASE \"{template}\" TEMPLATE template0"
            ))
            .await;
        Program::new(&["migrate"])
            .env("DATABASE_URL", &url::with_path(&admin_url(), template))
            .run()
            .await
            .expect_success();
        admin
            .run(&format!("COMMENT ON DATABASE \"{template}\" IS '{mark}'"))
            .await;
    }
    admin
        .run(&format!("SELECT pg_advisory_unlock({TEMPLATE_LOCK})"))
        .await;
}
