//! One keep-alive connection of the load process, on which one request at a
//! time is under way.

use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::time::Instant;

use mio::net::TcpStream;
use mio::{Interest, Registry, Token};

use super::requests::Asked;

/// A request under way.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sent {
    pub(crate) asked: Asked,
    /// When it was meant to start, which is where its latency begins.
    pub(crate) due: Instant,
}

/// A connection and what is under way on it.
pub(crate) struct Connection {
    stream: TcpStream,
    /// Bytes of the request that the system has not taken yet.
    outbox: Vec<u8>,
    /// Bytes of an answer that is not whole yet.
    pub(crate) inbox: Vec<u8>,
    pub(crate) sent: Option<Sent>,
    /// Whether the system has taken anything of the last request.
    pub(crate) was_taken: bool,
    /// Whether it is of no use any more.
    pub(crate) is_broken: bool,
}

impl Connection {
    /// Connects and waits for it: before the run, time does not matter.
    ///
    /// # Errors
    /// The server does not take the connection.
    pub(crate) fn open(address: SocketAddr, registry: &Registry, token: Token) -> io::Result<Self> {
        let stream = std::net::TcpStream::connect(address)?;
        stream.set_nonblocking(true)?;
        Self::register(TcpStream::from_std(stream), registry, token)
    }

    /// Begins to connect; a request may be given to it at once.
    ///
    /// # Errors
    /// The system has no more sockets.
    pub(crate) fn begin(
        address: SocketAddr,
        registry: &Registry,
        token: Token,
    ) -> io::Result<Self> {
        Self::register(TcpStream::connect(address)?, registry, token)
    }

    fn register(mut stream: TcpStream, registry: &Registry, token: Token) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        registry.register(&mut stream, token, Interest::READABLE | Interest::WRITABLE)?;
        Ok(Self {
            stream,
            outbox: Vec::new(),
            inbox: Vec::new(),
            sent: None,
            was_taken: false,
            is_broken: false,
        })
    }

    /// Sends a request, or as much of it as the system takes now.
    ///
    /// # Errors
    /// The connection is broken.
    pub(crate) fn send(&mut self, request: &[u8], sent: Sent) -> io::Result<()> {
        self.sent = Some(sent);
        self.was_taken = false;
        let taken = write(&mut self.stream, request)?;
        self.was_taken = taken > 0;
        self.outbox.extend_from_slice(&request[taken..]);
        Ok(())
    }

    /// The system takes bytes again.
    ///
    /// # Errors
    /// The connection is broken.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        if !self.outbox.is_empty() {
            let taken = write(&mut self.stream, &self.outbox)?;
            self.was_taken |= taken > 0;
            self.outbox.drain(..taken);
        }
        Ok(())
    }

    /// Reads what is there; `None` when that is nothing, 0 at the end.
    ///
    /// # Errors
    /// The connection is broken.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        loop {
            match self.stream.read(buffer) {
                Ok(length) => return Ok(Some(length)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// How many of the bytes the system takes now; a connection that is still being
/// made takes none.
fn write(stream: &mut TcpStream, bytes: &[u8]) -> io::Result<usize> {
    let mut taken = 0;
    while taken < bytes.len() {
        match stream.write(&bytes[taken..]) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(length) => taken += length,
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::WouldBlock | ErrorKind::NotConnected
                ) =>
            {
                break;
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(taken)
}
