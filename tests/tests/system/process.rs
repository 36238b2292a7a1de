//! How the process starts, and how it says that it cannot.

use std::net::TcpListener;
use std::time::Duration;

use futures::future::join;
use utsavam_tests::{Finished, Program, Service, TestDatabase, TestServer, eventually, free_port};

/// What starting may take besides waiting for the database.
const OVERHEAD: Duration = Duration::from_secs(10);

fn serve(database_url: &str) -> Program {
    Program::new(&["serve"])
        .env("DATABASE_URL", database_url)
        .env("REDIS_URL", "redis://127.0.0.1:1/0")
        .env("HOST", "127.0.0.1")
        .env("PORT", "0")
        .setting("http.workers", "1")
}

fn assert_never_listened(finished: &Finished) {
    assert!(!finished.stdout.contains("listening"), "{finished}");
}

#[tokio::test]
async fn a_taken_port_ends_the_start_with_a_sentence() {
    let database = TestDatabase::migrated().await;
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = taken.local_addr().expect("a bound listener").port();
    let finished = serve(database.url())
        .env("PORT", &port.to_string())
        .run()
        .await;
    let sentence = finished.expect_failure();
    assert!(sentence.contains(&port.to_string()), "{sentence}");
    assert_never_listened(&finished);
}

#[tokio::test]
async fn a_host_that_is_not_ours_ends_the_start_with_a_sentence() {
    let database = TestDatabase::migrated().await;
    // The second one is for documentation only (RFC 5737). With the default
    // admin key neither would be tried.
    for host in ["not a host", "203.0.113.7"] {
        let serve = serve(database.url()).env("HOST", host);
        let finished = serve.setting("admin.key", "secret").run().await;
        let sentence = finished.expect_failure();
        assert!(sentence.contains(host), "{sentence}");
        assert_never_listened(&finished);
    }
}

#[tokio::test]
async fn an_unreachable_database_ends_every_command_with_a_sentence_after_the_wait() {
    let url = format!(
        "postgres://utsavam:s3cret@127.0.0.1:{}/nowhere",
        free_port()
    );
    for command in ["serve", "migrate", "seed-demo", "reconcile", "export"] {
        let finished = Program::new(&[command])
            .env("DATABASE_URL", &url)
            .env("REDIS_URL", "redis://127.0.0.1:1/0")
            .env("PORT", "0")
            .setting("database.wait", "1s")
            .run()
            .await;
        let sentence = finished.expect_failure().to_lowercase();
        assert!(
            sentence.contains("database") || sentence.contains("postgres"),
            "{command}: {sentence}"
        );
        assert!(!finished.stderr.contains("s3cret"), "{command}: {finished}");
        assert!(finished.took < OVERHEAD, "{command}: {finished}");
        assert_never_listened(&finished);
    }
}

#[tokio::test]
async fn a_database_that_accepts_and_says_nothing_is_not_waited_for_without_end() {
    // Connections end up in the backlog, and nobody ever answers.
    let silent = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = silent.local_addr().expect("a bound listener");
    let finished = serve(&format!("postgres://utsavam@{address}/nowhere"))
        .setting("database.wait", "1s")
        .run()
        .await;
    finished.expect_failure();
    assert!(finished.took < OVERHEAD, "{finished}");
}

#[tokio::test]
async fn a_database_that_comes_up_within_the_wait_is_found() {
    let database = TestDatabase::migrated().await;
    let proxy = utsavam_tests::Proxy::before(database.url()).await;
    proxy.cut();
    let (server, ()) = join(
        TestServer::builder(&proxy.url())
            .setting("database.wait", "30s")
            .start(),
        async {
            // The stimulus, not a synchronisation: any delay will do.
            tokio::time::sleep(Duration::from_millis(500)).await;
            proxy.mend();
        },
    )
    .await;
    server.client().get("/ready").await.expect(200);
}

#[tokio::test]
async fn a_database_that_does_not_exist_or_refuses_the_user_is_named_in_a_sentence() {
    let database = TestDatabase::empty().await;
    let gone = format!("{}_gone", database.url());
    let finished = serve(&gone).setting("database.wait", "1s").run().await;
    finished.expect_failure();
    assert!(finished.took < OVERHEAD, "{finished}");
}

#[tokio::test]
async fn serving_migrates_an_empty_database_first() {
    let service = Service::on(TestDatabase::empty().await).await.start().await;
    let event_id = service.client.publish(5).await;
    assert_eq!(service.client.seats_available(event_id).await, 5);
}

#[tokio::test]
async fn without_migration_on_start_an_empty_database_is_not_served() {
    let database = TestDatabase::empty().await;
    let finished = serve(database.url())
        .setting("database.migrate_on_start", "false")
        .run()
        .await;
    let sentence = finished.expect_failure();
    assert!(sentence.contains("migrate"), "{sentence}");
    assert_never_listened(&finished);
    let tables = database
        .sql()
        .await
        .number("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")
        .await;
    assert_eq!(
        tables, 0,
        "tables in a database that was not to be migrated"
    );
}

#[tokio::test]
async fn without_migration_on_start_a_current_database_is_served() {
    let service = Service::builder()
        .await
        .setting("database.migrate_on_start", "false")
        .start()
        .await;
    service.client.get("/ready").await.expect(200);
}

#[tokio::test]
async fn two_migrations_at_once_and_one_more_make_one_schema() {
    let database = TestDatabase::empty().await;
    let migrate = || {
        Program::new(&["migrate"])
            .env("DATABASE_URL", database.url())
            .run()
    };
    let (one, two) = join(migrate(), migrate()).await;
    one.expect_success();
    two.expect_success();
    migrate().await.expect_success();

    let service = Service::on(database)
        .await
        .setting("database.migrate_on_start", "false")
        .start()
        .await;
    service.client.publish(5).await;
}

/// The lock under which migrations run: "utsavam" in ASCII, read as a number.
const MIGRATION_LOCK: &str = "x'0075747361766d'::bigint";

#[tokio::test]
async fn a_migration_that_waits_for_another_one_says_so() {
    let database = TestDatabase::empty().await;
    let other = database.sql().await;
    other
        .run(&format!("SELECT pg_advisory_lock({MIGRATION_LOCK})"))
        .await;
    let (finished, ()) = join(
        Program::new(&["migrate"])
            .env("DATABASE_URL", database.url())
            .run(),
        async {
            eventually("the migration waits", async || {
                database.sessions_waiting().await == 1
            })
            .await;
            other
                .run(&format!("SELECT pg_advisory_unlock({MIGRATION_LOCK})"))
                .await;
        },
    )
    .await;
    let finished = finished.expect_success();
    assert!(
        finished.stderr.contains("another process is migrating"),
        "{finished}"
    );
}

#[tokio::test]
async fn a_migration_whose_wait_is_cut_off_says_what_it_waited_for() {
    let database = TestDatabase::empty().await;
    let other = database.sql().await;
    other
        .run(&format!("SELECT pg_advisory_lock({MIGRATION_LOCK})"))
        .await;
    let (finished, ()) = join(
        Program::new(&["migrate"])
            .env("DATABASE_URL", database.url())
            .run(),
        async {
            eventually("the migration waits", async || {
                database.sessions_waiting().await == 1
            })
            .await;
            // Instead of the ten minutes after which it would give up itself.
            other
                .run(
                    "SELECT pg_cancel_backend(pid) FROM pg_stat_activity
                     WHERE datname = current_database() AND wait_event_type = 'Lock'",
                )
                .await;
        },
    )
    .await;
    let sentence = finished.expect_failure();
    assert!(
        sentence.contains("another process is migrating"),
        "{sentence}"
    );
}

#[tokio::test]
async fn a_current_schema_is_served_without_the_right_to_change_it() {
    // Session options of a role that may read but not create, and of a server
    // that writes nothing, such as a standby.
    for options in ["role=pg_read_all_data", "default_transaction_read_only=on"] {
        let database = TestDatabase::migrated().await;
        let joint = if database.url().contains('?') {
            '&'
        } else {
            '?'
        };
        let url = format!("{}{joint}options=-c%20{options}", database.url());
        let migrated = Program::new(&["migrate"])
            .env("DATABASE_URL", &url)
            .run()
            .await
            .expect_success();
        assert!(migrated.stdout.contains("current"), "{migrated}");
        for migrate_on_start in ["true", "false"] {
            let server = TestServer::builder(&url)
                .setting("database.migrate_on_start", migrate_on_start)
                .start()
                .await;
            server.client().get("/events").await.expect(200);
        }
    }
}

#[tokio::test]
async fn two_servers_that_start_at_once_on_an_empty_database_both_serve() {
    let database = TestDatabase::empty().await;
    let start = || TestServer::builder(database.url()).start();
    let (one, two) = join(start(), start()).await;
    let event_id = one.client().publish(5).await;
    assert_eq!(two.client().seats_available(event_id).await, 5);
}

#[tokio::test]
async fn a_url_with_a_driver_suffix_is_understood() {
    let database = TestDatabase::migrated().await;
    let (scheme, rest) = database.url().split_once("://").expect("a URL");
    for suffix in ["+asyncpg", "+psycopg2"] {
        let server = TestServer::builder(&format!("{scheme}{suffix}://{rest}"))
            .start()
            .await;
        server.client().get("/ready").await.expect(200);
    }
}

#[tokio::test]
async fn the_health_command_asks_the_running_server() {
    let service = Service::start().await;
    let address = service.server.address();
    let health = |port: u16| {
        Program::new(&["health"])
            .env("DATABASE_URL", service.database.url())
            .env("HOST", "127.0.0.1")
            .env("PORT", &port.to_string())
            .run()
    };
    health(address.port()).await.expect_success();
    health(free_port()).await.expect_failure();
}

#[tokio::test]
async fn demo_data_can_be_seeded_beside_a_running_server() {
    let service = Service::start().await;
    Program::new(&["seed-demo"])
        .env("DATABASE_URL", service.database.url())
        .env("REDIS_URL", service.redis().url())
        .run()
        .await
        .expect_success();
    let events = service.client.entries("/events").await;
    assert_eq!(events.len(), 3, "{events:?}");
}

#[tokio::test]
async fn help_names_every_command() {
    let help = Program::new(&["--help"]).run().await.expect_success();
    for command in [
        "serve",
        "migrate",
        "seed-demo",
        "reconcile",
        "export",
        "import",
        "openapi",
        "config",
    ] {
        assert!(help.stdout.contains(command), "{command}: {help}");
        let of_command = Program::new(&[command, "--help"]).run().await;
        of_command.expect_success();
    }
}

#[tokio::test]
async fn an_unknown_command_is_refused() {
    let finished = Program::new(&["sell-everything"]).run().await;
    assert!(finished.stderr.contains("sell-everything"), "{finished}");
    finished.expect_failure();
}
