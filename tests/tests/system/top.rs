//! `utsavam top`: what it shows of servers, to scripts and on a terminal.

use std::time::Duration;

use serde_json::json;
use utsavam_tests::{Finished, Program, Service, ServiceBuilder, TestServer, eventually};

async fn measured() -> ServiceBuilder {
    let builder = Service::builder().await.setting("metrics.port", "0");
    builder.without_reconciliation()
}

async fn url(server: &TestServer) -> String {
    format!("http://{}/metrics", server.metrics_address().await)
}

async fn once(urls: &[&str]) -> Finished {
    let arguments = [&["top", "--once", "--interval", "0.2"][..], urls].concat();
    Program::new(&arguments).run().await
}

/// The words of the line that begins with this one.
fn words<'v>(view: &'v str, first: &str) -> Vec<&'v str> {
    let mut lines = view.lines().map(|line| line.split_whitespace().collect());
    let line = lines.find(|words: &Vec<_>| words.first() == Some(&first));
    line.unwrap_or_else(|| panic!("no line of {first} in\n{view}"))
}

#[tokio::test]
async fn a_script_sees_what_a_server_sells_and_what_it_stands_on() {
    let service = measured().await.start().await;
    let client = &service.client;
    let user_id = client.register("asha@example.com").await;
    let event_id = client.publish(5).await;
    client.booked(user_id, event_id, 3).await;
    let second = client.booked(user_id, event_id, 1).await;
    let refused = client.book(user_id, event_id, 2).await;
    refused.problem(409, "not_enough_seats");

    let url = url(&service.server).await;
    let view = once(&[&url]).await.expect_success().stdout;
    let title = view.lines().next().unwrap_or_default();
    let place = url.trim_start_matches("http://");
    let place = place.trim_end_matches("/metrics");
    let begins = format!("utsavam {} at {place}, up ", env!("CARGO_PKG_VERSION"));
    assert!(title.starts_with(&begins), "{title}");
    assert!(
        words(&view, "bookings").ends_with(&["start:", "bookings", "2,", "seats", "4"]),
        "{view}"
    );
    let event = event_id.to_string();
    let row = words(&view, &event);
    assert_eq!((row[1], row[2], row[5]), ("1", "5", "Concert"), "{view}");
    assert_eq!(words(&view, "database")[1..3], ["PostgreSQL", "up"]);
    assert_eq!(words(&view, "redis")[1..], ["Redis", "up"]);
    assert_eq!(words(&view, "sales")[1..], ["nothing", "paused"]);

    // What was cancelled is left again. An output that is no terminal is a script's, and
    // where no server is named the settings name it.
    let pause = format!("/admin/events/{event_id}/sales/pause");
    client.post(&pause, &json!({})).admin().await.expect(200);
    client.cancel(second).await.expect(200);
    let (_, port) = place.rsplit_once(':').expect("a port");
    let program = Program::new(&["top"]).setting("metrics.port", port);
    let view = program.run().await.expect_success().stdout;
    let row = words(&view, &event);
    assert_eq!((row[1], row[2]), ("2", "5"), "{view}");
    assert_eq!(row[5..], ["Concert", "(paused)"], "{view}");
    assert_eq!(words(&view, "sales")[1..], ["paused", "events:", &event]);
}

#[tokio::test]
async fn rates_and_latency_are_those_of_what_is_sold_meanwhile() {
    let service = measured().await.start().await;
    let client = &service.client;
    let user_id = client.register("asha@example.com").await;
    let event_id = client.publish(1_000_000).await;
    let url = url(&service.server).await;
    let buying = async {
        loop {
            client.booked(user_id, event_id, 1).await;
        }
    };
    // Long enough for some to be sold on a machine that is busy with other tests.
    let looking = Program::new(&["top", "--once", "--interval", "3", &url]);
    let view = tokio::select! {
        () = buying => unreachable!("nobody ends it"),
        finished = looking.run() => finished.expect_success().stdout,
    };
    for (line, index) in [("bookings", 2), ("requests", 2), ("batches", 4)] {
        let rate = words(&view, line)[index].trim_end_matches("/s");
        let rate: f64 = rate.replace(',', "").parse().expect("a number");
        assert!(rate > 0.0, "{view}");
    }
    assert_ne!(words(&view, "latency")[2], "-", "{view}");
    let event = event_id.to_string();
    let booked: f64 = words(&view, &event)[3]
        .replace(',', "")
        .parse()
        .expect("a number");
    assert!(booked > 0.0, "{view}");
}

#[tokio::test]
async fn servers_of_one_database_are_summed_and_one_that_is_lost_is_told() {
    let service = measured().await.start().await;
    let client = &service.client;
    let mut other = TestServer::builder(service.database.url())
        .redis(service.redis().url())
        .setting("metrics.port", "0")
        .start()
        .await;
    let user_id = client.register("asha@example.com").await;
    let event_id = client.publish(10).await;
    client.booked(user_id, event_id, 2).await;
    other.client().booked(user_id, event_id, 3).await;
    let urls = [url(&service.server).await, url(&other).await];
    let urls = [urls[0].as_str(), urls[1].as_str()];
    let view = once(&urls).await.expect_success().stdout;
    assert!(view.contains(" at 2 of 2 servers, up "), "{view}");
    assert!(
        view.contains("since the start: bookings 2, seats 5"),
        "{view}"
    );
    let event = event_id.to_string();
    assert_eq!(
        words(&view, &event)[1],
        "5",
        "as the last batch knew it: {view}"
    );

    other.kill();
    let finished = once(&urls).await;
    let trouble = finished.expect_failure();
    assert!(trouble.contains("no answer from "), "{trouble}");
    let view = finished.expect_code(1).stdout;
    assert!(view.contains(" at 1 of 2 servers, up "), "{view}");
    assert_eq!(words(&view, &event)[2], "10", "of the other one: {view}");
}

#[tokio::test]
async fn a_script_fails_where_there_is_nothing_to_see() {
    let service = measured().await.start().await;
    let lost = once(&["http://127.0.0.1:1/metrics"]).await;
    assert!(
        lost.expect_failure()
            .contains("no answer from 127.0.0.1:1: ")
    );
    assert_eq!(lost.expect_code(1).stdout, "");
    let other = once(&[&format!("http://{}", service.address())]).await;
    let trouble = other.expect_failure();
    assert!(trouble.contains("404"), "{trouble}");
    let nowhere = once(&[]).await.expect_failure();
    assert!(nowhere.contains("metrics.port"), "{nowhere}");
}

#[cfg(target_os = "linux")]
mod on_a_terminal {
    use utsavam_tests::Terminal;

    use super::*;

    /// Takes the screen of its own that a view is shown on, and gives it back.
    const TAKES: &str = "\u{1b}[?1049h";
    const GIVES_BACK: &str = "\u{1b}[?1049l";
    const SHOWS_CURSOR: &str = "\u{1b}[?25h";

    async fn assert_ends(mut view: tokio::process::Child, terminal: &Terminal) {
        let ended = tokio::time::timeout(Duration::from_secs(30), view.wait()).await;
        let ended = ended.expect("it ends").expect("a child");
        let written = terminal.written();
        assert_eq!(ended.code(), Some(0), "{written}");
        eventually("the screen is given back", async || {
            let written = terminal.written();
            let last = |what: &str| written.rfind(what);
            last(GIVES_BACK) > last(TAKES) && last(SHOWS_CURSOR) > last(TAKES)
        })
        .await;
    }

    #[tokio::test]
    async fn the_view_ends_when_it_is_told_to_and_leaves_the_terminal_as_it_was() {
        let service = measured().await.start().await;
        let client = &service.client;
        let user_id = client.register("asha@example.com").await;
        let event_id = client.publish(5).await;
        client.booked(user_id, event_id, 3).await;
        let url = url(&service.server).await;
        for key in [Some("q"), Some("\u{1b}"), Some("\u{3}"), None] {
            let mut terminal = Terminal::new();
            let before = terminal.modes();
            let view = Program::new(&["top", &url]).start_on(&terminal);
            eventually("the event is shown", async || {
                terminal.written().contains("Concert")
            })
            .await;
            assert_ne!(terminal.modes(), before, "keys come one by one");
            match key {
                Some(key) => terminal.press(key),
                None => terminate(&view),
            }
            assert_ends(view, &terminal).await;
            assert_eq!(terminal.modes(), before, "{key:?}");
        }
    }

    /// Whoever looks at servers waits: for one that says nothing, then for the next reading.
    #[tokio::test]
    async fn a_key_is_answered_whatever_servers_do() {
        let silent = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let address = silent.local_addr().expect("bound");
        let mut terminal = Terminal::new();
        let program = Program::new(&["top", "--interval", "3600", &address.to_string()]);
        let view = program.start_on(&terminal);
        eventually("the server is missed", async || {
            terminal.written().contains("answer")
        })
        .await;
        // The first of them says nothing to the view.
        terminal.press("xq");
        assert_ends(view, &terminal).await;
    }

    fn terminate(view: &tokio::process::Child) {
        let pid = view.id().expect("it runs").to_string();
        let signal = std::process::Command::new("kill").arg(pid).status();
        assert!(signal.expect("there is a kill command").success());
    }

    #[tokio::test]
    async fn a_server_that_is_lost_is_told_and_found_again() {
        let mut service = measured().await.start().await;
        let address = service.server.metrics_address().await;
        let url = url(&service.server).await;
        let mut terminal = Terminal::new();
        let program = Program::new(&["top", "--interval", "0.2", &url]);
        let view = program.start_on(&terminal);
        eventually("the server is shown", async || {
            terminal.written().contains("PostgreSQL")
        })
        .await;
        service.server.kill();
        eventually("the server is missed", async || {
            terminal.written().contains("refused") && terminal.written().contains("answer")
        })
        .await;
        let seen = terminal.written().len();
        let again = TestServer::builder(service.database.url())
            .redis(service.redis().url())
            .setting("metrics.port", &address.port().to_string())
            .start()
            .await;
        assert_eq!(again.metrics_address().await, address);
        eventually("the server is shown again", async || {
            terminal.written()[seen..].contains("PostgreSQL")
        })
        .await;
        terminal.press("q");
        assert_ends(view, &terminal).await;
    }
}
