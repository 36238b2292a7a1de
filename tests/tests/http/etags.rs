//! `GET /events/{id}` with validators: an unchanged event is not sent again.

use serde_json::json;
use utsavam_tests::{Answer, Call, Service};

fn etag(answer: &Answer) -> String {
    let etag = answer
        .header("etag")
        .unwrap_or_else(|| panic!("no ETag: {answer}"));
    assert!(
        etag.starts_with('"') && etag.ends_with('"') && etag.len() > 2,
        "{etag} is no strong ETag"
    );
    etag.to_owned()
}

fn assert_not_modified(answer: &Answer, expected: &str) {
    answer.expect(304);
    assert!(answer.body.is_empty(), "{answer}");
    assert_eq!(etag(answer), expected);
    assert_varies(answer);
}

fn assert_varies(answer: &Answer) {
    let vary = answer
        .header("vary")
        .unwrap_or_default()
        .to_ascii_lowercase();
    assert!(
        vary.split(',')
            .any(|field| field.trim() == "accept-encoding"),
        "{answer}"
    );
}

#[tokio::test]
async fn an_unchanged_event_is_not_sent_again() {
    let service = Service::start().await;
    let path = format!("/events/{}", service.client.publish(5).await);
    let get = || service.client.get(&path);

    let first = get().await;
    let tag = etag(first.expect(200));
    assert_varies(&first);

    for known in [
        tag.clone(),
        format!("W/{tag}"),
        format!("\"other\", {tag}"),
        format!("W/\"other\" , W/{tag},\"third\""),
        "*".to_owned(),
    ] {
        assert_not_modified(&get().header("If-None-Match", &known).await, &tag);
    }
    for other in ["\"other\"", "W/\"other\"", "\"\""] {
        let answer = get().header("If-None-Match", other).await;
        assert_eq!(answer.expect(200).body, first.body, "{other}");
    }
}

#[tokio::test]
async fn whatever_changes_in_the_body_changes_the_etag() {
    let service = Service::start().await;
    let client = &service.client;
    let user_id = client.register("alice@example.com").await;
    let event_id = client.publish(5).await;
    let path = format!("/events/{event_id}");
    let unchanged = client.get(&path).await;
    let mut seen = vec![etag(&unchanged)];

    let booking_id = client.booked(user_id, event_id, 1).await;
    let answer = client.get(&path).header("If-None-Match", &seen[0]).await;
    assert_eq!(answer.expect(200).json()["seats_available"], 4);
    seen.push(etag(&answer));

    for change in [
        json!({ "name": "Other" }),
        json!({ "venue": "Hall B" }),
        json!({ "start_at": "2099-06-02T18:00:00Z" }),
        json!({ "capacity": 6 }),
    ] {
        client.change(event_id, &change).await.expect(200);
        let tag = etag(client.get(&path).await.expect(200));
        assert!(!seen.contains(&tag), "{change} kept {tag}");
        seen.push(tag);
    }

    let original = json!({ "name": "Concert", "start_at": utsavam_tests::FUTURE, "capacity": 5 });
    client.change(event_id, &original).await.expect(200);
    client.cancel(booking_id).await.expect(200);
    let last = client.get(&path).await;
    // The venue stayed, so the first tag must not come back.
    assert_eq!(last.json()["venue"], "Hall B");
    assert!(!seen.contains(&etag(&last)));
}

#[tokio::test]
async fn each_content_coding_has_an_etag_of_its_own() {
    let service = Service::start().await;
    let path = format!("/events/{}", service.client.publish(5).await);
    let gzip = || -> Call { service.client.get(&path).header("Accept-Encoding", "gzip") };

    let plain = service.client.get(&path).await;
    assert_eq!(plain.expect(200).header("content-encoding"), None);
    let packed = gzip().await;
    assert_eq!(packed.expect(200).header("content-encoding"), Some("gzip"));
    assert_varies(&packed);
    assert_eq!(packed.body[..2], [0x1f, 0x8b], "the magic of RFC 1952");
    let (_, unpacked_length) = packed.body.split_at(packed.body.len() - 4);
    assert_eq!(unpacked_length, (plain.body.len() as u32).to_le_bytes());

    let (plain_tag, packed_tag) = (etag(&plain), etag(&packed));
    assert_ne!(plain_tag, packed_tag);
    assert_not_modified(
        &gzip().header("If-None-Match", &packed_tag).await,
        &packed_tag,
    );
}

#[tokio::test]
async fn a_client_that_refuses_gzip_gets_the_plain_event() {
    let service = Service::start().await;
    let path = format!("/events/{}", service.client.publish(5).await);
    let plain = service.client.get(&path).await;
    for accepted in ["identity", "gzip;q=0", "identity;q=1, gzip;q=0"] {
        let answer = service
            .client
            .get(&path)
            .header("Accept-Encoding", accepted)
            .await;
        assert_eq!(
            answer.expect(200).header("content-encoding"),
            None,
            "{accepted}"
        );
        assert_eq!(etag(&answer), etag(&plain), "{accepted}");
    }
}

#[tokio::test]
async fn a_deleted_or_unknown_event_is_not_found_whatever_the_client_knows() {
    let service = Service::start().await;
    let client = &service.client;
    let event_id = client.publish(5).await;
    let path = format!("/events/{event_id}");
    let tag = etag(&client.get(&path).await);
    client.delete_event(event_id).await.expect(204);
    for known in [tag.as_str(), "*"] {
        let answer = client.get(&path).header("If-None-Match", known).await;
        answer.problem(404, "event_not_found");
    }
}

#[tokio::test]
async fn a_mangled_if_none_match_is_no_match() {
    let service = Service::start().await;
    let path = format!("/events/{}", service.client.publish(5).await);
    for mangled in ["", "abc", "\"", "W/", ",,,", "\"a\" \"b\""] {
        let answer = service
            .client
            .get(&path)
            .header("If-None-Match", mangled)
            .await;
        answer.expect(200);
    }
}
