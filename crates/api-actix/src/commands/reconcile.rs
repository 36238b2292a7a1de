//! `utsavam reconcile`: puts the seat gate right once.

use domain::usecases;

use crate::settings::Settings;
use crate::wiring;

use super::Failure;

pub(crate) async fn reconcile(settings: Settings) -> Result<(), Failure> {
    if settings.redis.url.is_none() {
        return Err(Failure::new(
            "there is no gate to reconcile: the setting redis.url (REDIS_URL) is missing",
        ));
    }
    let services = wiring::services(&settings).await?;
    let report = usecases::reconcile_gate(&*services.catalogue, &*services.gate)
        .await
        .map_err(|error| {
            Failure::new(format!("not reconciled: {}", wiring::with_causes(&error)))
        })?;
    println!(
        "events checked: {} gates rebuilt: {} gates busy: {}",
        report.events_checked, report.gates_rebuilt, report.gates_busy
    );
    Ok(())
}
