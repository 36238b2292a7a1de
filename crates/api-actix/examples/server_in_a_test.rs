//! A whole server inside somebody's test: in memory, on a free port, gone
//! afterwards. Here the client under test is a few lines over a socket.
//!
//! Run it with `cargo run -p api-actix --example server_in_a_test`.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Instant;

use api_actix::{Failure, Server, Settings};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let begin = Instant::now();
    let server = Server::start(Settings::in_memory()).await?;
    println!("listening on {} after {:?}", server.url(), begin.elapsed());

    let address = server.addresses()[0];
    let events = tokio::task::spawn_blocking(move || get(address, "/events")).await;
    let events = events
        .expect("the client does not panic")
        .expect("the server answers");
    assert!(events.ends_with("[]"), "an empty store: {events}");
    println!("GET /events of an empty store: []");

    server.stop().await;
    assert!(
        TcpStream::connect(address).is_err(),
        "nobody listens any more"
    );
    println!("stopped after {:?}", begin.elapsed());
    Ok(())
}

fn get(address: SocketAddr, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}
