//! `utsavam reconcile`: puts the seat gate right once.

use domain::usecases;

use crate::failure::{Failure, with_causes};
use crate::settings::Settings;
use crate::wiring::{Plan, Schema};

pub(crate) async fn reconcile(settings: Settings) -> Result<(), Failure> {
    if settings.redis.url.is_none() {
        return Err(Failure::new(
            "there is no gate to reconcile from here: the setting redis.url (REDIS_URL) is missing",
        ));
    }
    let services = Plan::try_new(&settings)?
        .open(Schema::MustBeCurrent)
        .await?
        .services;
    let report = usecases::reconcile_gate(&*services.stores.catalogue, &*services.gate.port)
        .await
        .map_err(|error| Failure::new(format!("not reconciled: {}", with_causes(&error))))?;
    println!(
        "events checked: {} gates rebuilt: {} gates busy: {}",
        report.events_checked, report.gates_rebuilt, report.gates_busy
    );
    Ok(())
}
