//! Sales paused in one process, or by the command line, while others sell.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;
use utsavam_tests::{Client, Finished, Program, Service, TestDatabase, TestServer, eventually};

const SEATS: i64 = 1_000_000;

/// Buyers at each server.
const BUYERS: usize = 4;

async fn sales(database: &TestDatabase, arguments: &[&str]) -> Finished {
    let arguments = [&["sales"], arguments].concat();
    let program = Program::new(&arguments).env("DATABASE_URL", database.url());
    program.run().await
}

async fn post(client: &Client, path: &str) {
    let answer = client.post(path, &json!({})).admin().await;
    answer.expect(200);
}

/// Books until it was refused a few times because sales are paused. Nothing else is a
/// refusal, and nothing is booked once `paused` says that they are.
async fn buy(client: Client, user_id: i64, event_id: i64, paused: Arc<AtomicBool>) {
    let mut refusals = 0;
    while refusals < 5 {
        let was_paused = paused.load(Ordering::SeqCst);
        let answer = client.book(user_id, event_id, 1).await;
        if answer.status == 201 {
            assert!(!was_paused, "booked after the pause was answered");
        } else {
            answer.problem(409, "sales_paused");
            refusals += 1;
        }
    }
}

/// Has buyers at two servers, pauses, and fails if any seat is sold after that.
async fn pause_beside_buyers(service: &Service, other: &TestServer, pause: &Pause) -> i64 {
    let client = &service.client;
    let event_id = client.publish(SEATS).await;
    let user_id = client.register(&format!("u{event_id}@example.com")).await;
    let paused = Arc::new(AtomicBool::new(false));
    let buyers: Vec<_> = [client.clone(), other.client()]
        .into_iter()
        .flat_map(|client| vec![client; BUYERS])
        .map(|client| tokio::spawn(buy(client, user_id, event_id, Arc::clone(&paused))))
        .collect();
    eventually("somebody has booked", async || {
        client.seats_available(event_id).await < SEATS - 20
    })
    .await;
    match pause {
        Pause::Event => post(client, &format!("/admin/events/{event_id}/sales/pause")).await,
        Pause::All => post(client, "/admin/sales/pause").await,
        Pause::CommandLine => {
            let paused = sales(&service.database, &["pause", "--all"]).await;
            let paused = paused.expect_success();
            let sentence = "all sales are paused since ";
            assert!(paused.stdout.starts_with(sentence), "{paused}");
        }
    }
    paused.store(true, Ordering::SeqCst);
    let left = other.client().seats_available(event_id).await;
    for buyer in buyers {
        buyer.await.expect("no panic");
    }
    assert_eq!(client.seats_available(event_id).await, left);
    service.database.assert_seats_add_up(event_id).await;
    event_id
}

#[derive(Debug)]
enum Pause {
    Event,
    All,
    CommandLine,
}

#[tokio::test]
async fn a_pause_stops_every_process_from_its_answer_on_and_a_resumption_lets_them_go_on() {
    let service = Service::start().await;
    let other = service.another_server().await;
    let user_id = other.client().register("alice@example.com").await;
    let sells = other.client().publish(5).await;
    for pause in [Pause::Event, Pause::All, Pause::CommandLine] {
        let event_id = pause_beside_buyers(&service, &other, &pause).await;
        let answer = other.client().book(user_id, sells, 1).await;
        match pause {
            Pause::Event => {
                answer.expect(201);
                let resume = format!("/admin/events/{event_id}/sales/resume");
                post(&other.client(), &resume).await;
            }
            Pause::All => {
                answer.problem(409, "sales_paused");
                post(&other.client(), "/admin/sales/resume").await;
            }
            Pause::CommandLine => {
                answer.problem(409, "sales_paused");
                let resumed = sales(&service.database, &["resume", "--all"]).await;
                let resumed = resumed.expect_success();
                assert_eq!(resumed.stdout, "nothing is paused\n", "{pause:?}");
            }
        }
        for client in [&service.client, &other.client()] {
            client.booked(user_id, event_id, 1).await;
        }
    }
}

#[tokio::test]
async fn the_command_line_pauses_resumes_and_tells() {
    let service = Service::start().await;
    let client = &service.client;
    let user_id = client.register("alice@example.com").await;
    let event_id = client.publish(5).await;
    let id = event_id.to_string();
    let run = async |arguments: &[&str]| sales(&service.database, arguments).await;
    let nothing = run(&["status"]).await.expect_success();
    assert_eq!(nothing.stdout, "nothing is paused\n");

    let first = run(&["pause", &id]).await.expect_success();
    let sentence = format!("sales of event {id} are paused since 20");
    assert!(first.stdout.starts_with(&sentence), "{first}");
    let again = run(&["pause", &id]).await.expect_success();
    assert_eq!(again.stdout, first.stdout);
    let refused = client.book(user_id, event_id, 1).await;
    refused.problem(409, "sales_paused");

    run(&["pause", "--all"]).await.expect_success();
    // What is still paused is told to whoever resumes something.
    for arguments in [
        &["status"][..],
        &["resume", &client.publish(1).await.to_string()],
    ] {
        let told = run(arguments).await.expect_success();
        let lines: Vec<_> = told.stdout.lines().collect();
        assert_eq!(lines.len(), 2, "{told}");
        assert!(
            lines[0].starts_with("all sales are paused since 20"),
            "{told}"
        );
        let sentence = format!("sales of event {id} (Concert) are paused since 20");
        assert!(lines[1].starts_with(&sentence), "{told}");
    }
    run(&["resume", "--all"]).await.expect_success();
    let resumed = run(&["resume", &id]).await.expect_success();
    assert_eq!(resumed.stdout, "nothing is paused\n");
    client.booked(user_id, event_id, 1).await;

    let entries = client.entries("/admin/audit").await;
    let by_us: Vec<_> = entries
        .iter()
        .filter(|entry| entry["actor"] == "system")
        .map(|entry| entry["action"].as_str().expect("an action"))
        .collect();
    assert_eq!(
        by_us,
        [
            "resume_event",
            "resume_all_sales",
            "resume_event",
            "pause_all_sales",
            "pause_event",
            "pause_event"
        ]
    );
}

#[tokio::test]
async fn the_command_line_says_what_it_does_not_do() {
    let database = TestDatabase::migrated().await;
    for verb in ["pause", "resume"] {
        let sentence = sales(&database, &[verb, "777"]).await.expect_failure();
        assert!(sentence.contains("event 777 not found"), "{sentence}");
        for arguments in [
            &[verb][..],
            &[verb, "1", "--all"],
            &[verb, "0"],
            &[verb, "x"],
        ] {
            sales(&database, arguments).await.expect_code(2);
        }
    }
    let unmigrated = TestDatabase::empty().await;
    let sentence = sales(&unmigrated, &["status"]).await.expect_failure();
    assert!(sentence.contains("utsavam migrate"), "{sentence}");
}

#[tokio::test]
async fn sales_of_the_embedded_store_are_paused_by_its_server_or_when_there_is_none() {
    let database = TestDatabase::embedded();
    let sentence = sales(&database, &["status"]).await.expect_failure();
    assert!(sentence.contains("there is no database"), "{sentence}");

    let start = || {
        TestServer::builder(database.url())
            .without("REDIS_URL")
            .start()
    };
    let mut server = start().await;
    let user_id = server.client().register("alice@example.com").await;
    let event_id = server.client().publish(5).await;
    let sentence = sales(&database, &["pause", "--all"]).await.expect_failure();
    for words in ["in use by another server", "POST /admin/sales/pause"] {
        assert!(sentence.contains(words), "{sentence}");
    }
    server.client().booked(user_id, event_id, 1).await;
    server.terminate().await;

    sales(&database, &["pause", "--all"]).await.expect_success();
    let server = start().await;
    let refused = server.client().book(user_id, event_id, 1).await;
    refused.problem(409, "sales_paused");
    post(&server.client(), "/admin/sales/resume").await;
    server.client().booked(user_id, event_id, 1).await;
}
