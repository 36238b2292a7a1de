//! `kill -9` of a server on the embedded store in the middle of a burst, again
//! and again on the same file. A ledger keeps every answer; after each start
//! the file and the interface must say what the ledger says.
//!
//! `UTSAVAM_KILL_ROUNDS` says how often (8), `UTSAVAM_KILL_SEED` repeats what
//! the buyers want and when the server is killed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use fastrand::Rng;
use futures::future::join_all;
use serde_json::json;
use utsavam_tests::{Answer, Client, Sql, TestDatabase, TestServer};

const BUYERS: usize = 24;

/// Seats of the event that is on sale in every round.
const LARGE: i64 = 1_000_000;

/// Seats of the events that come anew in every round and sell out.
const SMALL: [i64; 2] = [12, 60];

/// When no other round begins, unless somebody said how many there are to be.
const LONG_ENOUGH: Duration = Duration::from_secs(45);

/// How many tries at the interface are under way at once while it is checked.
const CHECKS_AT_ONCE: usize = 16;

#[derive(Debug, Clone, PartialEq, Eq)]
struct Wish {
    event_id: i64,
    seats: i64,
    key: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Confirmed,
    /// A cancellation was sent and never answered.
    PerhapsCancelled,
    Cancelled,
}

#[derive(Debug)]
struct Known {
    wish: Wish,
    state: State,
    /// In which round it was made or cancelled.
    round: usize,
}

/// Sends one request after the other, so that at most one has no answer when
/// the server is killed.
struct Buyer {
    number: usize,
    client: Client,
    user_id: i64,
    rng: Rng,
    /// Every booking that was answered, or found to be made by an unanswered
    /// request.
    bookings: BTreeMap<i64, Known>,
    /// The booking that was asked for and never answered.
    unanswered: Option<Wish>,
    keys: usize,
    answers: usize,
}

/// What the buyers of one round have in common.
struct Burst {
    round: usize,
    events: Vec<i64>,
    /// Set before the server is killed: from then on no answer is no fault.
    is_killed: AtomicBool,
    answers: AtomicUsize,
}

impl Buyer {
    /// Books and cancels until no answer comes.
    async fn buy(mut self, burst: Arc<Burst>) -> Self {
        loop {
            let candidates: Vec<i64> = self
                .bookings
                .iter()
                .filter(|(_, known)| known.state == State::Confirmed)
                .map(|(&id, _)| id)
                .collect();
            let is_answered = if !candidates.is_empty() && self.rng.f64() < 0.3 {
                let booking_id = candidates[self.rng.usize(..candidates.len())];
                self.cancel(booking_id, burst.round).await
            } else {
                let wish = self.wish(&burst);
                self.book(wish, burst.round).await
            };
            if !is_answered {
                assert!(
                    burst.is_killed.load(Ordering::SeqCst),
                    "no answer before the server was killed"
                );
                return self;
            }
            self.answers += 1;
            burst.answers.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn wish(&mut self, burst: &Burst) -> Wish {
        let repeated = self
            .bookings
            .values()
            .filter(|known| known.round == burst.round && known.wish.key.is_some());
        let repeated: Vec<_> = repeated.map(|known| known.wish.clone()).collect();
        if !repeated.is_empty() && self.rng.f64() < 0.1 {
            return repeated[self.rng.usize(..repeated.len())].clone();
        }
        let key = self.rng.bool().then(|| {
            self.keys += 1;
            format!("buyer {} wish {}", self.number, self.keys)
        });
        Wish {
            event_id: burst.events[self.rng.usize(..burst.events.len())],
            seats: self.rng.i64(1..=3),
            key,
        }
    }

    fn send(&self, wish: &Wish) -> utsavam_tests::Call {
        let call = self.client.book(self.user_id, wish.event_id, wish.seats);
        match &wish.key {
            Some(key) => call.header("Idempotency-Key", key),
            None => call,
        }
    }

    async fn book(&mut self, wish: Wish, round: usize) -> bool {
        let Ok(answer) = self.send(&wish).try_send().await else {
            if self.booking_under(&wish).is_none() {
                self.unanswered = Some(wish);
            }
            return false;
        };
        self.keep(&answer, wish, round);
        true
    }

    /// Writes an answer down that came on a wish.
    fn keep(&mut self, answer: &Answer, wish: Wish, round: usize) {
        if answer.status == 409 {
            answer.problem(409, "not_enough_seats");
            assert_eq!(self.booking_under(&wish), None, "{wish:?} was {answer}");
            return;
        }
        let booking_id = answer.expect(201).id("booking_id");
        let is_replayed = answer.header("idempotency-replayed").is_some();
        match self.booking_under(&wish) {
            Some(before) => {
                assert_eq!(booking_id, before, "another booking for {wish:?}");
                assert!(is_replayed, "{answer}");
            }
            None => {
                assert!(!is_replayed, "nobody knows what is replayed: {answer}");
                let known = Known {
                    wish,
                    state: State::Confirmed,
                    round,
                };
                let before = self.bookings.insert(booking_id, known);
                assert!(before.is_none(), "an id was given out twice: {answer}");
            }
        }
    }

    /// The booking for which the wish's key stands already.
    fn booking_under(&self, wish: &Wish) -> Option<i64> {
        let key = wish.key.as_ref()?;
        let mut found = self.bookings.iter();
        found
            .find(|(_, known)| known.wish.key.as_ref() == Some(key))
            .map(|(&id, _)| id)
    }

    async fn cancel(&mut self, booking_id: i64, round: usize) -> bool {
        let answer = self.client.cancel(booking_id).try_send().await;
        let known = self.bookings.get_mut(&booking_id).expect("a known booking");
        known.round = round;
        let Ok(answer) = answer else {
            known.state = State::PerhapsCancelled;
            return false;
        };
        assert_eq!(
            answer.expect(200).json(),
            json!({ "booking_id": booking_id, "status": "CANCELLED" })
        );
        known.state = State::Cancelled;
        true
    }
}

/// A row of the table of bookings.
#[derive(Debug)]
struct Found {
    user_id: i64,
    event_id: i64,
    seats: i64,
    is_confirmed: bool,
}

fn number(text: &str) -> i64 {
    text.parse()
        .unwrap_or_else(|_| panic!("{text:?} is no whole number"))
}

async fn bookings_in(sql: &Sql) -> BTreeMap<i64, Found> {
    let rows = sql
        .rows("SELECT id, user_id, event_id, seats, status FROM bookings")
        .await;
    rows.iter()
        .map(|row| {
            let found = Found {
                user_id: number(&row[1]),
                event_id: number(&row[2]),
                seats: number(&row[3]),
                is_confirmed: row[4] == "CONFIRMED",
            };
            (number(&row[0]), found)
        })
        .collect()
}

/// Compares the bookings in the file with the ledger, and settles what had no
/// answer by what is found.
fn settle(buyers: &mut [Buyer], mut found: BTreeMap<i64, Found>, round: usize) {
    for buyer in &mut *buyers {
        for (id, known) in &mut buyer.bookings {
            let Some(row) = found.remove(id) else {
                panic!("booking {id} was answered and is lost: {known:?}");
            };
            assert_eq!(
                (row.user_id, row.event_id, row.seats),
                (buyer.user_id, known.wish.event_id, known.wish.seats),
                "booking {id} has changed"
            );
            known.state = match (known.state, row.is_confirmed) {
                (State::Confirmed | State::PerhapsCancelled, true) => State::Confirmed,
                (State::Cancelled | State::PerhapsCancelled, false) => State::Cancelled,
                (state, _) => panic!("booking {id} was {state:?}, but the file says {row:?}"),
            };
        }
    }
    for (id, row) in found {
        let asked = buyers.iter_mut().find_map(|buyer| {
            let wish = buyer.unanswered.as_ref()?;
            let is_it = (row.user_id, row.event_id, row.seats)
                == (buyer.user_id, wish.event_id, wish.seats);
            is_it.then(|| (buyer.unanswered.take(), &mut buyer.bookings))
        });
        let Some((Some(wish), bookings)) = asked else {
            panic!("nobody asked for booking {id}: {row:?}");
        };
        assert!(row.is_confirmed, "nobody cancelled booking {id}: {row:?}");
        let known = Known {
            wish,
            state: State::Confirmed,
            round,
        };
        bookings.insert(id, known);
    }
}

/// Bookings and seats that are confirmed by the ledger, for each event.
fn confirmed(buyers: &[Buyer]) -> BTreeMap<i64, (i64, i64)> {
    let mut sums = BTreeMap::new();
    let all = buyers.iter().flat_map(|buyer| buyer.bookings.values());
    for known in all.filter(|known| known.state == State::Confirmed) {
        let (bookings, seats) = sums.entry(known.wish.event_id).or_insert((0, 0));
        *bookings += 1;
        *seats += known.wish.seats;
    }
    sums
}

/// Checks that seats, figures and keys in the file follow from the ledger.
async fn assert_figures(sql: &Sql, buyers: &[Buyer], events: &BTreeMap<i64, i64>) {
    let confirmed = confirmed(buyers);
    let rows = sql
        .rows(
            "SELECT e.id, e.capacity, e.seats_available, s.confirmed_bookings \
             FROM events e JOIN event_sales s ON s.event_id = e.id ORDER BY e.id",
        )
        .await;
    let found: Vec<Vec<i64>> = rows
        .iter()
        .map(|row| row.iter().map(|value| number(value)).collect())
        .collect();
    let expected: Vec<Vec<i64>> = events
        .iter()
        .map(|(&id, &capacity)| {
            let &(bookings, seats) = confirmed.get(&id).unwrap_or(&(0, 0));
            assert!(seats <= capacity, "event {id} is oversold: {seats}");
            vec![id, capacity, capacity - seats, bookings]
        })
        .collect();
    assert_eq!(
        found, expected,
        "event, capacity, seats available, confirmed bookings"
    );
    let total: i64 = confirmed.values().map(|&(bookings, _)| bookings).sum();
    let kept = sql
        .number("SELECT confirmed_bookings FROM booking_totals")
        .await;
    assert_eq!(kept, total, "confirmed bookings of all events");

    let rows = sql
        .rows("SELECT user_id, key, booking_id, event_id, seats FROM idempotency_keys")
        .await;
    let kept: BTreeSet<Vec<String>> = rows.into_iter().collect();
    let mut asked = BTreeSet::new();
    for buyer in buyers {
        for (id, known) in &buyer.bookings {
            let Wish {
                event_id,
                seats,
                key: Some(key),
            } = &known.wish
            else {
                continue;
            };
            let [user_id, id, event_id, seats] =
                [&buyer.user_id, id, event_id, seats].map(i64::to_string);
            asked.insert(vec![user_id, key.clone(), id, event_id, seats]);
        }
    }
    let lost: Vec<_> = asked.difference(&kept).collect();
    assert!(lost.is_empty(), "keys whose booking is forgotten: {lost:?}");
    let made_up: Vec<_> = kept.difference(&asked).collect();
    assert!(made_up.is_empty(), "keys that nobody sent: {made_up:?}");

    assert_eq!(sql.text("PRAGMA integrity_check").await, "ok");
    assert!(sql.rows("PRAGMA foreign_key_check").await.is_empty());
}

/// Checks what the interface says about everything that this round touched.
async fn assert_answers(buyers: &mut [Buyer], events: &BTreeMap<i64, i64>, round: usize) {
    let client = buyers[0].client.clone();
    for buyer in &*buyers {
        let touched: Vec<_> = buyer
            .bookings
            .iter()
            .filter(|(_, known)| known.round == round)
            .collect();
        for some in touched.chunks(CHECKS_AT_ONCE) {
            join_all(some.iter().map(|&(&id, known)| async move {
                let path = format!("/bookings/{id}");
                let shown = buyer.client.get(&path).await.expect(200).json();
                let status = match known.state {
                    State::Confirmed => "CONFIRMED",
                    _ => "CANCELLED",
                };
                assert_eq!(shown["status"], status, "{shown}");
                assert_eq!(shown["user_id"], buyer.user_id, "{shown}");
                assert_eq!(shown["event_id"], known.wish.event_id, "{shown}");
                assert_eq!(shown["seats"], known.wish.seats, "{shown}");
                if known.wish.key.is_some() {
                    let again = buyer.send(&known.wish).await;
                    assert_eq!(again.expect(201).id("booking_id"), id, "{again}");
                    let replayed = again.header("idempotency-replayed");
                    assert_eq!(replayed, Some("true"), "{again}");
                }
            }))
            .await;
        }
    }
    let confirmed = confirmed(buyers);
    for (id, capacity) in events {
        let (_, seats) = confirmed.get(id).unwrap_or(&(0, 0));
        assert_eq!(client.seats_available(*id).await, capacity - seats);
    }
    let report = client.get("/admin/analytics").admin().await;
    let total: i64 = confirmed.values().map(|&(bookings, _)| bookings).sum();
    assert_eq!(report.expect(200).json()["total_confirmed_bookings"], total);
    // Who had no answer, and no booking either, may ask again.
    for buyer in buyers {
        if let Some(wish) = buyer.unanswered.take() {
            let answer = buyer.send(&wish).await;
            buyer.keep(&answer, wish, round);
        }
    }
}

/// Each buyer's history is all of the buyer's bookings and nothing else.
async fn assert_histories(buyers: &[Buyer]) {
    for buyer in buyers {
        let path = format!("/users/{}/bookings", buyer.user_id);
        let shown: BTreeSet<i64> = buyer
            .client
            .entries(&path)
            .await
            .iter()
            .map(|booking| booking["id"].as_i64().expect("an id"))
            .collect();
        let known: BTreeSet<i64> = buyer.bookings.keys().copied().collect();
        assert_eq!(shown, known, "bookings of buyer {}", buyer.number);
    }
}

async fn start(database: &TestDatabase) -> TestServer {
    TestServer::builder(database.url())
        .without("REDIS_URL")
        .setting("http.workers", "2")
        .start()
        .await
}

fn from_environment(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    let number = text.parse();
    Some(number.unwrap_or_else(|_| panic!("{name} is a whole number, not {text:?}")))
}

/// Has all buyers buy at once, kills the server at a random moment, and
/// returns how many answers there were.
async fn burst(
    server: &mut TestServer,
    buyers: &mut Vec<Buyer>,
    events: Vec<i64>,
    round: usize,
    rng: &mut Rng,
) -> usize {
    let burst = Arc::new(Burst {
        round,
        events,
        is_killed: AtomicBool::new(false),
        answers: AtomicUsize::new(0),
    });
    let client = server.client();
    let buying: Vec<_> = buyers
        .drain(..)
        .map(|mut buyer| {
            buyer.client = client.clone();
            tokio::spawn(buyer.buy(Arc::clone(&burst)))
        })
        .collect();
    utsavam_tests::eventually("the first answers come", async || {
        burst.answers.load(Ordering::SeqCst) >= BUYERS
            || buying.iter().any(|buyer| buyer.is_finished())
    })
    .await;
    tokio::time::sleep(Duration::from_micros(rng.u64(..400_000))).await;
    burst.is_killed.store(true, Ordering::SeqCst);
    server.kill();
    for buyer in join_all(buying).await {
        buyers.push(buyer.expect("no answer was wrong"));
    }
    burst.answers.load(Ordering::SeqCst)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_killed_in_a_burst_loses_no_answer() {
    let wanted = from_environment("UTSAVAM_KILL_ROUNDS");
    let rounds = wanted.unwrap_or(8) as usize;
    let started = Instant::now();
    let seed = from_environment("UTSAVAM_KILL_SEED").unwrap_or_else(|| fastrand::u64(..));
    println!("{rounds} rounds; UTSAVAM_KILL_SEED={seed} repeats them");
    let mut rng = Rng::with_seed(seed);

    let database = TestDatabase::embedded();
    let mut server = start(&database).await;
    let client = server.client();
    let mut buyers = Vec::new();
    for number in 0..BUYERS {
        buyers.push(Buyer {
            number,
            client: client.clone(),
            user_id: client.register(&format!("buyer{number}@example.com")).await,
            rng: rng.fork(),
            bookings: BTreeMap::new(),
            unanswered: None,
            keys: 0,
            answers: 0,
        });
    }
    let large = client.publish(LARGE).await;
    // The capacity of every event there is.
    let mut events = BTreeMap::from([(large, LARGE)]);

    for round in 1..=rounds {
        if wanted.is_none() && started.elapsed() > LONG_ENOUGH {
            println!("a slow machine: the other rounds are left out");
            break;
        }
        let mut on_sale = vec![large];
        for capacity in SMALL {
            let event_id = server.client().publish(capacity).await;
            events.insert(event_id, capacity);
            on_sale.push(event_id);
        }
        let answers = burst(&mut server, &mut buyers, on_sale.clone(), round, &mut rng).await;
        drop(server);
        // What starts is not safe either: dropping it kills it.
        if rng.bool() {
            let moment = Duration::from_micros(rng.u64(..100_000));
            drop(tokio::time::timeout(moment, start(&database)).await);
        }

        server = start(&database).await;
        for buyer in &mut buyers {
            buyer.client = server.client();
        }
        let sql = database.sql().await;
        let unanswered = buyers.iter().filter(|b| b.unanswered.is_some()).count();
        settle(&mut buyers, bookings_in(&sql).await, round);
        let lost = buyers.iter().filter(|b| b.unanswered.is_some()).count();
        assert_figures(&sql, &buyers, &events).await;
        let recent = events
            .iter()
            .filter(|(id, _)| on_sale.contains(id))
            .map(|(&id, &capacity)| (id, capacity))
            .collect();
        assert_answers(&mut buyers, &recent, round).await;
        println!(
            "round {round}: {answers} answers, {unanswered} bookings without one, \
             {} of them made",
            unanswered - lost
        );
    }
    let sql = database.sql().await;
    settle(&mut buyers, bookings_in(&sql).await, rounds);
    assert_figures(&sql, &buyers, &events).await;
    assert_histories(&buyers).await;
    let answers: usize = buyers.iter().map(|buyer| buyer.answers).sum();
    let bookings: usize = buyers.iter().map(|buyer| buyer.bookings.len()).sum();
    println!("{answers} answers, {bookings} bookings, none lost");
}
