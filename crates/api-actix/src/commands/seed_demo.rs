//! `utsavam seed-demo`: makes sure that the demo data exist.

use domain::usecases;

use crate::failure::{Failure, with_causes};
use crate::settings::Settings;
use crate::wiring::{Plan, Schema};

pub(crate) async fn seed_demo(settings: Settings) -> Result<(), Failure> {
    let services = Plan::try_new(&settings)?
        .open(Schema::MustBeCurrent)
        .await?
        .services;
    let demo = usecases::seed_demo(&*services.stores.demo, &*services.gate.port)
        .await
        .map_err(|error| Failure::new(format!("no demo data: {}", with_causes(&error))))?;
    println!("users: {}", demo.emails.join(", "));
    println!("events: {}", demo.event_names.join(", "));
    Ok(())
}
