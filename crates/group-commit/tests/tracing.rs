//! The spans of commands and batches that run when the test says so.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use group_commit::{GroupCommit, Limits, Observer, Slot, TRACES};
use tracing::Subscriber;
use tracing::span::{Attributes, Id};
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::registry::{LookupSpan, Registry};
use tracing_subscriber::{Layer, registry};

struct Named;

impl Observer for Named {
    fn queue(&self) -> &'static str {
        "numbers"
    }

    fn taken(&self, _: &mut dyn ExactSizeIterator<Item = Duration>) {}

    fn ended(&self, _: Duration) {}
}

/// What is told of spans, by their names.
#[derive(Clone, Default)]
struct Notes(Arc<Mutex<Vec<String>>>);

impl Notes {
    fn add(&self, note: String) {
        let mut notes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        notes.push(note);
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Layer<Registry> for Notes {
    fn on_new_span(&self, _: &Attributes<'_>, id: &Id, spans: Context<'_, Registry>) {
        let span = spans.span(id).expect("a new one is there");
        let parent = span.parent().map_or("nothing", |parent| parent.name());
        self.add(format!("{} in {parent}", span.name()));
    }

    fn on_follows_from(&self, id: &Id, follows: &Id, spans: Context<'_, Registry>) {
        self.add(format!("{} to {}", name(&spans, id), name(&spans, follows)));
    }

    fn on_close(&self, id: Id, spans: Context<'_, Registry>) {
        self.add(format!("end of {}", name(&spans, &id)));
    }
}

fn name<S>(spans: &Context<'_, S>, id: &Id) -> &'static str
where
    S: Subscriber + for<'s> LookupSpan<'s>,
{
    spans.span(id).expect("it is there").name()
}

type Slots = Arc<Mutex<Vec<Slot<u8, u32, u32>>>>;

/// Slots are kept until the test uses them.
fn bench() -> (GroupCommit<u8, u32, u32>, Slots) {
    let slots = Slots::default();
    let given = Arc::clone(&slots);
    let start = move |slot| {
        let mut slots = given.lock().unwrap_or_else(PoisonError::into_inner);
        slots.push(slot);
    };
    let commands = GroupCommit::observed(Limits::default(), Some(Arc::new(Named)), start);
    (commands, slots)
}

fn next(slots: &Slots) -> Slot<u8, u32, u32> {
    let mut slots = slots.lock().unwrap_or_else(PoisonError::into_inner);
    slots.remove(0)
}

#[test]
fn a_command_that_is_put_off_waits_again_for_a_batch_that_is_linked_too() {
    let notes = Notes::default();
    tracing::subscriber::with_default(registry().with(notes.clone()), || {
        let (commands, slots) = bench();
        let request = tracing::info_span!(target: TRACES, "request");
        let pending = request.in_scope(|| commands.submit(1, 7, None));
        let _pending = pending.expect("room");
        assert_eq!(notes.take(), ["request in nothing", "wait in request"]);

        let mut batch = next(&slots).take().expect("a command waits");
        let taken = [
            "batch in request",
            "batch to request",
            "wait to batch",
            "end of wait",
        ];
        assert_eq!(notes.take(), taken);
        for group in batch.take_groups() {
            batch.put_off(group);
        }
        drop(batch);
        assert_eq!(notes.take(), ["wait in request", "end of batch"]);

        let batch = next(&slots).take().expect("it still waits");
        assert_eq!(notes.take(), taken);
        drop(batch);
        assert_eq!(notes.take(), ["end of batch"]);
        drop(request);
        assert_eq!(notes.take(), ["end of request"]);
    });
}

#[test]
fn where_nobody_is_traced_no_span_is_made() {
    let notes = Notes::default();
    tracing::subscriber::with_default(registry().with(notes.clone()), || {
        let (commands, slots) = bench();
        let span_of_the_log = tracing::info_span!("other");
        let pending = span_of_the_log.in_scope(|| commands.submit(1, 7, None));
        let _pending = pending.expect("room");
        let batch = next(&slots).take().expect("a command waits");
        assert!(batch.span().is_disabled());
        assert_eq!(notes.take(), ["other in nothing"]);
    });
}

#[test]
fn where_nobody_subscribes_no_span_is_made() {
    let (commands, slots) = bench();
    let _pending = commands.submit(1, 7, None).expect("room");
    let batch = next(&slots).take().expect("a command waits");
    assert!(batch.span().is_disabled());
}
