//! `utsavam sales`: pauses and resumes sales, and says what is paused.

use chrono::{DateTime, SecondsFormat, Utc};
use clap::{Args, Subcommand};
use domain::model::{Actor, AuditEntry, AuditObject, EventId, Page, PageLimit, PausedSales};
use domain::ports::{PauseError, SalesControl, StoreError};

use crate::commands::print;
use crate::failure::{Failure, with_causes};
use crate::settings::Settings;
use crate::wiring::{Plan, Schema, Stores};

#[derive(Subcommand)]
pub(crate) enum Action {
    /// Stop sales; cancelling and reading go on.
    ///
    /// When this returns no server makes a booking that it stops, until sales are
    /// resumed. Doing it again changes nothing.
    Pause(Target),
    /// Let sales go on.
    ///
    /// An event sells when neither it nor everything is paused.
    Resume(Target),
    /// Say what is paused.
    Status,
}

/// Of what sales are meant.
#[derive(Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Target {
    /// The event's id.
    #[arg(value_name = "EVENT_ID", value_parser = event_id)]
    event: Option<EventId>,
    /// All events, also those that are published later.
    #[arg(long)]
    all: bool,
}

fn event_id(text: &str) -> Result<EventId, String> {
    let number = text.parse().map_err(|_| "must be a number".to_owned())?;
    EventId::try_new(number).map_err(|invalid| invalid.to_string())
}

pub(crate) async fn sales(settings: Settings, action: Action) -> Result<(), Failure> {
    let plan = Plan::try_new(&settings)?;
    plan.require_data()?;
    let is_embedded = plan.is_embedded();
    let opened = plan.open(Schema::MustBeCurrent).await;
    let opened = opened.map_err(|failure| match is_embedded {
        true => ask_the_server(&failure),
        false => failure,
    })?;
    let stores = &opened.services.stores;
    match action {
        Action::Pause(target) => pause(stores, target.event).await,
        Action::Resume(target) => resume(stores, target.event).await,
        Action::Status => status(&*stores.control).await,
    }
}

/// The embedded store is open to one process, and that is likely to be a server.
fn ask_the_server(failure: &Failure) -> Failure {
    Failure::new(format!(
        "{failure}; a server that has it open is asked with the admin key: \
         POST /admin/sales/pause or /admin/sales/resume, for one event \
         /admin/events/EVENT_ID/sales/pause or …/resume, and GET /admin/sales"
    ))
}

async fn pause(stores: &Stores, event: Option<EventId>) -> Result<(), Failure> {
    let Some(event_id) = event else {
        let paused = stores.control.pause_all().await;
        let paused_at = paused.map_err(|error| match error {
            StoreError::OutcomeUnknown(_) => Failure::new(format!(
                "all sales are being paused, but bookings that had begun before may still be \
                 made: do it again ({})",
                with_causes(&error)
            )),
            error => not_done("all sales were not paused", &error),
        })?;
        record(stores, "pause_all_sales", None).await;
        return print(&all_paused(paused_at));
    };
    let paused = stores.control.pause(event_id).await;
    let paused_at = paused.map_err(|error| of_event(event_id, "paused", &error))?;
    record(stores, "pause_event", event).await;
    print(&format!(
        "sales of event {event_id} are paused since {}",
        time(paused_at)
    ))
}

async fn resume(stores: &Stores, event: Option<EventId>) -> Result<(), Failure> {
    match event {
        None => {
            let resumed = stores.control.resume_all().await;
            resumed.map_err(|error| not_done("all sales were not resumed", &error))?;
            record(stores, "resume_all_sales", None).await;
        }
        Some(event_id) => {
            let resumed = stores.control.resume(event_id).await;
            resumed.map_err(|error| of_event(event_id, "resumed", &error))?;
            record(stores, "resume_event", event).await;
        }
    }
    // What is paused still may be what somebody is about to look for.
    status(&*stores.control).await
}

async fn status(control: &dyn SalesControl) -> Result<(), Failure> {
    let mut page = Page::first(PageLimit::MAX);
    loop {
        let paused = control.paused(page).await;
        let PausedSales {
            all_paused_at,
            events,
        } = paused.map_err(|error| not_done("it is not known what is paused", &error))?;
        if page.after.is_none() {
            match all_paused_at {
                Some(paused_at) => print(&all_paused(paused_at))?,
                None if events.entries.is_empty() => print("nothing is paused")?,
                None => {}
            }
        }
        for event in &events.entries {
            print(&format!(
                "sales of event {} ({}) are paused since {}",
                event.event_id,
                event.name.as_str(),
                time(event.paused_at)
            ))?;
        }
        page.after = match events.next {
            Some(next) => Some(next),
            None => return Ok(()),
        };
    }
}

fn all_paused(paused_at: DateTime<Utc>) -> String {
    format!("all sales are paused since {}", time(paused_at))
}

fn time(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// Under the names of the interface. What was done is done, so that it cannot be
/// recorded is only said.
async fn record(stores: &Stores, action: &str, event: Option<EventId>) {
    let entry = AuditEntry {
        actor: Actor::System,
        action: action.to_owned(),
        object: event.map(|event_id| AuditObject {
            kind: "event".to_owned(),
            id: event_id.get(),
        }),
        refused: None,
        request_id: "command line".to_owned(),
    };
    if let Err(error) = stores.audit.append(vec![entry.clone()]).await {
        tracing::error!(%error, ?entry, "not in the audit log");
    }
}

fn of_event(event_id: EventId, done: &str, error: &PauseError) -> Failure {
    match error {
        PauseError::EventNotFound(_) => Failure::new(error.to_string()),
        PauseError::Store(error) => {
            not_done(&format!("sales of event {event_id} were not {done}"), error)
        }
    }
}

fn not_done(what: &str, error: &dyn std::error::Error) -> Failure {
    Failure::new(format!("{what}: {}", with_causes(error)))
}
