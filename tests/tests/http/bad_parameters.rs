//! Paths, queries and headers that no honest client sends. Each is refused
//! with a 4xx that names what is at fault.

use reqwest::Method;
use serde_json::json;
use utsavam_tests::Service;

/// What is no id of anything. Percent-encoded where a path demands it.
const NO_IDS: [&str; 12] = [
    "abc",
    "0",
    "-1",
    "9223372036854775808",
    "99999999999999999999999999",
    "1.5",
    "1e3",
    "0x10",
    "1%00",
    "%20",
    "null",
    "%F0%9F%8E%AB",
];

#[tokio::test]
async fn a_path_with_something_else_than_an_id_is_refused() {
    let service = Service::start().await;
    let before = service.figures().await;
    for id in NO_IDS {
        for (method, path, field) in [
            (Method::GET, format!("/events/{id}"), "event_id"),
            (Method::GET, format!("/bookings/{id}"), "booking_id"),
            (Method::DELETE, format!("/bookings/{id}"), "booking_id"),
            (Method::GET, format!("/users/{id}/bookings"), "user_id"),
            (Method::PUT, format!("/admin/events/{id}"), "event_id"),
            (Method::DELETE, format!("/admin/events/{id}"), "event_id"),
            (
                Method::GET,
                format!("/admin/events/{id}/bookings"),
                "event_id",
            ),
        ] {
            let mut call = service.client.call(method.clone(), &path).admin();
            if method == Method::PUT {
                call = call.json(&json!({ "capacity": 5 }));
            }
            call.await.refuses(field);
        }
    }
    assert_eq!(service.figures().await, before);
}

#[tokio::test]
async fn a_path_of_broken_utf_8_is_a_mistake_of_the_client() {
    let service = Service::start().await;
    for path in ["/events/%ff", "/bookings/%c0%80", "/%ff", "/events/%zz"] {
        let answer = service.client.get(path).await;
        assert!([400, 404].contains(&answer.status), "{answer}");
        let code = answer.json()["code"].clone();
        answer.problem(answer.status, code.as_str().unwrap_or_default());
    }
}

/// The lists, all of them with something in them.
async fn lists(service: &Service) -> [String; 5] {
    let client = &service.client;
    let user_id = client.register("alice@example.com").await;
    client.register("bob@example.com").await;
    let event_id = client.publish(5).await;
    client.publish(5).await;
    for _ in 0..2 {
        client.booked(user_id, event_id, 1).await;
    }
    [
        "/events".to_owned(),
        format!("/users/{user_id}/bookings"),
        "/admin/users".to_owned(),
        format!("/admin/events/{event_id}/bookings"),
        "/admin/analytics".to_owned(),
    ]
}

#[tokio::test]
async fn a_limit_outside_of_one_to_a_hundred_is_refused() {
    let service = Service::start().await;
    for list in lists(&service).await {
        for limit in [
            "-1",
            "0",
            "101",
            "abc",
            "1.5",
            "1e1",
            "2147483648",
            "9223372036854775808",
            "%00",
            "1%20",
        ] {
            let path = format!("{list}?limit={limit}");
            service.client.get(&path).admin().await.refuses("limit");
        }
        for limit in ["1", "100"] {
            let path = format!("{list}?limit={limit}");
            service.client.get(&path).admin().await.expect(200);
        }
    }
}

#[tokio::test]
async fn a_broken_cursor_is_refused() {
    let service = Service::start().await;
    let long = "A".repeat(4000);
    for list in lists(&service).await {
        for cursor in [
            "x",
            "garbage",
            "%00",
            "-1",
            "7",
            "AAAA",
            "%F0%9F%8E%AB",
            "eyJpZCI6MX0",
            "..%2F..%2Fetc",
            "'%20OR%201=1",
            &long,
        ] {
            let path = format!("{list}?cursor={cursor}");
            service.client.get(&path).admin().await.refuses("cursor");
        }
    }
}

#[tokio::test]
async fn a_cursor_of_another_list_is_refused() {
    let service = Service::start().await;
    let lists = lists(&service).await;
    let mut cursors = Vec::new();
    for list in &lists {
        let path = format!("{list}?limit=1");
        let answer = service.client.get(&path).admin().await;
        let next = answer.expect(200).next().expect("a second page");
        let cursor = next
            .split(['?', '&'])
            .find(|part| part.starts_with("cursor="))
            .unwrap_or_else(|| panic!("no cursor in {next}"))
            .to_owned();
        cursors.push(cursor);
    }
    for (here, list) in lists.iter().enumerate() {
        for (there, cursor) in cursors.iter().enumerate() {
            let path = format!("{list}?{cursor}");
            let answer = service.client.get(&path).admin().await;
            if here == there {
                answer.expect(200);
            } else {
                answer.refuses("cursor");
            }
        }
    }
}

#[tokio::test]
async fn a_mutilated_cursor_is_never_a_fault_of_ours() {
    let service = Service::start().await;
    for list in lists(&service).await {
        let path = format!("{list}?limit=1");
        let answer = service.client.get(&path).admin().await;
        let next = answer.expect(200).next().expect("a second page");
        let cursor = next.find("cursor=").expect("a cursor") + "cursor=".len();
        for at in cursor..next.len() {
            for replacement in ["", "A", "9", "z", "-", "%00"] {
                let mutilated = format!("{}{replacement}{}", &next[..at], &next[at + 1..]);
                let answer = service.client.get(&mutilated).admin().await;
                if answer.status != 200 {
                    assert_eq!(answer.status, 400, "{answer}");
                }
            }
        }
    }
}

#[tokio::test]
async fn what_is_no_boolean_is_refused() {
    let service = Service::start().await;
    for value in ["yes", "2", "TRUE", "tRue", "-1", "%00", "truefalse", "null"] {
        let path = format!("/events?upcoming_only={value}");
        service.client.get(&path).await.refuses("upcoming_only");
    }
}

#[tokio::test]
async fn unknown_query_parameters_are_refused_and_named() {
    let service = Service::start().await;
    for list in lists(&service).await {
        for (query, field) in [
            ("offset=3", "offset"),
            ("limit=1&page=2", "page"),
            ("Limit=1", "Limit"),
        ] {
            let path = format!("{list}?{query}");
            service.client.get(&path).admin().await.refuses(field);
        }
    }
    let answer = service
        .client
        .get("/admin/users?upcoming_only=true")
        .admin()
        .await;
    answer.refuses("upcoming_only");
}

#[tokio::test]
async fn a_parameter_that_comes_twice_is_refused() {
    let service = Service::start().await;
    for list in lists(&service).await {
        let path = format!("{list}?limit=1&limit=2");
        service.client.get(&path).admin().await.refuses("limit");
    }
}

#[tokio::test]
async fn an_admin_key_of_odd_bytes_is_just_a_wrong_one() {
    let service = Service::start().await;
    let long = vec![b'k'; 4000];
    for key in [&b"\xff\xfe"[..], "ключ".as_bytes(), &long] {
        let call = service.client.get("/admin/users");
        let answer = call.header("X-Admin-Key", key).await;
        answer.problem(401, "admin_key_required");
    }
}
