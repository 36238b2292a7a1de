//! Rate limits: who is limited by what, and how they are told.
//!
//! All requests of a test come from this machine, which is not limited; so the
//! server believes it about where they come from, as it would a proxy.

use reqwest::Method;
use serde_json::json;
use utsavam_tests::{Answer, Call, FUTURE, Service};

/// Behind a proxy on this machine, with these settings.
async fn behind_proxy(settings: &[(&str, &str)]) -> Service {
    let mut builder = Service::builder().await;
    for (setting, value) in settings {
        builder = builder.setting(setting, value);
    }
    builder
        .setting("http.trusted_proxies", "127.0.0.1, ::1")
        .setting("auth.mode", "open")
        .setting("auth.open_beyond_loopback", "true")
        .start()
        .await
}

fn from(call: Call, address: &str) -> Call {
    call.header("X-Forwarded-For", address)
}

/// `r` and `t` of `RateLimit: "name";r=9;t=1`.
fn left(answer: &Answer, name: &str) -> (u64, u64) {
    let text = answer.header("ratelimit").unwrap_or_default();
    let rest = text.strip_prefix(&format!("\"{name}\";r="));
    let (remaining, reset) = rest
        .and_then(|rest| rest.split_once(";t="))
        .unwrap_or_else(|| panic!("{text:?} is not of {name}: {answer}"));
    let number = |text: &str| {
        text.parse()
            .unwrap_or_else(|_| panic!("{text:?}: {answer}"))
    };
    (number(remaining), number(reset))
}

fn assert_refused(answer: &Answer, name: &str) {
    answer.problem(429, "rate_limited");
    let retry_after = answer.header("retry-after").unwrap_or_default();
    let seconds: u64 = retry_after.parse().expect("whole seconds");
    assert!(seconds >= 1, "{answer}");
    assert_eq!(left(answer, name).0, 0);
}

fn assert_unlimited(answer: &Answer) {
    assert_ne!(answer.status, 429, "{answer}");
    for header in ["ratelimit", "ratelimit-policy"] {
        assert!(answer.header(header).is_none(), "{answer}");
    }
}

#[tokio::test]
async fn a_client_is_told_what_is_left_and_refused_when_nothing_is() {
    let service = behind_proxy(&[
        ("rate_limit.read.quota", "3"),
        ("rate_limit.read.window", "1h"),
    ])
    .await;
    let get = |path: &str| from(service.client.get(path), "192.0.2.1");
    for (number, path) in ["/events", "/events", "/nothing"].into_iter().enumerate() {
        let answer = get(path).await;
        assert_ne!(answer.status, 429, "{answer}");
        let policy = answer.header("ratelimit-policy");
        assert_eq!(policy, Some("\"read\";q=3;w=3600"));
        let (remaining, reset_s) = left(&answer, "read");
        let taken = number as u64 + 1;
        assert_eq!(remaining, 3 - taken);
        assert!((1_200 * taken - 120..=1_200 * taken).contains(&reset_s));
    }
    for path in [
        "/events",
        "/events/1",
        "/bookings/1",
        "/users/1/bookings",
        "/",
    ] {
        assert_refused(&get(path).await, "read");
    }
    let retry_after = get("/events")
        .await
        .header("retry-after")
        .map(str::to_owned);
    let seconds: u64 = retry_after.unwrap_or_default().parse().expect("seconds");
    assert!((1_080..=1_200).contains(&seconds), "{seconds}");
}

#[tokio::test]
async fn clients_do_not_take_from_one_another() {
    let service = behind_proxy(&[
        ("rate_limit.read.quota", "1"),
        ("rate_limit.read.window", "1h"),
    ])
    .await;
    for address in ["192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8:0:1::1"] {
        let get = || from(service.client.get("/events"), address);
        get().await.expect(200);
        assert_refused(&get().await, "read");
    }
    // One client has a whole network of version 6.
    let neighbour = from(service.client.get("/events"), "2001:db8::ffff");
    assert_refused(&neighbour.await, "read");
    // Whatever a client writes, what counts is what the proxy adds.
    let disguised = from(service.client.get("/events"), "198.51.100.1, 192.0.2.1");
    assert_refused(&disguised.await, "read");
}

#[tokio::test]
async fn each_policy_counts_what_it_is_for() {
    let service = behind_proxy(&[
        ("rate_limit.read.quota", "1"),
        ("rate_limit.book.quota", "2"),
        ("rate_limit.register.quota", "1"),
        ("rate_limit.admin.quota", "2"),
        ("rate_limit.read.window", "1h"),
        ("rate_limit.book.window", "1h"),
        ("rate_limit.register.window", "1h"),
        ("rate_limit.admin.window", "1h"),
    ])
    .await;
    let client = &service.client;
    let event = json!({ "name": "Concert", "start_at": FUTURE, "capacity": 5 });
    let register = |email: &str| client.post("/users", &json!({ "email": email }));
    let publish = || client.post("/admin/events", &event);
    let mine = |call| from(call, "192.0.2.1");
    let user = mine(register("a@example.com")).await.expect(201).id("id");
    assert_refused(&mine(register("b@example.com")).await, "register");
    let event_id = mine(publish().admin()).await.expect(201).id("id");
    // Strangers and wrong keys count by address, the admin by being the admin.
    let wrong = || publish().header("X-Admin-Key", "a guess");
    mine(publish()).await.problem(401, "admin_key_required");
    mine(wrong()).await.problem(401, "admin_key_required");
    assert_refused(&mine(wrong()).await, "admin");
    assert_refused(&mine(publish()).await, "admin");
    mine(publish().admin()).await.expect(201);
    assert_refused(&from(publish().admin(), "192.0.2.2").await, "admin");
    let booking = mine(client.book(user, event_id, 1)).await;
    let path = format!("/bookings/{}", booking.expect(201).id("booking_id"));
    mine(client.delete(&path)).await.expect(200);
    assert_refused(&mine(client.book(user, event_id, 1)).await, "book");
    assert_refused(&mine(client.delete(&path)).await, "book");
    let disguised = client.call(Method::POST, "/%62ookings").json(&json!({}));
    assert_refused(&mine(disguised).await, "book");
    mine(client.get(&path)).await.expect(200);
    assert_refused(&mine(client.get(&path)).await, "read");
    for path in ["/health", "/ready", "/openapi.json", "/docs", "/docs/"] {
        assert_unlimited(&mine(client.get(path)).await);
    }
    // Nothing of what was refused has happened.
    let shown = client.get(&format!("/events/{event_id}")).await;
    assert_eq!(shown.expect(200).json()["seats_available"], 5);
}

#[tokio::test]
async fn programs_on_the_same_machine_are_not_limited() {
    let service = Service::builder()
        .await
        .setting("rate_limit.read.quota", "1")
        .start()
        .await;
    for _ in 0..3 {
        assert_unlimited(&service.client.get("/events").await);
        // Nobody is trusted, so it may say what it likes.
        let disguised = from(service.client.get("/events"), "192.0.2.1");
        assert_unlimited(&disguised.await);
    }
}

#[tokio::test]
async fn a_malformed_header_does_not_make_anybody_unlimited() {
    let service = behind_proxy(&[
        ("rate_limit.read.quota", "1"),
        ("rate_limit.read.window", "1h"),
    ])
    .await;
    let get = |text: &str| from(service.client.get("/events"), text);
    get("nonsense").await.expect(200);
    for text in ["nonsense", "", "127.0.0.1"] {
        assert_refused(&get(text).await, "read");
    }
}

#[tokio::test]
async fn limits_can_be_switched_off() {
    let service = behind_proxy(&[
        ("rate_limit.enabled", "false"),
        ("rate_limit.read.quota", "1"),
    ])
    .await;
    for _ in 0..3 {
        let answer = from(service.client.get("/events"), "192.0.2.1").await;
        assert_unlimited(&answer);
    }
}

#[tokio::test]
async fn a_burst_in_parallel_is_granted_exactly() {
    let service = behind_proxy(&[
        ("rate_limit.read.quota", "20"),
        ("rate_limit.read.window", "1h"),
    ])
    .await;
    let calls = (0..60).map(|_| from(service.client.get("/events"), "192.0.2.1"));
    let answers = futures::future::join_all(calls.map(IntoFuture::into_future)).await;
    let granted = answers.iter().filter(|answer| answer.status == 200).count();
    assert_eq!(granted, 20);
}

#[tokio::test]
async fn without_redis_the_process_counts() {
    let service = behind_proxy(&[
        ("redis.url", "redis://127.0.0.1:1/0"),
        ("rate_limit.read.quota", "2"),
        ("rate_limit.read.window", "1h"),
    ])
    .await;
    let get = || from(service.client.get("/events"), "192.0.2.1");
    get().await.expect(200);
    assert_eq!(left(get().await.expect(200), "read").0, 0);
    assert_refused(&get().await, "read");
}
