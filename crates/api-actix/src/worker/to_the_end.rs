//! Work that goes on when nobody waits for it any more.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures::FutureExt;
use futures::future::{CatchUnwind, LocalBoxFuture};
use tracing::Instrument;

use super::WokenTogether;
use super::waiting::Place;

/// A defect in the work; the text is the panic's.
#[derive(Debug, thiserror::Error)]
#[error("the work panicked: {0}")]
pub(crate) struct Panicked(String);

impl Panicked {
    fn with(payload: &(dyn Any + Send)) -> Self {
        let text = payload.downcast_ref::<&str>().map(ToString::to_string);
        let text = text.or_else(|| payload.downcast_ref::<String>().cloned());
        Self(text.unwrap_or_else(|| "no text".to_owned()))
    }
}

type Work<T> = WokenTogether<CatchUnwind<AssertUnwindSafe<LocalBoxFuture<'static, T>>>>;

/// Work that begins where it is waited for, and becomes a task of the worker
/// when the waiting is given up: a task for each request would be one turn of
/// the scheduler more on the way in, and one on the way out.
pub(crate) struct ToTheEnd<T: 'static> {
    /// Until it has ended.
    work: Option<Work<T>>,
}

impl<T: 'static> ToTheEnd<T> {
    /// Must be called on a worker, polled and dropped there.
    pub(crate) fn new(place: Place, work: impl Future<Output = T> + 'static) -> Self {
        let work = AssertUnwindSafe(work.boxed_local()).catch_unwind();
        Self {
            work: Some(WokenTogether::new(place, work)),
        }
    }
}

impl<T: 'static> Future for ToTheEnd<T> {
    type Output = Result<T, Panicked>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(work) = &mut self.work else {
            return Poll::Pending;
        };
        let outcome = Pin::new(work).poll(context);
        if outcome.is_ready() {
            self.work = None;
        }
        outcome.map_err(|payload| Panicked::with(&*payload))
    }
}

impl<T: 'static> Drop for ToTheEnd<T> {
    fn drop(&mut self) {
        if let Some(work) = self.work.take() {
            // Its lines go on naming the request.
            actix_web::rt::spawn(work.map(drop).in_current_span());
        }
    }
}
