//! What an observer is told of batches that run when the test says so.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures::FutureExt;
use group_commit::{GroupCommit, Limits, NotDone, Observer, Slot};

#[derive(Debug, PartialEq, Eq)]
enum Told {
    Taken(Vec<Duration>),
    Ended(Duration),
}

#[derive(Default)]
struct Notes(Mutex<Vec<Told>>);

impl Notes {
    fn take(&self) -> Vec<Told> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn add(&self, told: Told) {
        let mut notes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        notes.push(told);
    }
}

impl Observer for Notes {
    fn queue(&self) -> &'static str {
        "numbers"
    }

    fn taken(&self, waited: &mut dyn ExactSizeIterator<Item = Duration>) {
        let count = waited.len();
        let waited: Vec<_> = waited.collect();
        assert_eq!(waited.len(), count);
        self.add(Told::Taken(waited));
    }

    fn ended(&self, lasted: Duration) {
        self.add(Told::Ended(lasted));
    }
}

type Slots = Arc<Mutex<Vec<Slot<u8, u32, u32>>>>;

/// Slots are kept until the test uses them.
fn bench() -> (GroupCommit<u8, u32, u32>, Slots, Arc<Notes>) {
    let slots = Slots::default();
    let notes = Arc::new(Notes::default());
    let given = Arc::clone(&slots);
    let start = move |slot| {
        let mut slots = given.lock().unwrap_or_else(PoisonError::into_inner);
        slots.push(slot);
    };
    let commands = GroupCommit::observed(Limits::default(), Some(notes.clone()), start);
    (commands, slots, notes)
}

fn next(slots: &Slots) -> Slot<u8, u32, u32> {
    let mut slots = slots.lock().unwrap_or_else(PoisonError::into_inner);
    slots.remove(0)
}

#[test]
fn an_observer_is_told_of_each_batch_and_of_how_long_its_commands_waited() {
    let (commands, slots, notes) = bench();
    let submitted_at = Instant::now();
    let pending = [0, 1, 1].map(|key| commands.submit(key, 7, None).expect("room"));
    let waited_from = Instant::now();
    while waited_from.elapsed() < Duration::from_millis(2) {
        std::hint::spin_loop();
    }
    let waited_min = waited_from.elapsed();
    let mut batch = next(&slots).take().expect("commands wait");
    let waited_max = submitted_at.elapsed();
    let [Told::Taken(waited)] = &notes.take()[..] else {
        panic!("not told of the batch alone");
    };
    assert_eq!(waited.len(), 3);
    let possible = waited_min..=waited_max;
    assert!(
        waited.iter().all(|wait| possible.contains(wait)),
        "{waited:?}"
    );

    for entry in batch
        .take_groups()
        .into_iter()
        .flat_map(|group| group.entries)
    {
        entry.answer(1);
    }
    drop(batch);
    let lasted_max = submitted_at.elapsed() - waited_min;
    let [Told::Ended(lasted)] = &notes.take()[..] else {
        panic!("not told of the end alone");
    };
    assert!(*lasted <= lasted_max, "{lasted:?}");
    assert!(
        pending
            .into_iter()
            .all(|pending| pending.now_or_never() == Some(Ok(1)))
    );
}

#[test]
fn a_slot_that_finds_nothing_to_do_is_no_batch() {
    let (commands, slots, notes) = bench();
    let expired = commands.submit(0, 7, Some(Instant::now())).expect("room");
    assert!(next(&slots).take().is_none());
    assert!(expired.now_or_never().expect("answered").is_err());
    assert_eq!(notes.take(), []);
}

#[test]
fn a_batch_that_panics_has_an_end_too() {
    let (commands, slots, notes) = bench();
    let lost = commands.submit(0, 7, None).expect("room");
    let ran = catch_unwind(AssertUnwindSafe(|| {
        let _batch = next(&slots).take().expect("a command waits");
        std::panic::resume_unwind(Box::new("told to"));
    }));
    assert!(ran.is_err());
    assert_eq!(lost.now_or_never(), Some(Err(NotDone::Lost)));
    let told = notes.take();
    assert!(
        matches!(told[..], [Told::Taken(_), Told::Ended(_)]),
        "{told:?}"
    );
}
