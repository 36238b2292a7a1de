//! The measurements on a server: what is asked for, by how many clients.

use std::path::PathBuf;

use super::plan::Plan;
use super::process::Process;
use super::results::{Results, Sample};
use super::side::{self, ADMIN_KEY, EVENTS, EventSet, Kind, Load, MANY, Place, Side, USERS};

/// Clients of every measurement that does not say otherwise.
pub(crate) const CLIENTS: usize = 256;

/// How much of the peak the open loop asks for, and the overload.
const STEADY: f64 = 0.6;
const OVERLOAD: f64 = 2.0;

/// Crowds of clients that do as `Retry-After` says: twice as many as saturate the
/// server, and more than it lets wait.
const CROWDS: [usize; 2] = [2_000, 8_000];

/// Seconds before a crowd is measured: about as long as those wait who are refused
/// at first.
const CROWD_GATHERS: f64 = 3.0;

/// One measurement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scenario {
    Health,
    View,
    ViewUnchanged,
    List,
    Book(usize),
    BookKeyed,
    BookHeld,
    Spread,
    SoldOut,
    Cancel,
    Mixed,
    Steady,
    Overload,
    OverloadHeld,
    Crowd(usize),
    Memory,
    GuardedView,
    GuardedBook,
    GuardedSoldOut,
}

/// In the order of a round: what builds on a peak comes behind it.
pub(crate) const ALL: [Scenario; 23] = [
    Scenario::Health,
    Scenario::View,
    Scenario::GuardedView,
    Scenario::ViewUnchanged,
    Scenario::List,
    Scenario::Book(16),
    Scenario::Book(64),
    Scenario::Book(CLIENTS),
    Scenario::GuardedBook,
    Scenario::Cancel,
    Scenario::Book(1000),
    Scenario::BookKeyed,
    Scenario::Spread,
    Scenario::SoldOut,
    Scenario::GuardedSoldOut,
    Scenario::Mixed,
    Scenario::Steady,
    Scenario::Overload,
    Scenario::BookHeld,
    Scenario::OverloadHeld,
    Scenario::Crowd(CROWDS[0]),
    Scenario::Crowd(CROWDS[1]),
    Scenario::Memory,
];

impl Scenario {
    /// Whether it is to be measured.
    fn is_wanted(self, plan: &Plan) -> bool {
        let (name, group) = self.name();
        plan.wants(&name, group)
    }

    /// The name in tables and behind `--only`, and its group.
    pub(crate) fn name(self) -> (String, &'static str) {
        let (name, group) = match self {
            Self::Health => ("HEALTH", "A"),
            Self::View => ("B", "B"),
            Self::ViewUnchanged => ("B304", "B"),
            Self::List => ("C", "C"),
            Self::Book(clients) => return (format!("D{clients}"), "D"),
            Self::Crowd(clients) => return (format!("CROWD{clients}"), "CROWD"),
            Self::BookKeyed => ("DKEY", "D"),
            Self::BookHeld => ("DHELD", "OVER"),
            Self::Spread => ("E", "E"),
            Self::SoldOut => ("F", "F"),
            Self::Cancel => ("G", "G"),
            Self::Mixed => ("H", "H"),
            Self::Steady => ("OPEN", "OPEN"),
            Self::Overload => ("OVERLOAD", "OVER"),
            Self::OverloadHeld => ("OVERHELD", "OVER"),
            Self::Memory => ("MEMORY", "MEMORY"),
            Self::GuardedView => ("BAUTH", "AUTH"),
            Self::GuardedBook => ("DAUTH", "AUTH"),
            Self::GuardedSoldOut => ("FAUTH", "AUTH"),
        };
        (name.to_owned(), group)
    }
}

/// Whether any of them is to be measured.
pub(crate) fn any_is_wanted(plan: &Plan) -> bool {
    ALL.into_iter().any(|scenario| scenario.is_wanted(plan))
}

/// A server with what the measurements need between rounds.
pub(crate) struct Bench {
    pub(crate) side: Side,
    /// A server of its own, whose peak memory tells only of its own clients.
    memory: Place,
    /// The first of its users, once they are registered.
    memory_users: Option<i64>,
    spread: EventSet,
    sold_out: EventSet,
    guarded: Guarded,
    /// What was booked last in this round, to be cancelled.
    booked: Option<EventSet>,
}

impl Bench {
    /// Starts the server and puts its events on sale.
    ///
    /// # Errors
    /// It does not start.
    pub(crate) async fn start(plan: &Plan, kind: Kind) -> Result<Self, String> {
        let place = Place::make(plan, kind, "main", 0).await?;
        let mut side = place.populate(plan).await?;
        let spread = side.publish(EVENTS, MANY / EVENTS).await?;
        let last_seat = Load::new("book", 1).flag("--requests", 1);
        let sold_out = sold_out(plan, &mut side, last_seat).await?;
        Ok(Self {
            guarded: Guarded::start(plan, kind).await?,
            memory: Place::make(plan, kind, "memory", 1).await?,
            memory_users: None,
            side,
            spread,
            sold_out,
            booked: None,
        })
    }

    /// Measures everything that is wanted, once.
    pub(crate) async fn round(&mut self, plan: &Plan, results: &mut Results) {
        let peak_for = [
            Scenario::Cancel,
            Scenario::Steady,
            Scenario::Overload,
            Scenario::GuardedBook,
        ];
        let needs_peak = peak_for
            .into_iter()
            .any(|scenario| scenario.is_wanted(plan));
        let crowds = CROWDS.map(Scenario::Crowd);
        let needs_crowd = crowds.into_iter().any(|crowd| crowd.is_wanted(plan));
        self.booked = None;
        for scenario in ALL {
            let is_needed = match scenario {
                Scenario::Book(CLIENTS) => needs_peak,
                Scenario::Book(1000) => needs_crowd,
                Scenario::BookHeld => Scenario::OverloadHeld.is_wanted(plan),
                Scenario::View => Scenario::GuardedView.is_wanted(plan),
                Scenario::SoldOut => Scenario::GuardedSoldOut.is_wanted(plan),
                _ => false,
            };
            if !(is_needed || scenario.is_wanted(plan)) {
                continue;
            }
            let name = format!("{}/{}", self.side.place.kind.name(), scenario.name().0);
            let outcome = self.measure(plan, scenario, results).await;
            results.take(&name, outcome);
        }
    }

    async fn measure(
        &mut self,
        plan: &Plan,
        scenario: Scenario,
        results: &Results,
    ) -> Result<Option<Sample>, String> {
        let kind = self.side.place.kind.name();
        let peak = results.last(&format!("{kind}/D{CLIENTS}")).unwrap_or(0.0);
        let book = |clients| Load::new("book", clients);
        let open = |rate: f64| {
            book(CLIENTS)
                .flag("--rate", rate)
                .flag("--seconds", plan.seconds * 2.0)
        };
        match scenario {
            Scenario::Health => self.read(plan, "/health").await,
            Scenario::View => {
                let path = format!("/events/{}", self.spread.first);
                self.read(plan, &path).await
            }
            Scenario::ViewUnchanged => self.read_unchanged(plan).await,
            Scenario::List => self.read(plan, "/events").await,
            Scenario::Book(clients) => self.book(plan, book(clients)).await,
            Scenario::BookKeyed => self.book(plan, book(CLIENTS).switch("--keyed")).await,
            Scenario::Spread => {
                let sold = self.side.sell(plan, &mut self.spread, book(CLIENTS));
                Ok(Some(Sample::from(&sold.await?)))
            }
            Scenario::SoldOut => {
                let refused = book(CLIENTS).flag("--expect", 409);
                let sold = self.side.sell(plan, &mut self.sold_out, refused);
                Ok(Some(Sample::from(&sold.await?)))
            }
            Scenario::Cancel => self.cancel(plan).await,
            Scenario::Mixed => self.mixed(plan).await,
            Scenario::Steady => self.book(plan, open(peak * STEADY)).await,
            Scenario::Overload => {
                let load = open(peak * OVERLOAD).switch("--allow-503");
                self.book(plan, load).await
            }
            Scenario::BookHeld | Scenario::OverloadHeld => {
                let Some(processor) = last_processor() else {
                    return Ok(None);
                };
                let held = results.last(&format!("{kind}/DHELD")).unwrap_or(0.0);
                let load = match scenario {
                    Scenario::BookHeld => book(CLIENTS),
                    _ => open(held * OVERLOAD).switch("--allow-503"),
                };
                self.book(plan, load.held_to(processor)).await
            }
            Scenario::Crowd(clients) => {
                let load = book(clients)
                    .flag("--warmup", CROWD_GATHERS)
                    .flag("--seconds", plan.seconds * 2.0)
                    .switch("--allow-503")
                    .switch("--patient");
                self.book(plan, load).await
            }
            Scenario::Memory => self.memory(plan).await,
            Scenario::GuardedView => self.guarded.view(plan).await,
            Scenario::GuardedBook => self.guarded.book(plan).await,
            Scenario::GuardedSoldOut => self.guarded.sold_out(plan).await,
        }
    }

    async fn read(&self, plan: &Plan, path: &str) -> Result<Option<Sample>, String> {
        let load = Load::new("read", CLIENTS).flag("--path", path);
        Ok(Some(Sample::from(&self.side.load(plan, load).await?)))
    }

    /// Clients that have the page already.
    async fn read_unchanged(&self, plan: &Plan) -> Result<Option<Sample>, String> {
        let path = format!("/events/{}", self.spread.first);
        let answer = self.side.client.get(&path).await;
        let etag = answer.header("ETag").ok_or("an event without an ETag")?;
        let load = Load::new("read", CLIENTS)
            .flag("--path", path)
            .flag("--if-none-match", etag)
            .flag("--expect", 304);
        Ok(Some(Sample::from(&self.side.load(plan, load).await?)))
    }

    /// Bookings of an event that is new each time.
    async fn book(&mut self, plan: &Plan, load: Load) -> Result<Option<Sample>, String> {
        let mut event = self.side.publish(1, MANY).await?;
        let summary = self.side.sell(plan, &mut event, load).await?;
        self.booked = Some(event);
        Ok(Some(Sample::from(&summary)))
    }

    /// Cancellations of what was booked just before.
    async fn cancel(&mut self, plan: &Plan) -> Result<Option<Sample>, String> {
        let mut event = self.booked.take().ok_or("nothing was booked before")?;
        let bookings = event.ledgers.last().ok_or("nothing was booked before")?;
        let load = Load::new("cancel", CLIENTS).flag("--bookings", bookings.display());
        let summary = self.side.sell(plan, &mut event, load).await?;
        Ok(Some(Sample::from(&summary)))
    }

    /// A sale with everybody looking on.
    async fn mixed(&mut self, plan: &Plan) -> Result<Option<Sample>, String> {
        let mut event = self.side.publish(1, MANY).await?;
        let load = Load::new("mixed", CLIENTS).flag("--path", format!("/events/{}", event.first));
        let summary = self.side.sell(plan, &mut event, load).await?;
        Ok(Some(Sample::from(&summary)))
    }

    /// The peak of the resident memory of a server that never had more than
    /// 1,000 clients, in MB.
    async fn memory(&mut self, plan: &Plan) -> Result<Option<Sample>, String> {
        let mut side = match self.memory_users {
            None => self.memory.populate(plan).await?,
            Some(first) => self.memory.start(plan, first).await?,
        };
        self.memory_users = Some(side.user_first);
        let mut event = side.publish(1, MANY).await?;
        side.sell(plan, &mut event, Load::new("book", 1000)).await?;
        let peak = side.server.memory_mb("VmHWM");
        side.server.stop().await?;
        Ok(peak.map(|figure| Sample {
            figure,
            ..Sample::default()
        }))
    }
}

/// An event whose only seat is gone.
async fn sold_out(plan: &Plan, side: &mut Side, last_seat: Load) -> Result<EventSet, String> {
    let mut event = side.publish(1, 1).await?;
    side.sell(plan, &mut event, last_seat).await?;
    Ok(event)
}

/// A server where users have to prove who they are and are limited.
struct Guarded {
    side: Side,
    tokens: PathBuf,
    sold_out: EventSet,
}

impl Guarded {
    /// Registers the users while nobody has to prove anything, and starts the
    /// server that counts.
    async fn start(plan: &Plan, kind: Kind) -> Result<Self, String> {
        let place = Place::make(plan, kind, "guarded", 2).await?;
        let registering = place.populate(plan).await?;
        let tokens = side::log_in(&registering).await?;
        let user_first = registering.user_first;
        registering.server.stop().await?;
        let mut side = place.guarded().start(plan, user_first).await?;
        let last_seat = Load::new("book", 1)
            .flag("--requests", 1)
            .flag("--tokens", tokens.display());
        Ok(Self {
            sold_out: sold_out(plan, &mut side, last_seat).await?,
            side,
            tokens,
        })
    }

    fn load(&self, work: &str) -> Load {
        Load::new(work, CLIENTS).flag("--tokens", self.tokens.display())
    }

    async fn view(&self, plan: &Plan) -> Result<Option<Sample>, String> {
        let load = self
            .load("read")
            .flag("--users", USERS)
            .flag("--path", format!("/events/{}", self.sold_out.first));
        Ok(Some(Sample::from(&self.side.load(plan, load).await?)))
    }

    async fn book(&mut self, plan: &Plan) -> Result<Option<Sample>, String> {
        let mut event = self.side.publish(1, MANY).await?;
        let load = self.load("book");
        let summary = self.side.sell(plan, &mut event, load).await?;
        Ok(Some(Sample::from(&summary)))
    }

    async fn sold_out(&mut self, plan: &Plan) -> Result<Option<Sample>, String> {
        let load = self.load("book").flag("--expect", 409);
        let summary = self.side.sell(plan, &mut self.sold_out, load).await?;
        Ok(Some(Sample::from(&summary)))
    }
}

/// Bookings at a server that does nothing: what HTTP itself costs.
///
/// # Errors
/// It does not start or answer.
pub(crate) async fn bare(plan: &Plan, server: &Process) -> Result<Sample, String> {
    let load = Load::new("book", CLIENTS)
        .flag("--user-first", 1001)
        .flag("--event-first", 1001)
        .switch("--bare");
    Ok(Sample::from(&load.run(plan, server.address).await?))
}

/// A processor for the load alone, where there are several and `taskset`.
fn last_processor() -> Option<String> {
    let processors = std::thread::available_parallelism().ok()?.get();
    let has_taskset = std::process::Command::new("taskset")
        .arg("--version")
        .output()
        .is_ok_and(|output| output.status.success());
    (processors > 1 && has_taskset).then(|| (processors - 1).to_string())
}

/// `GET` of a path as the admin.
pub(crate) fn admin_read(path: &str, clients: usize) -> Load {
    Load::new("read", clients)
        .flag("--path", path)
        .flag("--admin-key", ADMIN_KEY)
}
