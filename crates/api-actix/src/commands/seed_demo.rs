//! `utsavam seed-demo`: makes sure that the demo data exist.

use domain::usecases;

use crate::settings::Settings;
use crate::wiring;

use super::Failure;

pub(crate) async fn seed_demo(settings: Settings) -> Result<(), Failure> {
    let services = wiring::services(&settings).await?;
    let demo = usecases::seed_demo(&*services.demo, &*services.gate)
        .await
        .map_err(|error| Failure::new(format!("no demo data: {}", wiring::with_causes(&error))))?;
    println!("users: {}", demo.emails.join(", "));
    println!("events: {}", demo.event_names.join(", "));
    Ok(())
}
