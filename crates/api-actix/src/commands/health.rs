//! `utsavam health`: asks a running server whether it is alive. For health
//! checks in images that have no other HTTP client.

use std::time::Duration;

use crate::failure::Failure;
use crate::plain_http::{self, reachable};
use crate::settings::Settings;

const PATIENCE: Duration = Duration::from_secs(2);

pub(crate) fn ask(settings: &Settings) -> Result<(), Failure> {
    let (host, port) = (reachable(&settings.http.host), settings.http.port);
    let answer = plain_http::get(host, port, "/health", PATIENCE)
        .map_err(|error| Failure::new(format!("no answer from {host}:{port}: {error}")))?;
    if answer.is_ok() {
        println!("ok");
        Ok(())
    } else {
        let status = answer.status_line;
        Err(Failure::new(format!("{host}:{port} answered {status}")))
    }
}
