//! Secrets, of operators and of users, are shown to nobody: not in the log, not
//! in answers, not among the settings, not to who lists processes.

use serde_json::{Value, json};
use utsavam_tests::{Answer, Program, Service, TestDatabase, TestRedis, TestServer};

/// A part of every secret that an operator gives.
const SECRET: &str = "s3cret";

const ADMIN_KEY: &str = "admin-s3cret-one";
const SECOND_KEY: &str = "admin-s3cret-two";

/// A PostgreSQL with a password and a Redis with another one.
async fn urls(database: &TestDatabase, redis: &TestRedis) -> (String, String) {
    let rule = [
        "ACL",
        "SETUSER",
        "secretive",
        "on",
        ">redis-s3cret",
        "~*",
        "&*",
        "+@all",
    ];
    let _: String = redis.ask(&rule).await;
    (
        database.url().replace("utsavam_pass", "pg-s3cret"),
        redis
            .url()
            .replace("redis://", "redis://secretive:redis-s3cret@"),
    )
}

async fn start(filter: &str) -> (TestServer, TestDatabase, TestRedis) {
    let (database, redis) = (TestDatabase::migrated().await, TestRedis::new().await);
    let (database_url, redis_url) = urls(&database, &redis).await;
    assert!(database_url.contains(SECRET), "{database_url}");
    let server = TestServer::builder(&database_url)
        .redis(&redis_url)
        .env("ADMIN_KEY", ADMIN_KEY)
        .setting("admin.second_key", SECOND_KEY)
        .setting("log.filter", filter)
        .start()
        .await;
    (server, database, redis)
}

fn assert_hidden(place: &str, text: &str, secrets: &[String]) {
    for secret in secrets {
        assert!(
            !text.contains(secret.as_str()),
            "{secret} in {place}: {text}"
        );
    }
}

#[tokio::test]
async fn no_secret_of_an_operator_is_shown() {
    let (server, _database, _redis) = start("debug").await;
    let client = server.client();
    let secrets = [SECRET.to_owned()];
    for key in [ADMIN_KEY, SECOND_KEY] {
        let users = client.get("/admin/users").header("X-Admin-Key", key).await;
        assert_hidden("an answer", &users.expect(200).to_string(), &secrets);
    }
    for call in [
        client.get("/admin/users").header("X-Admin-Key", "wrong"),
        client.get("/admin/users"),
        client.get("/ready"),
        client.get("/events?limit=x"),
        client.post("/bookings", &json!({ "user_id": "x" })),
        client.get("/nowhere"),
    ] {
        assert_hidden("an answer", &call.await.to_string(), &secrets);
    }
    assert_hidden("the log", &server.log(), &secrets);
    assert_hidden("what it printed", &server.printed(), &secrets);
    for listed in ["cmdline", "comm", "status"] {
        let path = format!("/proc/{}/{listed}", server.pid());
        let text = std::fs::read(path).expect("a living process");
        assert_hidden(listed, &String::from_utf8_lossy(&text), &secrets);
    }
}

#[tokio::test]
async fn no_secret_is_among_the_settings_shown() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("utsavam.toml");
    let toml = format!("[admin]\nkey = \"{ADMIN_KEY}\"\nsecond_key = \"{SECOND_KEY}\"\n");
    std::fs::write(&file, toml).expect("our folder");
    for command in [
        Program::new(&["config"])
            .env("ADMIN_KEY", ADMIN_KEY)
            .setting("admin.second_key", SECOND_KEY),
        Program::new(&["config"]).working_in(folder.path()),
    ] {
        let shown = command
            .env("DATABASE_URL", "postgres://u:pg-s3cret@h/d?sslmode=require")
            .env("REDIS_URL", "rediss://u:redis-s3cret@h/0")
            .run()
            .await
            .expect_success();
        assert_hidden("the settings", &shown.to_string(), &[SECRET.to_owned()]);
        assert!(shown.stdout.contains("second_key"), "{shown}");
    }
}

#[tokio::test]
async fn no_password_and_no_token_of_a_user_is_in_the_log() {
    let service = Service::builder()
        .await
        .setting("log.filter", "debug")
        .start()
        .await;
    let client = &service.client;
    let person = client.signed_up("asha@example.com").await;
    let mut secrets = vec![
        utsavam_tests::PASSWORD.to_owned(),
        person.access_token.clone(),
        person.refresh_token.clone(),
    ];
    let mut keep = |answer: &Answer, member: &str| -> String {
        let text = answer.json()[member].as_str().expect("a secret").to_owned();
        secrets.push(text.clone());
        text
    };

    let refresh = json!({ "refresh_token": person.refresh_token });
    let refreshed = client.post("/auth/refresh", &refresh).await;
    let token = keep(refreshed.expect(200), "access_token");
    keep(&refreshed, "refresh_token");
    let (_, key) = client.api_key(&["users:read", "users:write"]).await;
    client
        .get("/admin/users")
        .header("X-API-Key", &key)
        .await
        .expect(200);
    let issued = client
        .post(
            &format!("/admin/users/{}/password-token", person.id),
            &json!({}),
        )
        .admin()
        .await;
    let password_token = keep(issued.expect(201), "token");
    let new = json!({ "token": password_token, "password": "another-s3cret-password" });
    client.post("/auth/password", &new).await.expect(204);

    // What is wrong is not logged either, nor what comes with it.
    let bearer = format!("Bearer {token}");
    client
        .get("/users/me")
        .header("Authorization", &bearer)
        .await
        .expect(401);
    client
        .login("asha@example.com", "wrong-s3cret-password")
        .await
        .expect(401);
    for body in [
        json!({ "email": 1, "password": "wrong-s3cret-password" }),
        json!({ "email": "asha@example.com", "password": "short3", "extra": 1 }),
        json!({ "email": "asha@example.com", "password": "wrong-s3cret-password" }),
    ] {
        let answer = client.post("/users", &body).await;
        let sent: Value = body["password"].clone();
        assert!((400..500).contains(&answer.status), "{answer}");
        let body = String::from_utf8_lossy(&answer.body).into_owned();
        assert_hidden(
            "an answer",
            &body,
            &[sent.as_str().expect("text").to_owned()],
        );
    }
    secrets.extend([key, SECRET.to_owned(), "short3".to_owned()]);
    let log = service.server.log();
    assert!(log.contains("DEBUG"), "the log is that of a debugger");
    assert_hidden("the log", &log, &secrets);
}
