//! Idempotency keys of `POST /bookings`: where they may stand, what binds
//! them, and what a repetition answers.

use serde_json::{Value, json};
use utsavam_tests::{Answer, Call, PAST, Service};

/// Somebody who wants one of five seats.
struct Buyer {
    service: Service,
    user_id: i64,
    event_id: i64,
}

impl Buyer {
    async fn new() -> Self {
        let service = Service::builder()
            .await
            .without_reconciliation()
            .start()
            .await;
        let user_id = service.client.register("alice@example.com").await;
        let event_id = service.client.publish(5).await;
        Self {
            service,
            user_id,
            event_id,
        }
    }

    fn book(&self, seats: i64) -> Call {
        self.service.client.book(self.user_id, self.event_id, seats)
    }

    fn book_with_member(&self, key: &Value) -> Call {
        let booking = json!({
            "user_id": self.user_id, "event_id": self.event_id, "seats": 1, "idempotency_key": key,
        });
        self.service.client.post("/bookings", &booking)
    }

    /// Books one seat under the key `k` and returns the answer.
    async fn first(&self) -> Answer {
        let answer = self.book(1).header("Idempotency-Key", "k").await;
        assert_is_first(&answer);
        answer
    }

    /// Repeats [`Self::first`] and panics unless its answer comes again.
    async fn assert_replayed(&self, first: &Answer) {
        let again = self.book(1).header("Idempotency-Key", "k").await;
        assert_is_replay(&again, first);
    }

    async fn seats_available(&self) -> i64 {
        self.service.client.seats_available(self.event_id).await
    }
}

fn assert_is_first(answer: &Answer) {
    answer.expect(201);
    assert_eq!(answer.header("idempotency-replayed"), None, "{answer}");
}

fn assert_is_replay(answer: &Answer, first: &Answer) {
    answer.expect(201);
    assert_eq!(
        answer.header("idempotency-replayed"),
        Some("true"),
        "{answer}"
    );
    assert_eq!(answer.json(), first.json());
    assert_eq!(answer.header("location"), first.header("location"));
}

#[tokio::test]
async fn the_same_request_again_answers_the_first_booking() {
    let buyer = Buyer::new().await;
    let first = buyer.first().await;
    for _ in 0..3 {
        buyer.assert_replayed(&first).await;
    }
    assert_eq!(buyer.seats_available().await, 4);
    buyer.service.assert_gate_holds(buyer.event_id, 4).await;
}

#[tokio::test]
async fn header_quoted_header_and_member_are_the_same_key() {
    let buyer = Buyer::new().await;
    let first = buyer.first().await;
    let quoted = buyer.book(1).header("Idempotency-Key", "\"k\"").await;
    assert_is_replay(&quoted, &first);
    let member = buyer.book_with_member(&json!("k")).await;
    assert_is_replay(&member, &first);
    for header in ["k", "\"k\""] {
        let both = buyer
            .book_with_member(&json!("k"))
            .header("Idempotency-Key", header)
            .await;
        assert_is_replay(&both, &first);
    }
    assert_eq!(buyer.seats_available().await, 4);
}

#[tokio::test]
async fn a_quoted_key_may_hold_quotes_and_backslashes() {
    let buyer = Buyer::new().await;
    let first = buyer.book_with_member(&json!("a\"b\\c d")).await;
    assert_is_first(&first);
    let header = buyer
        .book(1)
        .header("Idempotency-Key", r#""a\"b\\c d""#)
        .await;
    assert_is_replay(&header, &first);
}

#[tokio::test]
async fn a_header_and_a_member_that_disagree_are_refused() {
    let buyer = Buyer::new().await;
    let answer = buyer
        .book_with_member(&json!("k"))
        .header("Idempotency-Key", "other")
        .await;
    let problem = answer.problem(400, "invalid_input");
    assert!(
        problem
            .fields()
            .iter()
            .any(|field| ["Idempotency-Key", "idempotency_key"].contains(field)),
        "{answer}"
    );
    assert_eq!(buyer.seats_available().await, 5);
}

#[tokio::test]
async fn a_member_that_is_null_is_no_key() {
    let buyer = Buyer::new().await;
    for _ in 0..2 {
        assert_is_first(&buyer.book_with_member(&Value::Null).await);
    }
    assert_eq!(buyer.seats_available().await, 3);

    let first = buyer.first().await;
    let header_decides = buyer
        .book_with_member(&Value::Null)
        .header("Idempotency-Key", "k")
        .await;
    assert_is_replay(&header_decides, &first);
}

#[tokio::test]
async fn one_seat_by_default_and_one_seat_by_request_are_the_same_request() {
    let buyer = Buyer::new().await;
    let first = buyer.first().await;
    let without_seats = json!({ "user_id": buyer.user_id, "event_id": buyer.event_id });
    let again = buyer
        .service
        .client
        .post("/bookings", &without_seats)
        .header("Idempotency-Key", "k")
        .await;
    assert_is_replay(&again, &first);
}

#[tokio::test]
async fn another_request_under_a_bound_key_is_refused() {
    let buyer = Buyer::new().await;
    let first = buyer.first().await;
    let other_event = buyer.service.client.publish(5).await;

    let more_seats = buyer.book(2).header("Idempotency-Key", "k").await;
    more_seats.problem(422, "idempotency_key_reused");
    let elsewhere = buyer
        .service
        .client
        .book(buyer.user_id, other_event, 1)
        .header("Idempotency-Key", "k")
        .await;
    elsewhere.problem(422, "idempotency_key_reused");

    assert_eq!(buyer.seats_available().await, 4);
    assert_eq!(buyer.service.client.seats_available(other_event).await, 5);
    buyer.service.assert_gate_holds(buyer.event_id, 4).await;
    buyer.service.assert_gate_holds(other_event, 5).await;
    buyer.assert_replayed(&first).await;
}

#[tokio::test]
async fn each_user_has_keys_of_their_own() {
    let buyer = Buyer::new().await;
    let first = buyer.first().await;
    let bob = buyer.service.client.register("bob@example.com").await;
    let other = buyer
        .service
        .client
        .book(bob, buyer.event_id, 2)
        .header("Idempotency-Key", "k")
        .await;
    assert_is_first(&other);
    assert_ne!(other.id("booking_id"), first.id("booking_id"));
    assert_eq!(buyer.seats_available().await, 2);
}

#[tokio::test]
async fn a_booking_is_replayed_after_the_event_sold_out() {
    let buyer = Buyer::new().await;
    let first = buyer.first().await;
    buyer.book(4).await.expect(201);
    buyer.book(1).await.problem(409, "not_enough_seats");
    buyer.assert_replayed(&first).await;
    assert_eq!(buyer.seats_available().await, 0);
}

#[tokio::test]
async fn a_booking_is_replayed_after_the_event_started() {
    let buyer = Buyer::new().await;
    let first = buyer.first().await;
    let start = json!({ "start_at": PAST });
    let change = buyer.service.client.change(buyer.event_id, &start).await;
    change.expect(200);
    buyer.book(1).await.problem(409, "event_started");
    buyer.assert_replayed(&first).await;
}

#[tokio::test]
async fn a_booking_is_replayed_after_the_event_was_deleted() {
    let buyer = Buyer::new().await;
    let first = buyer.first().await;
    let deletion = buyer.service.client.delete_event(buyer.event_id).await;
    deletion.expect(204);
    buyer.book(1).await.problem(404, "event_not_found");
    buyer.assert_replayed(&first).await;
}

#[tokio::test]
async fn a_booking_is_replayed_after_it_was_cancelled_and_books_nothing() {
    let buyer = Buyer::new().await;
    let first = buyer.first().await;
    let cancellation = buyer.service.client.cancel(first.id("booking_id")).await;
    cancellation.expect(200);
    buyer.assert_replayed(&first).await;
    assert_eq!(buyer.seats_available().await, 5);
    buyer.service.assert_gate_holds(buyer.event_id, 5).await;
}

#[tokio::test]
async fn a_refusal_leaves_the_key_free() {
    let buyer = Buyer::new().await;
    let client = &buyer.service.client;
    let with_key = |call: Call| call.header("Idempotency-Key", "k");

    let sold_out = with_key(buyer.book(6)).await;
    sold_out.problem(409, "not_enough_seats");
    let too_many = with_key(buyer.book(101)).await;
    too_many.refuses("seats");
    let no_event = with_key(client.book(buyer.user_id, 777, 1)).await;
    no_event.problem(404, "event_not_found");
    let over = json!({ "name": "Over", "start_at": PAST, "capacity": 5 });
    let over = client.publish_event(&over).await;
    let started = with_key(client.book(buyer.user_id, over, 1)).await;
    started.problem(409, "event_started");

    let first = buyer.first().await;
    buyer.assert_replayed(&first).await;
}

#[tokio::test]
async fn a_key_has_at_most_255_characters() {
    let buyer = Buyer::new().await;
    let longest = "k".repeat(255);
    let first = buyer.book(1).header("Idempotency-Key", &longest).await;
    assert_is_first(&first);
    let quoted = format!("\"{longest}\"");
    let again = buyer.book(1).header("Idempotency-Key", &quoted).await;
    assert_is_replay(&again, &first);
    let member = buyer.book_with_member(&json!(longest)).await;
    assert_is_replay(&member, &first);
    // Characters, not bytes.
    let script = buyer.book_with_member(&json!("ಉ".repeat(255))).await;
    assert_is_first(&script);

    let too_long = "k".repeat(256);
    let header = buyer.book(1).header("Idempotency-Key", &too_long).await;
    header.refuses("Idempotency-Key");
    let member = buyer.book_with_member(&json!(too_long)).await;
    member.refuses("idempotency_key");
    assert_eq!(buyer.seats_available().await, 3);
}

#[tokio::test]
async fn an_empty_key_is_refused() {
    let buyer = Buyer::new().await;
    for empty in ["", "\"\""] {
        let header = buyer.book(1).header("Idempotency-Key", empty).await;
        header.refuses("Idempotency-Key");
    }
    let member = buyer.book_with_member(&json!("")).await;
    member.refuses("idempotency_key");
    for wrong_type in [json!(7), json!(["k"]), json!({ "key": "k" }), json!(true)] {
        let member = buyer.book_with_member(&wrong_type).await;
        member.refuses("idempotency_key");
    }
    assert_eq!(buyer.seats_available().await, 5);
}

#[tokio::test]
async fn a_key_with_odd_bytes_is_taken_or_refused_but_never_a_fault_of_ours() {
    let buyer = Buyer::new().await;
    for odd in [
        &b"\xff\xfe"[..],
        "ключ".as_bytes(),
        b"\"open",
        b"open\"",
        b"a, b",
        b"\"a\", \"b\"",
        b"\"a\";p=1",
        b"?1",
        b"%00",
        b"' OR 1=1 --",
    ] {
        let answer = buyer.book(1).header("Idempotency-Key", odd).await;
        assert!(
            [201, 400, 409].contains(&answer.status),
            "{odd:?}: {answer}"
        );
        if answer.status == 400 {
            answer.refuses("Idempotency-Key");
        }
    }
    buyer
        .service
        .database
        .assert_seats_add_up(buyer.event_id)
        .await;
}
