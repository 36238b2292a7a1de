//! `utsavam migrate`: brings the database to the schema of this version.

use adapters_postgres::{Database, MigrateError, Migrated, PgSettings};

use crate::settings::Settings;
use crate::wiring::{Plan, with_causes};

use super::Failure;

pub(crate) async fn migrate(settings: Settings) -> Result<(), Failure> {
    let plan = Plan::try_new(&settings)?;
    // Waits until the database answers, which migrating itself does not.
    plan.connect().await?;
    println!("{}", describe(run(&plan.database).await?));
    Ok(())
}

pub(crate) async fn run(database: &PgSettings) -> Result<Migrated, Failure> {
    adapters_postgres::migrate(database)
        .await
        .map_err(|error| match error {
            MigrateError::Refused(_) => Failure::new(error.to_string()),
            error => Failure::new(format!("the database was not migrated: {error}")),
        })
}

/// # Errors
/// The database lacks a migration, or does not answer.
pub(crate) async fn require_current(database: &Database) -> Result<(), Failure> {
    let current = adapters_postgres::schema_is_current(database)
        .await
        .map_err(|error| {
            Failure::new(format!(
                "the schema cannot be checked: {}",
                with_causes(&error)
            ))
        })?;
    if current {
        return Ok(());
    }
    Err(Failure::new(
        "the schema of the database is not current: run `utsavam migrate`, \
         or allow it with the setting database.migrate_on_start=true",
    ))
}

fn describe(migrated: Migrated) -> String {
    match migrated {
        Migrated::Nothing => "the schema is current".to_owned(),
        Migrated::Applied(1) => "1 migration applied".to_owned(),
        Migrated::Applied(n) => format!("{n} migrations applied"),
        Migrated::Adopted {
            users,
            events,
            bookings,
        } => format!(
            "database of the Python service taken over: {users} users, {events} events, {bookings} bookings"
        ),
    }
}
