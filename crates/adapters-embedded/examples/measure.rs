//! tmp
use adapters_embedded::*;
use domain::model::*;
use domain::ports::*;
use futures::executor::block_on;
use std::time::Instant;
fn main() {
    let mut args = std::env::args().skip(1);
    let (verb, url) = (args.next().unwrap(), args.next().unwrap());
    let n: usize = args.next().map_or(0, |n| n.parse().unwrap());
    let start = Instant::now();
    let db = Database::open(&SqliteSettings::new(SqliteLocation::parse(&url).unwrap()))
        .unwrap_or_else(|e| {
            eprintln!("{e}");
            std::process::exit(2)
        });
    println!("open {:?}", start.elapsed());
    block_on(SqliteProbe::new(db.clone()).check()).unwrap();
    println!("open+probe {:?}", start.elapsed());
    let rss = || {
        std::fs::read_to_string("/proc/self/status")
            .unwrap()
            .lines()
            .filter(|l| l.starts_with("VmRSS"))
            .collect::<Vec<_>>()
            .join(" ")
    };
    println!("{}", rss());
    if verb == "fill" {
        let users = SqliteUserStore::new(db.clone());
        let events = SqliteEventStore::new(db.clone());
        let bookings = SqliteBookingStore::new(db.clone());
        let u = block_on(users.register(NewUser {
            email: Email::parse(&format!("a{}@b.c", std::process::id())).unwrap(),
            name: None,
        }))
        .unwrap();
        let e = block_on(events.publish(PublishEvent {
            name: EventName::parse("x").unwrap(),
            venue: None,
            start_at: chrono::DateTime::from_timestamp_secs(4_000_000_000).unwrap(),
            capacity: Capacity::try_new(10_000_000).unwrap(),
        }))
        .unwrap();
        let start = Instant::now();
        for chunk in 0..n / 500 {
            let all = (0..500).map(|i| {
                bookings.book(BookSeats {
                    user_id: u.id,
                    event_id: e.id(),
                    seats: SeatCount::ONE,
                    idempotency_key: Some(IdempotencyKey::parse(&format!("{chunk}-{i}")).unwrap()),
                })
            });
            for r in block_on(futures::future::join_all(all)) {
                r.unwrap();
            }
        }
        println!(
            "{n} bookings {:?} = {:.0}/s",
            start.elapsed(),
            n as f64 / start.elapsed().as_secs_f64()
        );
        println!("{}", rss());
    }
    if verb == "hold" {
        std::thread::park();
    }
    let start = Instant::now();
    drop(db);
    println!("close {:?}", start.elapsed());
}
