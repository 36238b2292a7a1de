//! `utsavam health`: asks a running server whether it is alive. For health
//! checks in images that have no other HTTP client.

use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use crate::failure::Failure;
use crate::settings::Settings;

const PATIENCE: Duration = Duration::from_secs(2);

pub(crate) fn ask(settings: &Settings) -> Result<(), Failure> {
    let (host, port) = (reachable(&settings.http.host), settings.http.port);
    let status = status_line(host, port)
        .map_err(|error| Failure::new(format!("no answer from {host}:{port}: {error}")))?;
    if status.starts_with("HTTP/1.1 200") {
        println!("ok");
        Ok(())
    } else {
        Err(Failure::new(format!("{host}:{port} answered {status}")))
    }
}

/// A server that listens on every address is asked on the loopback one.
fn reachable(host: &str) -> &str {
    match host {
        "0.0.0.0" => "127.0.0.1",
        "::" | "[::]" => "::1",
        host => host,
    }
}

fn status_line(host: &str, port: u16) -> std::io::Result<String> {
    let address = (host, port)
        .to_socket_addrs()?
        .next()
        .ok_or_else(|| std::io::Error::other("the host has no address"))?;
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    write!(
        stream,
        "GET /health HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
    )?;
    let mut answer = Vec::new();
    stream.take(1024).read_to_end(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer);
    Ok(answer.lines().next().unwrap_or_default().to_owned())
}
