//! Who is let in without proof, and where.

use serde_json::json;
use utsavam_tests::{Program, Service};

#[tokio::test]
async fn on_this_machine_alone_strangers_may_book_and_the_server_says_so() {
    let service = Service::start().await;
    let client = &service.client;
    let alice = client.register("alice@example.com").await;
    let event = client.publish(5).await;
    client.booked(alice, event, 1).await;
    let printed = service.server.printed();
    assert!(printed.contains("auth.mode is open"), "{printed}");
}

#[tokio::test]
async fn who_comes_by_way_of_a_proxy_is_refused_in_open_mode() {
    let service = Service::start().await;
    let client = &service.client;
    for header in [
        "Forwarded",
        "X-Forwarded-For",
        "x-forwarded-host",
        "X-Forwarded-Proto",
        "X-Forwarded-Port",
        "X-Real-IP",
        "CF-Connecting-IP",
        "Via",
    ] {
        for path in ["/events", "/admin/users", "/nothing", "/docs"] {
            let refused = client.get(path).header(header, "1.2.3.4").admin().await;
            let problem = refused.problem(403, "forwarded_in_open_mode");
            assert!(
                problem
                    .detail()
                    .to_lowercase()
                    .contains(&header.to_lowercase())
            );
        }
    }
}

#[tokio::test]
async fn a_page_of_somebody_elses_is_refused_in_open_mode() {
    let service = Service::start().await;
    let client = &service.client;
    for (header, value) in [
        ("Host", "evil.example:8000"),
        ("Origin", "http://evil.example"),
    ] {
        let refused = client
            .get("/admin/users")
            .header(header, value)
            .admin()
            .await;
        refused.problem(403, "foreign_in_open_mode");
    }
    for (header, value) in [("Host", "localhost"), ("Origin", "http://127.0.0.1:1")] {
        client
            .get("/events")
            .header(header, value)
            .await
            .expect(200);
    }
}

#[tokio::test]
async fn where_authentication_is_required_strangers_browse_and_register() {
    let service = Service::builder()
        .await
        .setting("auth.mode", "required")
        .start()
        .await;
    let client = &service.client;
    let printed = service.server.printed();
    assert!(!printed.contains("open"), "{printed}");
    let event = client.publish(5).await;
    let forwarded = client.get("/events").header("X-Forwarded-For", "1.2.3.4");
    forwarded.await.expect(200);
    let alice = client.register("alice@example.com").await;
    let refused = client.book(alice, event, 1).await;
    refused.problem(401, "authentication_required");
    assert!(
        refused
            .header("WWW-Authenticate")
            .expect("is there")
            .starts_with("Bearer")
    );
    assert_eq!(client.seats_available(event).await, 5);
    // The shop books for her.
    let (_, key) = client.api_key(&["bookings:write"]).await;
    client.book(alice, event, 1).api_key(&key).await.expect(201);
}

#[tokio::test]
async fn beyond_this_machine_a_server_does_not_start_as_it_comes() {
    let start = |settings: &'static [(&'static str, &'static str)]| async {
        let program = Program::new(&["config"]);
        let program = settings.iter().fold(program, |program, (name, value)| {
            program.setting(name, value)
        });
        program.run().await
    };
    const HOST: (&str, &str) = ("http.host", "0.0.0.0");
    const PROXY: (&str, &str) = ("http.trusted_proxies", "127.0.0.1");
    // By each of these others may reach it.
    for settings in [
        &[HOST][..],
        &[PROXY],
        &[("auth.mode", "required")],
        &[("auth.open_beyond_loopback", "true")],
    ] {
        let refused = start(settings).await.expect_failure();
        assert!(refused.contains("admin.key (ADMIN_KEY)"), "{refused}");
    }
    for settings in [
        &[HOST, ("admin.key", "secret"), ("auth.mode", "open")][..],
        &[PROXY, ("admin.key", "secret"), ("auth.mode", "open")],
    ] {
        let refused = start(settings).await.expect_failure();
        assert!(refused.contains("auth.mode"), "{refused}");
        assert!(refused.contains("auth.open_beyond_loopback"), "{refused}");
    }
    start(&[]).await.expect_success();
    for settings in [
        &[HOST, ("admin.key", "secret")][..],
        &[HOST, ("admin.key", "secret"), ("auth.mode", "required")],
        &[
            HOST,
            ("admin.key", "secret"),
            ("auth.mode", "open"),
            ("auth.open_beyond_loopback", "true"),
        ],
    ] {
        start(settings).await.expect_success();
    }
}

#[tokio::test]
async fn unknown_members_are_refused_in_logins_too() {
    let service = Service::start().await;
    let login = json!({ "email": "a@example.com", "password": "x", "remember": true });
    let refused = service.client.post("/auth/login", &login).await;
    refused.expect(400);
}
