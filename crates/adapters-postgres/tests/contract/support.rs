//! Databases for tests, on the server of `DATABASE_URL`.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use adapters_postgres::{Database, Limits, PgSettings, Pooler};
use tokio_postgres::{Client, Config, NoTls};

/// A busy machine with many tests is no reason to fail.
const PATIENCE: Duration = Duration::from_secs(60);

/// A new database of that name, with our tables.
pub(crate) async fn database(name: &str, keep_keys: Duration) -> Database {
    run(None, &format!("CREATE DATABASE {name} TEMPLATE template0")).await;
    let settings = settings(name, keep_keys);
    adapters_postgres::migrate(&settings)
        .await
        .expect("migrated");
    connect(&settings).await
}

/// Patient settings for that database.
pub(crate) fn settings(name: &str, keep_keys: Duration) -> PgSettings {
    PgSettings {
        url: url_of(name),
        pooler: Pooler::None,
        pool_size: 4,
        acquire_timeout: PATIENCE,
        connect_timeout: PATIENCE,
        answer_timeout: PATIENCE,
        lock_timeout: PATIENCE,
        statement_timeout: PATIENCE,
        commit_timeout: PATIENCE,
        keep_keys,
        batches: Limits::default(),
    }
}

pub(crate) async fn connect(settings: &PgSettings) -> Database {
    Database::connect(settings, PATIENCE)
        .await
        .expect("connected")
}

fn admin_url() -> String {
    std::env::var("DATABASE_URL").expect("DATABASE_URL names a PostgreSQL: run through make test")
}

/// The same server, another database.
fn url_of(database: &str) -> String {
    let url = admin_url();
    let (url, options) = match url.split_once('?') {
        Some((url, options)) => (url, format!("?{options}")),
        None => (url.as_str(), String::new()),
    };
    let authority = url.find("://").map_or(0, |at| at + "://".len());
    let server = match url[authority..].find('/') {
        Some(slash) => &url[..authority + slash],
        None => url,
    };
    format!("{server}/{database}{options}")
}

pub(crate) fn unique_name() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("after 1970");
    let process = std::process::id();
    format!("contract_{process}_{count}_{}", now.as_nanos())
}

/// A session in that database, or in the one of `DATABASE_URL`.
pub(crate) async fn session(database: Option<&str>) -> Client {
    let url = database.map_or_else(admin_url, url_of);
    let config: Config = url.parse().expect("DATABASE_URL is a URL");
    let (client, connection) = config.connect(NoTls).await.expect("PostgreSQL is there");
    tokio::spawn(connection);
    client
}

/// Runs statements in a session of their own.
pub(crate) async fn run(database: Option<&str>, statements: &str) {
    let ran = session(database).await.batch_execute(statements).await;
    ran.unwrap_or_else(|error| panic!("{statements}: {error:?}"));
}
