//! `utsavam reconcile`: compares what is kept, and the seat gate if it is
//! elsewhere, with the bookings, once.

use std::process::ExitCode;

use clap::{Args, ValueEnum};
use domain::model::{Difference, EventDifference, EventId, KeyFaultKind};
use domain::usecases::{self, FigureCounts, Found, Remedy};
use serde_json::{Value, json};

use crate::commands::print;
use crate::failure::{Failure, with_causes};
use crate::settings::Settings;
use crate::wiring::{Plan, Schema, Services};

/// The exit code when something differs and was not repaired. 1 means that it was
/// not compared, and 2 that the command line was not understood.
const DIFFERS: u8 = 3;

#[derive(Args)]
pub(crate) struct Options {
    /// Repair nothing: only tell what differs.
    #[arg(long)]
    check: bool,
    /// How to tell it: in words, or one JSON object a line.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
}

pub(crate) async fn reconcile(settings: Settings, options: Options) -> Result<ExitCode, Failure> {
    let plan = Plan::try_new(&settings)?;
    plan.require_data()?;
    let services = plan.open(Schema::MustBeCurrent).await?.services;
    let mut report = Report {
        options,
        unprinted: None,
    };
    let standing = report.figures(&services).await?;
    let wrong = match settings.redis.url {
        Some(_) => report.gate(&services).await?,
        // There is none, or it is in the process of a server.
        None => 0,
    };
    report.end()?;
    Ok(match standing + wrong {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::from(DIFFERS),
    })
}

/// What is told, as it is found.
struct Report {
    options: Options,
    /// Why something could not be printed.
    unprinted: Option<Failure>,
}

impl Report {
    /// Compares figures and keys. How many differences are still there?
    async fn figures(&mut self, services: &Services) -> Result<usize, Failure> {
        let remedy = match self.options.check {
            true => Remedy::Tell,
            false => Remedy::Repair,
        };
        let store = &*services.stores.reconciliation;
        let compared = usecases::reconcile_figures(store, remedy, |found| self.tell(found)).await;
        let counts = compared.map_err(|error| not_reconciled("the figures", &error))?;
        let FigureCounts {
            events,
            keys,
            found,
            repaired,
        } = counts;
        let standing = counts.standing();
        self.say(
            || {
                format!(
                    "figures: {events} events and {keys} keys compared, {found} differences, \
                     {repaired} repaired, {standing} standing"
                )
            },
            || {
                json!({
                    "compared": "figures", "events": events, "keys": keys,
                    "found": found, "repaired": repaired, "standing": standing,
                })
            },
        );
        Ok(standing)
    }

    /// Compares the gate. How many events have a wrong one still?
    async fn gate(&mut self, services: &Services) -> Result<usize, Failure> {
        let (catalogue, gate) = (&*services.stores.catalogue, &*services.gate.port);
        let failed = |error: usecases::ReconcileError| not_reconciled("the gates", &error);
        if self.options.check {
            let wrong = |event_id| self.tell_gate(event_id);
            let checked = usecases::check_gate(catalogue, gate, wrong).await;
            let checked = checked.map_err(failed)?;
            let (events, wrong) = (checked.events_checked, checked.gates_wrong);
            self.say(
                || format!("gate: {events} events compared, {wrong} wrong"),
                || json!({ "compared": "gate", "events": events, "wrong": wrong }),
            );
            return Ok(wrong);
        }
        let report = usecases::reconcile_gate(catalogue, gate).await;
        let report = report.map_err(failed)?;
        let (events, rebuilt) = (report.events_checked, report.gates_rebuilt);
        let busy = report.gates_busy;
        self.say(
            || format!("gate: {events} events compared, {rebuilt} rebuilt, {busy} busy"),
            || json!({ "compared": "gate", "events": events, "rebuilt": rebuilt, "busy": busy }),
        );
        Ok(busy)
    }

    fn tell(
        &mut self,
        Found {
            difference,
            repaired,
        }: Found,
    ) {
        self.say(
            || match repaired {
                true => format!("{difference}: repaired"),
                false => format!("{difference}: not repaired"),
            },
            || {
                let mut told = told(difference);
                told["repaired"] = repaired.into();
                told
            },
        );
    }

    fn tell_gate(&mut self, event_id: EventId) {
        self.say(
            || format!("the gate of event {event_id} is wrong: not repaired"),
            || json!({ "difference": "gate", "event_id": event_id, "repaired": false }),
        );
    }

    fn say(&mut self, text: impl FnOnce() -> String, json: impl FnOnce() -> Value) {
        let line = match self.options.format {
            Format::Text => text(),
            Format::Json => json().to_string(),
        };
        if self.unprinted.is_none() {
            self.unprinted = print(&line).err();
        }
    }

    fn end(self) -> Result<(), Failure> {
        self.unprinted.map_or(Ok(()), Err)
    }
}

fn told(difference: Difference) -> Value {
    match difference {
        Difference::Event {
            event_id,
            difference,
        } => {
            let mut told = match difference {
                EventDifference::SeatsAvailable { kept, due } => {
                    let (kept, due) = (kept.get(), due.get());
                    json!({ "difference": "seats_available", "kept": kept, "due": due })
                }
                EventDifference::ConfirmedBookings { kept, due } => {
                    json!({ "difference": "confirmed_bookings", "kept": kept, "due": due })
                }
                EventDifference::Unmarked { bookings } => {
                    json!({ "difference": "unmarked", "bookings": bookings })
                }
                EventDifference::Oversold {
                    capacity,
                    confirmed_seats,
                } => json!({
                    "difference": "oversold",
                    "capacity": capacity.get(), "confirmed_seats": confirmed_seats,
                }),
            };
            told["event_id"] = event_id.get().into();
            told
        }
        Difference::Total(total) => {
            json!({ "difference": "total", "kept": total.kept, "due": total.due })
        }
        Difference::Key(fault) => json!({
            "difference": match fault.kind {
                KeyFaultKind::NoBooking => "key_without_booking",
                KeyFaultKind::AnotherBooking => "key_of_another_booking",
            },
            "user_id": fault.user_id, "booking_id": fault.booking_id,
        }),
    }
}

fn not_reconciled(what: &str, error: &dyn std::error::Error) -> Failure {
    Failure::new(format!("{what} were not compared: {}", with_causes(error)))
}
