//! Settings: what is wrong stops the start and is named, what is secret is
//! never shown.

use utsavam_tests::{Finished, Program, TestDatabase};

async fn serve_with(database: &TestDatabase, name: &str, value: &str) -> Finished {
    Program::new(&["serve"])
        .env("DATABASE_URL", database.url())
        .env("REDIS_URL", "redis://127.0.0.1:1/0")
        .env("PORT", "0")
        .setting("database.wait", "1s")
        .env(name, value)
        .run()
        .await
}

/// `http.workers` for both `UTSAVAM__HTTP__WORKERS` and `http.workers`.
fn plain(text: &str) -> String {
    text.to_lowercase()
        .replace("utsavam__", "")
        .replace("__", ".")
}

#[tokio::test]
async fn impossible_values_are_named() {
    // It is there, so that nothing else is wrong.
    let database = TestDatabase::migrated().await;
    for (variable, value) in [
        ("UTSAVAM__HTTP__WORKERS", "many"),
        ("UTSAVAM__HTTP__WORKERS", "0"),
        ("UTSAVAM__HTTP__WORKERS", "-1"),
        ("UTSAVAM__HTTP__BODY_BYTES_MAX", "lots"),
        ("UTSAVAM__HTTP__BODY_BYTES_MAX", "0"),
        ("UTSAVAM__HTTP__BODY_TIMEOUT", "soon"),
        ("UTSAVAM__DATABASE__POOL_SIZE", "0"),
        ("UTSAVAM__DATABASE__WAIT", "5 parsecs"),
        ("UTSAVAM__DATABASE__MIGRATE_ON_START", "perhaps"),
        ("UTSAVAM__DATABASE__POOLER", "transaction"),
        ("UTSAVAM__DATABASE__REPLICA_LAG_MAX", "0s"),
        ("UTSAVAM__DATABASE__REPLICA_LAG_MAX", "2h"),
        (
            "UTSAVAM__DATABASE__REPLICA_URL",
            "mysql://u:s3cret@127.0.0.1/x",
        ),
        ("UTSAVAM__BOOKING__SEATS_MAX", "0"),
        ("UTSAVAM__BOOKING__SEATS_MAX", "2147483648"),
        ("UTSAVAM__GATE__RECONCILE_INTERVAL", "0s"),
        ("UTSAVAM__GATE__RECONCILE_INTERVAL", "often"),
        ("UTSAVAM__RECONCILIATION__INTERVAL", "25h"),
        ("UTSAVAM__RECONCILIATION__INTERVAL", "sometimes"),
        ("UTSAVAM__RATE_LIMIT__ENABLED", "perhaps"),
        ("UTSAVAM__RATE_LIMIT__READ__QUOTA", "0"),
        ("UTSAVAM__RATE_LIMIT__BOOK__BURST", "1201"),
        ("UTSAVAM__RATE_LIMIT__ADMIN__WINDOW", "1500ms"),
        ("UTSAVAM__RATE_LIMIT__LOGIN_ACCOUNT__QUOTA", "many"),
        ("UTSAVAM__HTTP__TRUSTED_PROXIES", "10.0.0.0/8, proxy"),
        ("UTSAVAM__HTTP__FORWARDED_HEADER", "x-real-ip"),
        ("UTSAVAM__LOG__FORMAT", "xml"),
        ("UTSAVAM__METRICS__PORT", "http"),
        ("UTSAVAM__METRICS__PORT", "65536"),
        ("PORT", "65536"),
        ("PORT", "http"),
        ("DATABASE_URL", "mysql://u:s3cret@127.0.0.1/x"),
        ("DATABASE_URL", "nonsense"),
        ("REDIS_URL", "http://127.0.0.1"),
    ] {
        let finished = serve_with(&database, variable, value).await;
        let sentence = plain(&finished.expect_failure());
        // `PORT` may be called `http.port`, `DATABASE_URL` `database.url`.
        let names = [plain(variable), plain(&variable.replace('_', "."))];
        assert!(
            names.iter().any(|name| sentence.contains(name.as_str())),
            "{variable}={value}: {finished}"
        );
        assert!(!finished.stderr.contains("s3cret"), "{finished}");
        assert!(!finished.stdout.contains("listening"), "{finished}");
    }
}

#[tokio::test]
async fn unknown_settings_are_named() {
    let database = TestDatabase::migrated().await;
    for variable in [
        "UTSAVAM__HTTP__WROKERS",
        "UTSAVAM__COLOUR",
        "UTSAVAM__NO__SUCH",
    ] {
        let finished = serve_with(&database, variable, "1").await;
        let sentence = plain(&finished.expect_failure());
        let last = variable.rsplit("__").next().unwrap_or_default();
        let section = variable.split("__").nth(1).unwrap_or_default();
        assert!(
            sentence.contains(&last.to_lowercase()) || sentence.contains(&section.to_lowercase()),
            "{variable}: {finished}"
        );
    }
}

#[tokio::test]
async fn the_settings_are_shown_without_their_secrets() {
    let shown = Program::new(&["config"])
        .env(
            "DATABASE_URL",
            "postgresql+asyncpg://utsavam:pg-s3cret@db.example.com:5433/utsavam_dev",
        )
        .env(
            "REDIS_URL",
            "redis://:redis-s3cret@cache.example.com:6379/0",
        )
        .env("ADMIN_KEY", "admin-s3cret")
        .setting("booking.seats_max", "17")
        .run()
        .await
        .expect_success();
    for output in [&shown.stdout, &shown.stderr] {
        assert!(!output.contains("s3cret"), "{shown}");
    }
    for expected in ["db.example.com", "cache.example.com", "17"] {
        assert!(shown.stdout.contains(expected), "{expected}: {shown}");
    }
}

#[tokio::test]
async fn a_password_in_the_query_of_a_url_is_not_shown_either() {
    let shown = Program::new(&["config"])
        .env(
            "DATABASE_URL",
            "postgres://db.example.com/utsavam?user=utsavam&password=pg-s3cret",
        )
        .run()
        .await
        .expect_success();
    for output in [&shown.stdout, &shown.stderr] {
        assert!(!output.contains("s3cret"), "{shown}");
    }
}

#[tokio::test]
async fn secrets_do_not_reach_the_log() {
    let database = TestDatabase::migrated().await;
    let server = utsavam_tests::TestServer::builder(database.url())
        .env("ADMIN_KEY", "admin-s3cret")
        .env("REDIS_URL", "redis://:redis-s3cret@127.0.0.1:1/0")
        .env("RUST_LOG", "debug")
        .start()
        .await;
    let call = server.client().get("/admin/users");
    call.header("X-Admin-Key", "admin-s3cret").await.expect(200);
    let log = server.log();
    assert!(!log.contains("s3cret"), "{log}");
}

#[tokio::test]
async fn empty_variables_count_as_absent() {
    let shown = Program::new(&["config"])
        .env("UTSAVAM__BOOKING__SEATS_MAX", "")
        .env("PORT", "")
        .env("HOST", "")
        .run()
        .await
        .expect_success();
    assert!(shown.stdout.contains("8000"), "{shown}");
}
