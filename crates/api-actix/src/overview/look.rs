//! Putting the document together. Whoever reads waits for a look at the
//! dependencies, which takes no longer than they are given; those who read at the same time
//! share one.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use domain::model::{Event, EventId, Page, PageLimit};
use domain::ports::FindEventError;
use tokio::runtime::Handle;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use super::{EventRow, OverviewPage, Paused};
use crate::http::{DependencyState, state_of};
use crate::metrics::HotEvent;
use crate::wiring::Services;

/// Events of the document.
const EVENTS_MAX: usize = 50;

/// How long a dependency may take before it counts as lost.
const PATIENCE: Duration = Duration::from_secs(1);

/// For so long a look serves others who read.
const LOOK_LASTS: Duration = Duration::from_millis(500);

/// For so long an event keeps the name and the size that were found.
const DETAILS_LAST: Duration = Duration::from_secs(60);

/// Tells how a server is doing.
pub(crate) struct Overview {
    /// The server ends without waiting for whoever reads.
    services: Weak<Services>,
    /// Where the connections of the pools live.
    main_runtime: Handle,
    seen: Mutex<Option<Seen>>,
}

/// What a look has seen.
struct Seen {
    at: Instant,
    database: DependencyState,
    redis: DependencyState,
    paused: Option<Paused>,
    details: HashMap<EventId, Details>,
}

/// Of an event; nothing but the time where there is none any more.
#[derive(Clone)]
struct Details {
    at: Instant,
    event: Option<(String, u32)>,
}

impl Overview {
    /// Must be called on the main runtime.
    pub(crate) fn new(services: Weak<Services>) -> Self {
        Self {
            services,
            main_runtime: Handle::current(),
            seen: Mutex::default(),
        }
    }

    /// The document; `None` where the server is about to be gone.
    pub(crate) async fn page(&self) -> Option<OverviewPage> {
        let services = self.services.upgrade()?;
        let hottest = services.metrics.hottest.hottest(EVENTS_MAX);
        let uptime = services.metrics.hottest.uptime();
        let mut seen = self.seen.lock().await;
        let is_old = |seen: &Seen| seen.at.elapsed() >= LOOK_LASTS;
        if seen.as_ref().is_none_or(is_old) {
            let known = seen.take().map(|seen| seen.details).unwrap_or_default();
            let ids = hottest.events.iter().map(|event| event.event_id).collect();
            let looking = self.main_runtime.spawn(look(services, ids, known));
            *seen = Some(looking.await.ok()?);
        }
        let seen = seen.as_ref()?;
        let events = hottest.events.iter();
        Some(OverviewPage {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            uptime_seconds: uptime.as_secs_f64(),
            database: seen.database,
            redis: seen.redis,
            paused: seen.paused.clone(),
            window_seconds: hottest.window.as_secs_f64(),
            events: events.map(|event| row(event, &seen.details)).collect(),
        })
    }
}

fn row(event: &HotEvent, details: &HashMap<EventId, Details>) -> EventRow {
    let details = details.get(&event.event_id);
    let (name, capacity) = details.and_then(|details| details.event.clone()).unzip();
    let (seats_left, told) = event.seats_left.unzip();
    EventRow {
        event_id: event.event_id.get(),
        name,
        capacity,
        seats_left: seats_left.map(|left| left.get()),
        seats_left_seconds_ago: told.map(|told| told.as_secs_f64()),
        booked: event.tally.booked,
        refused: event.tally.refused,
    }
}

/// Asks everybody at the same time.
async fn look(
    services: Arc<Services>,
    event_ids: Vec<EventId>,
    mut known: HashMap<EventId, Details>,
) -> Seen {
    let at = Instant::now();
    known
        .retain(|event_id, details| event_ids.contains(event_id) && at - details.at < DETAILS_LAST);
    let unknown = event_ids.iter().filter(|id| !known.contains_key(id));
    let details = unknown.map(|event_id| details(&services, *event_id, at));
    let redis = async {
        match &services.gate.probe {
            Some(probe) => state_of(&**probe, PATIENCE).await,
            None => DependencyState::Off,
        }
    };
    let (database, redis, paused, found) = futures::join!(
        state_of(&*services.stores.probe, PATIENCE),
        redis,
        paused(&services),
        futures::future::join_all(details),
    );
    known.extend(found.into_iter().flatten());
    Seen {
        at: Instant::now(),
        database,
        redis,
        paused,
        details: known,
    }
}

async fn paused(services: &Services) -> Option<Paused> {
    let first = services.stores.control.paused(Page::first(PageLimit::MAX));
    let paused = timeout(PATIENCE, first).await.ok()?.ok()?;
    let events = paused.events.entries.iter();
    Some(Paused {
        all: paused.all_paused_at.is_some(),
        event_ids: events.map(|event| event.event_id.get()).collect(),
        more: paused.events.next.is_some(),
    })
}

/// Nothing while the store does not answer: the next look asks again.
async fn details(
    services: &Services,
    event_id: EventId,
    at: Instant,
) -> Option<(EventId, Details)> {
    let found = timeout(PATIENCE, services.stores.catalogue.find(event_id)).await;
    let of = |event: &Event| (event.name().as_str().to_owned(), event.capacity().get());
    let event = match found {
        Ok(Ok(event)) => Some(of(&event)),
        Ok(Err(FindEventError::EventNotFound(_))) => None,
        Ok(Err(FindEventError::Store(_))) | Err(_) => return None,
    };
    Some((event_id, Details { at, event }))
}
