//! Settings: what is wrong stops the start and is named, what is doubtful is
//! warned of, what is secret is never shown.

use utsavam_tests::{Finished, Program, TestDatabase, TestServer, eventually};

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
    let server = TestServer::builder(database.url())
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

#[tokio::test]
async fn a_variable_that_is_nearly_ours_stops_the_start() {
    let database = TestDatabase::embedded();
    for (variable, meant) in [
        ("UTSAVAM_HTTP_CORS_ORIGINS", "UTSAVAM__HTTP__CORS_ORIGINS"),
        ("UTSAVAM_REPLICA_URL", "REPLICA_URL"),
        ("UTSAVAM__HTTP__PROT", "http.port"),
    ] {
        let finished = serve_with(&database, variable, "s3cret").await;
        let sentence = finished.expect_failure();
        let guess = format!("did you mean {meant}?");
        assert!(sentence.ends_with(&guess), "{sentence}");
        assert!(!finished.stderr.contains("s3cret"), "{finished}");
    }
    // What is empty counts as absent here too.
    let shown = Program::new(&["config"]).env("UTSAVAM_HTTP_PORT", "");
    let shown = shown.run().await.expect_success();
    assert_eq!(shown.stderr, "");
}

#[tokio::test]
async fn a_variable_that_may_be_anothers_is_warned_of() {
    let config = Program::new(&["config"])
        .env("DATABASE_ULR", "postgres://u:s3cret@127.0.0.1/x")
        .env("UTSAVAM_OF_OTHERS", "s3cret");
    let shown = config.run().await.expect_success();
    for warning in [
        "DATABASE_ULR is not read: did you mean DATABASE_URL?",
        "not read: UTSAVAM_OF_OTHERS",
    ] {
        assert!(shown.stderr.contains(warning), "{shown}");
    }
    assert!(!shown.stderr.contains("s3cret"), "{shown}");
}

#[tokio::test]
async fn a_file_that_cannot_be_read_is_named_and_so_is_who_names_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let broken = folder.path().join("broken.toml");
    std::fs::write(&broken, "[admin]\nkey = s3cret").expect("room");
    for (name, clue) in [
        ("missing.toml", "cannot be read: No such file"),
        (".", "cannot be read"),
        ("broken.toml", "is not TOML at line 2"),
    ] {
        let config = Program::new(&["config", "--config", name]);
        let finished = config.working_in(folder.path()).run().await;
        let sentence = finished.expect_failure();
        for part in [name, "--config or UTSAVAM_CONFIG", clue] {
            assert!(sentence.contains(part), "{sentence}");
        }
        assert!(!sentence.contains("s3cret"), "{sentence}");
    }
    // Nobody has to have one, but one that is there is not passed over.
    let default = folder.path().join("utsavam.toml");
    std::fs::create_dir(&default).expect("room");
    let config = Program::new(&["config"]).working_in(folder.path());
    let sentence = config.run().await.expect_failure();
    assert!(sentence.contains("utsavam.toml"), "{sentence}");
}

#[tokio::test]
async fn a_password_that_is_not_escaped_is_hinted_at_and_not_shown() {
    for (variable, url) in [
        ("DATABASE_URL", "postgres://u:s3@cret@127.0.0.1:1/x"),
        (
            "DATABASE_URL",
            "postgres://u:s3@cret@127.0.0.1:1,127.0.0.1:2/x",
        ),
        ("REDIS_URL", "redis://:s3/cret@127.0.0.1:1/0"),
        ("REDIS_URL", "redis://:s3#cret@127.0.0.1:1/0"),
        (
            "REDIS_URL",
            "redis+cluster://:s3@cret@127.0.0.1:1,127.0.0.1:2",
        ),
    ] {
        let serve = Program::new(&["serve"]).env("PORT", "0").env(variable, url);
        let finished = serve.env("UTSAVAM__DATABASE__WAIT", "1s").run().await;
        let sentence = finished.expect_failure();
        for part in [variable, "@ as %40"] {
            assert!(sentence.contains(part), "{url}: {sentence}");
        }
        assert!(!finished.stderr.contains("cret"), "{finished}");
    }
}

#[tokio::test]
async fn a_short_admin_key_is_warned_of_where_others_reach_the_server() {
    let database = TestDatabase::embedded();
    let server = TestServer::builder(database.url())
        .env("ADMIN_KEY", "15 of a s3cret.")
        .setting("http.trusted_proxies", "127.0.0.1")
        .start()
        .await;
    eventually("the server warns of the key", async || {
        server.log().contains("an admin key has fewer than 16")
    })
    .await;
    assert!(!server.log().contains("s3cret"), "{}", server.log());
}

#[tokio::test]
async fn a_redis_that_is_not_there_at_the_start_is_told_of_once() {
    // Nothing is on sale, and nobody asks.
    let database = TestDatabase::embedded();
    let mut server = TestServer::builder(database.url())
        .redis("redis://:redis-s3cret@127.0.0.1:1/0")
        .start()
        .await;
    eventually("the server warns of the Redis", async || {
        server.log().contains("redis is lost")
    })
    .await;
    server.terminate().await;
    let log = server.log();
    let lines: Vec<_> = log
        .lines()
        .filter(|line| line.contains("redis is lost"))
        .collect();
    assert_eq!(lines.len(), 1, "{log}");
    assert!(lines[0].contains("WARN"), "{log}");
    assert!(lines[0].contains("127.0.0.1:1"), "{log}");
    assert!(!log.contains("s3cret"), "{log}");
}
