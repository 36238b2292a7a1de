//! Being told how batches go, for whoever counts, and in traces.

use std::time::Duration;

/// Is told of every batch, on the thread that takes it and the one that ends it.
/// Nothing is locked meanwhile, but everybody in the batch waits: it should
/// return at once, and must not panic.
pub trait Observer: Send + Sync {
    /// What the queue is called, in traces.
    fn queue(&self) -> &'static str;

    /// A batch was taken. There is a time for each of its commands: how long it
    /// had waited since it was submitted. One that was put off is told of again,
    /// with all of its waiting.
    fn taken(&self, waited: &mut dyn ExactSizeIterator<Item = Duration>);

    /// A batch has ended, so long after it was taken. Those of its commands that
    /// are answered behind its end may not have their answers yet.
    fn ended(&self, lasted: Duration);
}
