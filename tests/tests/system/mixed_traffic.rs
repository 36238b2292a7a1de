//! Everything at once from many clients, by a seeded choice, and afterwards
//! the books must balance.

use std::sync::{Arc, Mutex};

use futures::future::join_all;
use serde_json::{Value, json};
use utsavam_tests::{Answer, Client, Service, eventually};

const CLIENTS: u64 = 12;
const STEPS: usize = 30;

/// A small generator (SplitMix64, Steele, Lea and Flood 2014): the same seed
/// makes the same choices.
struct Choices(u64);

impl Choices {
    fn next(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % below
    }
}

/// What all clients know of.
struct Market {
    user_id: i64,
    events: Vec<i64>,
    bookings: Mutex<Vec<i64>>,
}

impl Market {
    fn any_event(&self, choices: &mut Choices) -> i64 {
        self.events[choices.next(self.events.len() as u64) as usize]
    }

    fn any_booking(&self, choices: &mut Choices) -> Option<i64> {
        let bookings = self.bookings.lock().expect("nobody panicked");
        let count = bookings.len() as u64;
        (count > 0).then(|| bookings[choices.next(count) as usize])
    }
}

async fn step(client: &Client, market: &Market, choices: &mut Choices) {
    let event_id = market.any_event(choices);
    let seats = 1 + choices.next(3) as i64;
    let answer = match choices.next(10) {
        0..5 => book(market, client.book(market.user_id, event_id, seats)).await,
        5 => {
            let key = format!("key-{}", choices.next(5));
            let call = client.book(market.user_id, event_id, seats);
            book(market, call.header("Idempotency-Key", key)).await
        }
        6..8 => match market.any_booking(choices) {
            Some(booking_id) => client.cancel(booking_id).await,
            None => return,
        },
        8 => {
            let resize = json!({ "capacity": 5 + choices.next(30) });
            client.change(event_id, &resize).await
        }
        _ => client.get(&format!("/events/{event_id}")).await,
    };
    assert!(
        [200, 201, 400, 404, 409, 422].contains(&answer.status),
        "{answer}"
    );
}

async fn book(market: &Market, call: utsavam_tests::Call) -> Answer {
    let answer = call.await;
    if answer.status == 201 {
        let mut bookings = market.bookings.lock().expect("nobody panicked");
        bookings.push(answer.id("booking_id"));
    }
    answer
}

#[tokio::test]
async fn after_mixed_traffic_on_two_servers_the_books_balance() {
    let service = Service::start().await;
    let other = service.another_server().await;
    let clients = [service.client.clone(), other.client()];
    let user_id = clients[0].register("alice@example.com").await;
    let mut events = Vec::new();
    for capacity in [10, 20, 30, 15] {
        events.push(clients[0].publish(capacity).await);
    }
    let deleted = events[3];
    let market = Arc::new(Market {
        user_id,
        events: events.clone(),
        bookings: Mutex::new(Vec::new()),
    });

    join_all((0..CLIENTS).map(|number| {
        let market = Arc::clone(&market);
        let client = clients[number as usize % clients.len()].clone();
        async move {
            let mut choices = Choices(number);
            for turn in 0..STEPS {
                step(&client, &market, &mut choices).await;
                if number == 0 && turn == STEPS / 2 {
                    client.delete_event(deleted).await.expect(204);
                }
            }
        }
    }))
    .await;

    for &event_id in &events[..3] {
        assert_balanced(&service, event_id).await;
    }
    let booked = format!("/admin/events/{deleted}/bookings");
    let booked = clients[0].entries(&booked).await;
    assert!(
        booked
            .iter()
            .all(|booking| booking["status"] == "CANCELLED")
    );
    eventually("nothing is left of the deleted event's gate", async || {
        service.redis().tokens(deleted).await.is_none()
    })
    .await;
    let report = clients[0].get("/admin/analytics").admin().await.json();
    let sum: i64 = report["events"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|event| {
            event["total_confirmed_bookings"]
                .as_i64()
                .expect("a number")
        })
        .sum();
    assert_eq!(report["total_confirmed_bookings"], sum);
}

/// Table, API, admin's list, analytics and gate tell the same.
async fn assert_balanced(service: &Service, event_id: i64) {
    let client = &service.client;
    service.database.assert_seats_add_up(event_id).await;
    let event = client.event(event_id).await;
    let left = event["seats_available"].as_i64().expect("a number");
    let capacity = event["capacity"].as_i64().expect("a number");

    let path = format!("/admin/events/{event_id}/bookings?limit=100");
    let confirmed: Vec<Value> = client
        .entries(&path)
        .await
        .into_iter()
        .filter(|booking| booking["status"] == "CONFIRMED")
        .collect();
    let seats: i64 = confirmed
        .iter()
        .map(|booking| booking["seats"].as_i64().expect("a number"))
        .sum();
    assert_eq!(seats, capacity - left, "event {event_id}");

    let report = client.get("/admin/analytics").admin().await.json();
    let sales = report["events"]
        .as_array()
        .expect("a list")
        .iter()
        .find(|sales| sales["event_id"] == event_id)
        .expect("a line per event");
    assert_eq!(sales["total_confirmed_bookings"], confirmed.len());
    assert_eq!(sales["confirmed_seats"], seats);

    eventually("the gate agrees", async || {
        service.redis().tokens(event_id).await == Some(left.to_string())
    })
    .await;
}
