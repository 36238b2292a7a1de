//! Ports for servers that do not choose one themselves, or come back to theirs.

use std::net::TcpListener;

/// Above those of `deploy/services.sh`, below those that the system gives to
/// clients: a port that is free stays free while its server is dead.
const PORTS: std::ops::Range<u16> = 25_000..32_000;

/// A port at which nobody listens.
pub(crate) fn free_port() -> u16 {
    loop {
        let port = fastrand::u16(PORTS);
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}
