//! Whether a pooler stands between us and PostgreSQL, and whether sessions keep what is theirs.
//!
//! A session of ours has limits that were set once, statements that were prepared once, and
//! for migrations a lock. A pooler that hands a server process to another session after each
//! transaction loses all of them, and nothing that a single session sees proves that it
//! does not. What can be told for certain is that there is a pooler: it invents the process
//! number that the protocol announces, because it has no server process yet.

use std::pin::Pin;
use std::task::{Context, Poll};

use futures::future::{BoxFuture, Either, FutureExt, select};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::tls::{ChannelBinding, TlsConnect, TlsStream};
use tokio_postgres::{Client, Connection, SimpleQueryMessage, Socket};

use crate::connect::describe;
use crate::servers::Session;

/// What stands between us and PostgreSQL, as the operator says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Pooler {
    /// Nothing that knows what a session is.
    #[default]
    None,
    /// A pooler that keeps one server process for each session, as PgBouncer does with
    /// `pool_mode = session`.
    Session,
}

/// How often each of two sessions is asked for its process.
const ROUNDS: usize = 3;

/// A new session and what drives it, whichever stream it is on.
pub(crate) struct Opened {
    client: Client,
    driver: BoxFuture<'static, ()>,
}

impl Session for Opened {
    async fn over<S>(client: Client, connection: Connection<Socket, S>) -> Result<Self, String>
    where
        S: TlsStream + Unpin + Send + 'static,
    {
        let driver = connection.map(|_| ()).boxed();
        Ok(Self { client, driver })
    }
}

impl Opened {
    /// The server process that answers now. By the simple protocol, which prepares nothing.
    async fn process(&mut self) -> Result<i32, String> {
        let asking = self.client.simple_query("SELECT pg_backend_pid()");
        let messages = match select(Box::pin(asking), &mut self.driver).await {
            Either::Left((answer, _)) => answer.map_err(|error| describe(&error))?,
            Either::Right(_) => return Err("the connection broke".to_owned()),
        };
        let process = messages.iter().find_map(|message| match message {
            SimpleQueryMessage::Row(row) => row.get(0)?.parse().ok(),
            _ => None,
        });
        process.ok_or_else(|| "the server does not say which process it is".to_owned())
    }

    /// Whether somebody in between has opened this session.
    ///
    /// # Errors
    /// There was no answer.
    pub(crate) async fn is_pooled(&mut self) -> Result<bool, String> {
        let announced = announced_process(&self.client).await;
        Ok(announced != Some(self.process().await?))
    }
}

/// Whether two sessions that are open are seen to share a server process, or one to change
/// it. `false` proves nothing: others may keep the processes apart.
///
/// # Errors
/// There was no answer.
pub(crate) async fn are_seen_to_share(sessions: [Opened; 2]) -> Result<bool, String> {
    let [mut one, mut other] = sessions;
    let (first, second) = (one.process().await?, other.process().await?);
    let mut share = first == second;
    for _ in 1..ROUNDS {
        share |= one.process().await? != first || other.process().await? != second;
    }
    Ok(share)
}

/// The process number that the server announced when the session began. The driver keeps
/// it for cancelling a statement, so it is read from what would be sent for that.
async fn announced_process(client: &Client) -> Option<i32> {
    let mut sent = Sent::default();
    let token = client.cancel_token();
    token.cancel_query_raw(&mut sent, Unencrypted).await.ok()?;
    // Behind the length and the code of the message, before the secret key.
    let message = sent.0.last_chunk::<16>()?;
    let process = message[8..].first_chunk::<4>()?;
    Some(i32::from_be_bytes(*process))
}

/// Keeps what is written, and answers whoever asks that encryption is available.
#[derive(Default)]
struct Sent(Vec<u8>);

impl AsyncRead for Sent {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        buffer.put_slice(&b"S"[..buffer.remaining().min(1)]);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Sent {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        self.0.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Encrypts nothing: what is written goes nowhere.
struct Unencrypted;

/// As [`Unencrypted`].
struct Plain<'s>(&'s mut Sent);

impl<'s> TlsConnect<&'s mut Sent> for Unencrypted {
    type Stream = Plain<'s>;
    type Error = std::convert::Infallible;
    type Future = std::future::Ready<Result<Plain<'s>, Self::Error>>;

    fn connect(self, sent: &'s mut Sent) -> Self::Future {
        std::future::ready(Ok(Plain(sent)))
    }
}

impl TlsStream for Plain<'_> {
    fn channel_binding(&self) -> ChannelBinding {
        ChannelBinding::none()
    }
}

impl AsyncRead for Plain<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut *self.0).poll_read(context, buffer)
    }
}

impl AsyncWrite for Plain<'_> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut *self.0).poll_write(context, bytes)
    }

    fn poll_flush(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut *self.0).poll_flush(context)
    }

    fn poll_shutdown(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut *self.0).poll_shutdown(context)
    }
}
