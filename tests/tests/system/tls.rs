//! TLS to PostgreSQL and Redis: what is encrypted is verified, and what cannot
//! be verified is not used. The certificates are for "localhost".

use std::os::unix::fs::PermissionsExt;

use serde_json::json;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use utsavam_tests::{
    Authority, Certificate, Finished, Program, Sql, TestDatabase, TestRedis, TestServer,
    eventually, free_port,
};

const SECRET: &str = "s3cret";

/// Has the PostgreSQL of the tests take encrypted connections too.
async fn encrypt_postgres(sql: &Sql, certified: &Certificate) {
    for (file, pem) in [
        ("server.crt", &certified.certificate),
        ("server.key", &certified.key),
    ] {
        let folder = sql.rows("SELECT current_setting('data_directory')").await;
        // By a program, because PostgreSQL wants its key to be read by nobody
        // else, and as the server, because its files are not the test's.
        sql.run(&format!(
            "COPY (SELECT unnest(string_to_array('{}', chr(10)))) \
             TO PROGRAM 'umask 077 && cat >{}/{file}'",
            pem.trim_end(),
            folder[0][0],
        ))
        .await;
    }
    sql.run("ALTER SYSTEM SET ssl = on").await;
    sql.run("SELECT pg_reload_conf()").await;
    eventually("PostgreSQL takes encrypted connections", async || {
        sql.rows("SELECT current_setting('ssl')").await[0][0] == "on"
    })
    .await;
}

fn on_localhost(url: &str, query: &str) -> String {
    let url = url.replace("127.0.0.1", "localhost");
    format!("{url}?{query}")
}

async fn migrate(url: &str) -> Finished {
    Program::new(&["migrate"])
        .env("DATABASE_URL", url)
        .setting("database.wait", "1s")
        .run()
        .await
}

/// Checks that the start ends with one sentence that says this much.
fn assert_refused(finished: &Finished, reason: &str) {
    let sentence = finished.expect_failure();
    assert!(sentence.contains(reason), "{reason:?}: {finished}");
    assert!(!finished.stderr.contains(SECRET), "{finished}");
}

#[tokio::test]
async fn an_encrypted_postgres_is_used_if_its_certificate_is_right_and_only_then() {
    let database = TestDatabase::migrated().await;
    let sql = database.sql().await;
    let (trusted, stranger) = (Authority::new("trusted"), Authority::new("stranger"));
    encrypt_postgres(&sql, &trusted.certify("localhost")).await;
    let with_password = database.url().replace("utsavam_pass", SECRET);
    let root = format!("sslrootcert={}", trusted.file().display());

    for mode in ["require", "verify-full", "verify-ca"] {
        let url = on_localhost(&with_password, &format!("sslmode={mode}&{root}"));
        let server = TestServer::builder(&url).start().await;
        server.client().get("/events").await.expect(200);
        assert!(!server.log().contains(SECRET), "{}", server.log());
        let plain = sql
            .number(
                "SELECT count(*) FILTER (WHERE NOT ssl) - (count(*) = 0)::integer \
                 FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) \
                 WHERE datname = current_database() AND application_name = 'utsavam'",
            )
            .await;
        assert_eq!(plain, 0, "{mode}: sessions that are not encrypted");
    }

    // It is not the host of the URL that the certificate is for.
    let elsewhere = |mode| format!("{with_password}?sslmode={mode}&{root}");
    migrate(&elsewhere("verify-ca")).await.expect_success();
    for mode in ["require", "verify-full"] {
        let refused = migrate(&elsewhere(mode)).await;
        assert_refused(&refused, "certificate not valid for name");
    }

    // Nobody whom we trust has signed it.
    let unknown = format!("sslrootcert={}", stranger.file().display());
    for mode in ["require", "verify-full", "verify-ca"] {
        for roots in [unknown.as_str(), "sslrootcert=system"] {
            let url = on_localhost(&with_password, &format!("sslmode={mode}&{roots}"));
            assert_refused(&migrate(&url).await, "invalid peer certificate");
        }
    }
}

#[tokio::test]
async fn a_postgres_without_tls_is_not_spoken_to_in_plain_text() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("a bound listener");
    // Asked whether it speaks TLS, it says no, and listens.
    let heard = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        let mut request = [0; 8];
        stream.read_exact(&mut request).await.expect("a question");
        stream.write_all(b"N").await.expect("an answer");
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest).await;
        rest
    });
    let url = format!("postgres://utsavam:{SECRET}@{address}/x?sslmode=verify-full");
    let finished = Program::new(&["migrate"])
        .env("DATABASE_URL", &url)
        .setting("database.wait", "100ms")
        .run()
        .await;
    assert_refused(&finished, "server does not support TLS");
    assert_eq!(heard.await.expect("no panic"), b"", "sent in plain text");
}

/// Has the Redis of the tests take encrypted connections too, on that port.
async fn encrypt_redis(redis: &TestRedis, certified: &Certificate, folder: &TempDir, port: u16) {
    // Redis may run as another user.
    let open = |mode| std::fs::Permissions::from_mode(mode);
    std::fs::set_permissions(folder.path(), open(0o755)).expect("our folder");
    let path = |name: &str| folder.path().join(name).display().to_string();
    for (name, pem) in [
        ("redis.crt", &certified.certificate),
        ("redis.key", &certified.key),
    ] {
        std::fs::write(path(name), pem).expect("our folder");
        std::fs::set_permissions(path(name), open(0o644)).expect("our file");
    }
    let done: String = redis
        .ask(&[
            "CONFIG",
            "SET",
            "tls-cert-file",
            &path("redis.crt"),
            "tls-key-file",
            &path("redis.key"),
            "tls-auth-clients",
            "no",
            "tls-port",
            &port.to_string(),
        ])
        .await;
    assert_eq!(done, "OK");
}

#[tokio::test]
async fn an_encrypted_redis_is_used_if_its_certificate_is_right_and_only_then() {
    let redis = TestRedis::new().await;
    let (trusted, stranger) = (Authority::new("trusted"), Authority::new("stranger"));
    let (folder, port) = (TempDir::new().expect("a folder"), free_port());
    encrypt_redis(&redis, &trusted.certify("localhost"), &folder, port).await;
    let number = redis.url().rsplit('/').next().expect("a database");
    let url = |host: &str, root: &str| {
        format!("rediss://encrypted:{SECRET}@{host}:{port}/{number}?sslrootcert={root}")
    };
    let roots = [&trusted, &stranger].map(|authority| authority.file().display().to_string());
    let password = format!(">{SECRET}");
    let user = [
        "ACL",
        "SETUSER",
        "encrypted",
        "on",
        &password,
        "~*",
        "&*",
        "+@all",
    ];
    let _: String = redis.ask(&user).await;
    let embedded = TestDatabase::embedded();
    let start = async |url: &str| {
        TestServer::builder(embedded.url())
            .redis(url)
            .setting("gate.reconcile_interval", "50ms")
            .start()
            .await
    };

    let server = start(&url("localhost", &roots[0])).await;
    let client = server.client();
    let event_id = client.publish(5).await;
    redis.assert_tokens(event_id, 5).await;
    let ready = client.get("/ready").await;
    assert_eq!(ready.expect(200).json()["status"], json!("ok"), "{ready}");
    drop(server);

    for (host, root, reason) in [
        (
            "127.0.0.1",
            roots[0].as_str(),
            "certificate not valid for name",
        ),
        ("localhost", &roots[1], "invalid peer certificate"),
        ("localhost", "system", "invalid peer certificate"),
    ] {
        // Redis may be away, so that is no reason not to start.
        let server = start(&url(host, root)).await;
        eventually("the log says why there is no Redis", async || {
            server.log().contains(reason)
        })
        .await;
        let ready = server.client().get("/ready").await;
        assert_eq!(ready.json()["status"], json!("degraded"), "{ready}");
        assert!(!server.log().contains(SECRET), "{}", server.log());
    }
}

#[tokio::test]
async fn a_file_of_certificates_that_is_of_no_use_ends_the_start_with_a_sentence() {
    let folder = TempDir::new().expect("a folder");
    let empty = folder.path().join("empty.pem");
    std::fs::write(&empty, "").expect("a file");
    for path in [empty, folder.path().join("missing.pem")] {
        let path = path.display();
        for (name, url) in [
            (
                "DATABASE_URL",
                format!("postgres://u:{SECRET}@localhost/d?sslmode=verify-full&sslrootcert={path}"),
            ),
            (
                "REDIS_URL",
                format!("rediss://:{SECRET}@localhost/0?sslrootcert={path}"),
            ),
        ] {
            let finished = Program::new(&["serve"])
                .env("PORT", "0")
                .working_in(folder.path())
                .env(name, &url)
                .run()
                .await;
            assert_refused(&finished, &path.to_string());
            assert_refused(&finished, &name.to_lowercase().replace('_', "."));
        }
    }
}
