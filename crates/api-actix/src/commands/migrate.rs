//! `utsavam migrate`: brings the database to the schema of this version.

use crate::failure::Failure;
use crate::settings::Settings;
use crate::wiring::{Plan, Schema};

pub(crate) async fn migrate(settings: Settings) -> Result<(), Failure> {
    let opened = Plan::try_new(&settings)?.open(Schema::Migrate).await?;
    println!("{}", opened.migration);
    Ok(())
}
