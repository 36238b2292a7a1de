//! The life of the process: how it starts, and how it says that it cannot.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use futures::future::join;
use utsavam_tests::{Client, Finished, Program, Service, TestDatabase, TestServer, eventually};

/// What starting and stopping may take besides waiting for the database.
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

/// A port that is taken by nobody, at least a moment ago.
fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("a bound listener").port()
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

#[tokio::test]
async fn whoever_is_told_to_end_is_not_ready_before_it_stops_accepting() {
    const DELAY: Duration = Duration::from_secs(3);
    let mut service = Service::builder()
        .await
        .setting("http.shutdown_delay", "3s")
        .start()
        .await;
    let client = service.client.clone();
    let user_id = client.register("alice@example.com").await;
    let event_id = client.publish(5).await;
    client.get("/ready").await.expect(200);
    let url = format!("http://{}", service.server.address());
    let told = Instant::now();
    let (status, ()) = join(service.server.terminate(), async {
        eventually("the server is not ready", async || {
            // Not by a connection that is there already.
            let ready = Client::new(&url, "").get("/ready").await;
            ready.status == 503 && ready.json()["status"] == "stopping"
        })
        .await;
        client.booked(user_id, event_id, 1).await;
        client.get("/health").await.expect(200);
    })
    .await;
    assert_eq!(status.code(), Some(0), "{}", service.server.log());
    assert!(told.elapsed() >= DELAY, "{:?}", told.elapsed());
    service.database.assert_seats_add_up(event_id).await;
}

#[tokio::test]
async fn what_is_under_way_is_finished_before_the_end() {
    let mut service = Service::start().await;
    let client = service.client.clone();
    let user_id = client.register("alice@example.com").await;
    let event_id = client.publish(5).await;
    // A connection that is kept, and has nothing to say any more.
    client.get("/ready").await.expect(200);
    let holder = service.database.hold_event(event_id).await;
    let booking = tokio::spawn(client.book(user_id, event_id, 1).into_future());
    eventually("the booking waits", async || {
        service.database.sessions_waiting().await == 1
    })
    .await;
    let address = service.server.address();
    let told = Instant::now();
    let (status, ()) = join(service.server.terminate(), async {
        eventually("nobody is let in any more", async || {
            std::net::TcpStream::connect(address).is_err()
        })
        .await;
        assert!(!booking.is_finished());
        holder.run("COMMIT").await;
    })
    .await;
    assert_eq!(status.code(), Some(0), "{}", service.server.log());
    booking.await.expect("no panic").expect(201);
    assert!(told.elapsed() < OVERHEAD, "{:?}", told.elapsed());
    service.database.assert_seats_add_up(event_id).await;
}

#[tokio::test]
async fn a_booking_whose_client_went_away_is_made_before_the_end() {
    let builder = Service::builder().await.setting("metrics.port", "0");
    let mut service = builder.start().await;
    let user_id = service.client.register("alice@example.com").await;
    let event_id = service.client.publish(5).await;
    let holder = service.database.hold_event(event_id).await;
    leave_a_booking_behind(&service, user_id, event_id).await;
    let (status, ()) = join(service.server.terminate(), async {
        // The stimulus, not a synchronisation: any delay will do.
        tokio::time::sleep(Duration::from_secs(1)).await;
        holder.run("COMMIT").await;
    })
    .await;
    assert_eq!(status.code(), Some(0), "{}", service.server.log());
    let sql = service.database.sql().await;
    let made = sql.number("SELECT count(*) FROM bookings").await;
    assert_eq!(made, 1, "{}", service.server.log());
    service.database.assert_seats_add_up(event_id).await;
}

#[tokio::test]
async fn the_end_does_not_wait_longer_than_it_may() {
    let mut service = Service::builder()
        .await
        .setting("http.shutdown_timeout", "2s")
        .setting("database.lock_timeout", "1m")
        .setting("database.statement_timeout", "1m")
        .setting("gate.lease_ttl", "1h")
        .start()
        .await;
    let client = service.client.clone();
    let user_id = client.register("alice@example.com").await;
    let event_id = client.publish(5).await;
    let holder = service.database.hold_event(event_id).await;
    let booking = tokio::spawn(client.book(user_id, event_id, 1).try_send());
    eventually("the booking waits", async || {
        service.database.sessions_waiting().await == 1
    })
    .await;
    let told = Instant::now();
    let status = service.server.terminate().await;
    assert_eq!(status.code(), Some(0), "{}", service.server.log());
    assert!(told.elapsed() < OVERHEAD, "{:?}", told.elapsed());
    assert!(booking.await.expect("no panic").is_err());
    holder.run("COMMIT").await;
    service.database.assert_seats_add_up(event_id).await;
}

/// A booking that waits for its event, at a server that would wait for it for a minute.
async fn held_up_service() -> (Service, i64, utsavam_tests::Sql) {
    let builder = Service::builder().await.setting("metrics.port", "0");
    let service = builder
        .setting("http.shutdown_timeout", "1m")
        .setting("database.lock_timeout", "1m")
        .setting("database.statement_timeout", "1m")
        .setting("database.acquire_timeout", "1m")
        .setting("gate.lease_ttl", "1h")
        .start()
        .await;
    let event_id = service.client.publish(5).await;
    let holder = service.database.hold_event(event_id).await;
    (service, event_id, holder)
}

async fn assert_ends_at_once(mut service: Service, event_id: i64, signal: &str) {
    let told = Instant::now();
    service.server.signal(signal);
    let status = service.server.ended().await;
    assert_eq!(status.code(), Some(0), "{}", service.server.log());
    assert!(told.elapsed() < OVERHEAD, "{:?}", told.elapsed());
    service.database.assert_seats_add_up(event_id).await;
}

#[tokio::test]
async fn whoever_asks_a_second_time_does_not_wait_for_requests() {
    let (service, event_id, _holder) = held_up_service().await;
    let user_id = service.client.register("alice@example.com").await;
    let booking = tokio::spawn(service.client.book(user_id, event_id, 1).try_send());
    eventually("the booking waits", async || {
        service.database.sessions_waiting().await == 1
    })
    .await;
    let address = service.server.address();
    service.server.signal("TERM");
    eventually("nobody is let in any more", async || {
        std::net::TcpStream::connect(address).is_err()
    })
    .await;
    assert_ends_at_once(service, event_id, "TERM").await;
    // Cut off, unless the queue went before the connection did.
    if let Ok(answer) = booking.await.expect("no panic") {
        answer.problem(503, "unavailable");
    }
}

#[tokio::test]
async fn whoever_asks_a_second_time_does_not_wait_for_what_is_queued() {
    let (service, event_id, _holder) = held_up_service().await;
    let user_id = service.client.register("alice@example.com").await;
    leave_a_booking_behind(&service, user_id, event_id).await;
    service.server.signal("INT");
    eventually("requests are over", async || {
        std::net::TcpStream::connect(service.server.address()).is_err()
    })
    .await;
    assert_ends_at_once(service, event_id, "INT").await;
}

#[tokio::test]
async fn sigquit_waits_for_nothing() {
    let (service, event_id, _holder) = held_up_service().await;
    let user_id = service.client.register("alice@example.com").await;
    leave_a_booking_behind(&service, user_id, event_id).await;
    assert_ends_at_once(service, event_id, "QUIT").await;
}

/// A booking that waits for its event, whose client has gone.
async fn leave_a_booking_behind(service: &Service, user_id: i64, event_id: i64) {
    let stream = service.send_booking(user_id, event_id).await;
    eventually("the booking waits", async || {
        service.database.sessions_waiting().await == 1
    })
    .await;
    // With a reset: a client that only has nothing more to say still waits for an answer.
    stream.set_zero_linger().expect("a socket");
    drop(stream);
    eventually("no request is left", async || {
        let shown = service.server.metrics().await;
        shown.sum("utsavam_http_requests_in_progress", &[]) == 0.0
    })
    .await;
}
