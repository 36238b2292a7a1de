//! Traces of requests that share a batch.

use utsavam_tests::{Collector, Service, eventually};

#[tokio::test]
async fn a_batch_is_linked_to_every_request_whose_command_it_has() {
    let collector = Collector::start().await;
    let mut service = Service::builder()
        .await
        .setting("traces.endpoint", &collector.url())
        .setting("traces.sample_ratio", "1")
        .setting("metrics.port", "0")
        .start()
        .await;
    let client = service.client.clone();
    let user_id = client.register("alice@example.com").await;
    let event_id = client.publish(50).await;
    let holder = service.database.hold_event(event_id).await;
    let mut buyers = Vec::new();
    for waiting in 0..4 {
        let buyer = client.book(user_id, event_id, 1);
        buyers.push(tokio::spawn(buyer.into_future()));
        // The first one's batch has begun; the others wait for the next.
        eventually("it waits", async || {
            let shown = service.server.metrics().await;
            let in_queue = shown.sum("utsavam_queue_waiting_commands", &[("queue", "bookings")]);
            service.database.sessions_waiting().await == 1 && in_queue == f64::from(waiting)
        })
        .await;
    }
    holder.run("COMMIT").await;
    for buyer in buyers {
        buyer.await.expect("no panic").expect(201);
    }
    service.server.terminate().await;

    let spans = collector.spans();
    let requests = spans.iter().filter(|span| span.name == "POST /bookings");
    let mut requests: Vec<_> = requests.map(|span| span.place.clone()).collect();
    let batches = spans.iter().filter(|span| span.name == "batch bookings");
    let batches: Vec<_> = batches.collect();
    assert_eq!((requests.len(), batches.len()), (4, 2));
    let shared = batches.iter().find(|span| span.says("commands") == "3");
    let shared = shared.expect("the second batch");
    // Each of them in a trace of its own; the batch lies in that of its first command.
    assert_eq!(shared.links.len(), 3);
    let mut linked: Vec<_> = batches.iter().flat_map(|span| span.links.clone()).collect();
    linked.sort();
    requests.sort();
    assert_eq!(linked, requests);
    assert_eq!(shared.parent, shared.links[0].span);
    assert_eq!(shared.place.trace, shared.links[0].trace);
    let waits = spans.iter().filter(|span| span.name == "wait bookings");
    let to_shared = waits.filter(|span| span.links == std::slice::from_ref(&shared.place));
    assert_eq!(to_shared.count(), 3);
}

#[tokio::test]
async fn a_request_that_fails_is_marked() {
    let collector = Collector::start().await;
    let (builder, proxy) = Service::builder().await.database_over_a_line().await;
    let mut service = builder
        .setting("traces.endpoint", &collector.url())
        .setting("traces.sample_ratio", "1")
        .setting("database.acquire_timeout", "1s")
        .start()
        .await;
    let event_id = service.client.publish(5).await;
    proxy.cut();
    eventually("a booking finds no database", async || {
        service.client.book(1, event_id, 1).await.status == 503
    })
    .await;
    service.server.terminate().await;
    let spans = collector.spans();
    let failed = spans.iter().find(|span| span.is_error);
    let failed = failed.unwrap_or_else(|| panic!("no error: {spans:#?}"));
    assert_eq!(failed.name, "POST /bookings");
    assert_eq!(failed.says("error.type"), "503");
}
