//! A server that is there and says nothing: nobody waits for it to the end of their
//! patience, and nothing that led to it is used again.

use std::time::Duration;

use domain::model::Booked;
use domain::ports::{BookError, BookingStore, StoreError};

use crate::line::Line;
use crate::shop::{Shop, all, command};

/// What the server may take to answer a question that it need not think about. All other
/// limits are far above.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(1);

/// Far above what it takes to find out that the server is lost, far below all other limits.
const SOON: Duration = Duration::from_secs(20);

/// Sessions that look as good as new ones, as nobody uses them when they fall silent.
const IDLE: i64 = 3;

async fn shop_on_a_line(answer_timeout: Duration) -> (Shop, Line) {
    let mut line = None;
    let shop = Shop::open_with(IDLE, 50, |settings| {
        settings.answer_timeout = answer_timeout;
        line = Some(Line::before(settings));
    })
    .await;
    (shop, line.expect("it was led over a line"))
}

impl Shop {
    async fn book_soon(&self) -> Result<Booked, BookError> {
        let booked = tokio::time::timeout(SOON, self.store.book(command(1, 1)));
        booked.await.expect("an answer, whatever it is")
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_that_nobody_used_when_the_server_was_lost_are_not_used_again() {
    let (shop, line) = shop_on_a_line(ANSWER_TIMEOUT).await;
    // All at work at the same time, for there to be so many.
    let holder = shop.hold_totals().await;
    let mut booked = Vec::new();
    for number in 1..=IDLE {
        booked.push(shop.book(command(number, number)));
        shop.until_waiting(number).await;
    }
    holder.batch_execute("COMMIT").await.expect("let go");
    for booked in all(booked).await {
        booked.expect("booked");
    }
    line.hush();
    let mut answers = Vec::new();
    while !matches!(answers.last(), Some(Ok(_))) {
        answers.push(shop.book_soon().await);
        if let Some(Err(error)) = answers.last() {
            let lost = matches!(error, BookError::Store(StoreError::Unavailable(_)));
            assert!(lost, "{error:?}");
        }
    }
    for _ in 0..IDLE {
        shop.book_soon().await.expect("the server is back");
    }
    shop.assert_sums_agree().await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_lets_everybody_in_and_says_nothing_is_lost() {
    let (shop, line) = shop_on_a_line(ANSWER_TIMEOUT).await;
    shop.book_soon().await.expect("booked");
    line.ignore_newcomers();
    line.cut();
    let answer = shop.book_soon().await;
    let lost = matches!(answer, Err(BookError::Store(StoreError::Unavailable(_))));
    assert!(lost, "{answer:?}");
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_silent_session_is_not_taken_for_a_lost_server_while_others_go_on() {
    // Long enough for a busy machine to serve somebody in half of it.
    let (shop, line) = shop_on_a_line(4 * ANSWER_TIMEOUT).await;
    shop.book_soon().await.expect("booked");
    // The one that asks whether the server is there, after it was once more.
    line.hush_after("SELECT 1", 1);
    // The silent one, and another in its place.
    let askers = "SELECT count(*) FROM pg_stat_activity
                  WHERE datname = current_database() AND query = 'SELECT 1'";
    while shop.number(askers).await < 2 {
        let booked = shop.book_soon().await.expect("the server is there");
        let cancelled = shop.store.cancel(booked.booking_id).await;
        cancelled.expect("the server is there");
    }
    assert_eq!(line.hushed(), 1);
    shop.assert_sums_agree().await;
    shop.close().await;
}
