//! Moving up: what people and services log in with, and who did what.

use serde_json::{Value, json};
use utsavam_tests::{PASSWORD, Service, TestDatabase};

use crate::archive::{digests, export, folder, program};

#[tokio::test]
async fn people_and_services_go_on_with_what_they_had_and_log_in_anew() {
    let one = Service::start().await;
    let client = &one.client;
    let alice = client.signed_up("alice@example.com").await;
    let bob = client.signed_up("bob@example.com").await;
    let carol = client.signed_up("carol@example.com").await;
    let event = client.publish(9).await;
    let booking = client.booked(carol.id, event, 4).await;
    let (key_id, key) = client.api_key(&["users:read"]).await;
    let suspend = format!("/admin/users/{}/suspend", bob.id);
    client.post(&suspend, &json!({})).admin().await.expect(200);
    let erase = client.delete(&format!("/admin/users/{}", carol.id));
    erase.admin().await.expect(204);
    let audit = client.entries("/admin/audit").await;

    let folder = folder();
    let file = folder.path().join("shop.jsonl");
    export(&one.database, &file).await;
    let other = TestDatabase::empty().await;
    let file = file.to_str().expect("UTF-8");
    let imported = program(&["import", file], &other).run().await;
    imported.expect_success();

    let other = Service::on(other).await.start().await;
    let client = &other.client;
    let me = client.get("/users/me").bearer(&alice.access_token).await;
    me.expect(401);
    let refresh = json!({ "refresh_token": alice.refresh_token });
    client.post("/auth/refresh", &refresh).await.expect(401);
    client
        .login("alice@example.com", "a wrong one")
        .await
        .expect(401);
    let session = client.login("alice@example.com", PASSWORD).await;
    assert_eq!(session.expect(200).json()["user_id"], alice.id);
    client.login("bob@example.com", PASSWORD).await.expect(403);
    client
        .login("carol@example.com", PASSWORD)
        .await
        .expect(401);
    let path = format!("/admin/users/{}", alice.id);
    let seen = client.get(&path).api_key(&key).await;
    assert_eq!(seen.expect(200).json()["email"], "alice@example.com");

    // Her address is anybody's, and her booking is still that of who she was.
    let another = client.register("carol@example.com").await;
    assert_eq!(another, carol.id + 1);
    let seen = client.get(&format!("/bookings/{booking}")).await;
    let seen = seen.expect(200).json();
    assert_eq!(seen["user_id"], carol.id);
    assert_eq!(seen["status"], "CANCELLED");

    let (next, _) = client.api_key(&["users:read"]).await;
    assert_eq!(next, key_id + 1);
    let moved = client.entries("/admin/audit").await;
    assert!(moved.ends_with(&audit), "{moved:?}");
    assert_eq!(moved[0]["action"], "create_api_key", "the log goes on");
    assert_eq!(moved[0]["object"], format!("api_key:{next}"));
    let ids: Vec<_> = moved
        .iter()
        .filter_map(|entry| entry["id"].as_i64())
        .collect();
    assert!(ids.is_sorted_by(|one, other| one > other), "{ids:?}");
}

const VERSION_1: &str = r#"{"utsavam_archive":1,"created_at":"2026-11-22T18:00:00.000000Z"}
{"kind":"user","id":1,"email":"alice@example.com","name":"Alice","created_at":"2026-11-22T18:00:00.000000Z"}
{"kind":"event","id":7,"name":"Concert","venue":null,"start_at":"2099-01-01T18:00:00.000000Z","capacity":10,"seats_available":8,"version":1,"created_at":"2026-11-22T18:00:00.000000Z","updated_at":"2026-11-22T18:00:00.000000Z","deleted_at":null}
{"kind":"booking","id":3,"user_id":1,"event_id":7,"seats":2,"status":"CONFIRMED","created_at":"2026-11-22T18:00:00.000000Z","updated_at":"2026-11-22T18:00:00.000000Z"}
{"kind":"key","user_id":1,"key":"k","booking_id":3,"event_id":7,"seats":2,"created_at":"2026-11-22T18:00:00.000000Z"}
{"kind":"end","users":1,"events":1,"bookings":1,"keys":1}
"#;

#[tokio::test]
async fn an_archive_of_the_version_before_is_taken_over_and_goes_on_as_a_new_one() {
    let folder = folder();
    let file = folder.path().join("shop.jsonl");
    std::fs::write(&file, VERSION_1).expect("room");
    let one = TestDatabase::empty().await;
    let file = file.to_str().expect("UTF-8");
    let imported = program(&["import", file], &one).run().await;
    let imported = imported.expect_success();
    let counts = "1 users, 1 events, 1 bookings, 1 idempotency keys, 0 API keys, 0 audit entries";
    assert!(imported.stderr.contains(counts), "{imported}");
    one.assert_seats_add_up(7).await;
    let sql = one.sql().await;
    let user = "SELECT email, password_hash, suspended_at, erased_at FROM users";
    let nulls = ["alice@example.com", "NULL", "NULL", "NULL"];
    assert_eq!(sql.rows(user).await, [nulls]);

    let exported = program(&["export"], &one).run().await.expect_success();
    let header: Value = exported
        .stdout
        .lines()
        .next()
        .map(|line| serde_json::from_str(line).expect("a header"))
        .expect("a line");
    assert_eq!(header["utsavam_archive"], 3);
    let file = folder.path().join("new.jsonl");
    std::fs::write(&file, &exported.stdout).expect("room");
    let other = TestDatabase::empty().await;
    let file = file.to_str().expect("UTF-8");
    let imported = program(&["import", file], &other).run().await;
    imported.expect_success();
    assert_eq!(digests(&other.sql().await).await, digests(&sql).await);
}
