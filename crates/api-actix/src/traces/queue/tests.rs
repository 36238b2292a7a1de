//! The queue with collectors that take, refuse, or say nothing.

use std::sync::mpsc;
use std::time::Instant;

use opentelemetry::trace::{Span as _, Tracer, TracerProvider};
use opentelemetry_sdk::error::OTelSdkError;
use opentelemetry_sdk::trace::SdkTracerProvider;

use super::*;

/// Takes or refuses what is sent when the test says so.
#[derive(Debug)]
struct Collector {
    /// How many came together.
    came: mpsc::Sender<usize>,
    answers: Mutex<mpsc::Receiver<bool>>,
}

impl SpanExporter for Collector {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let _ = self.came.send(batch.len());
        let answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        match answers.recv() {
            Ok(true) => Ok(()),
            Ok(false) | Err(_) => Err(OTelSdkError::InternalFailure("refused".to_owned())),
        }
    }
}

struct Bench {
    queue: Arc<Queue>,
    provider: SdkTracerProvider,
    came: mpsc::Receiver<usize>,
    answers: mpsc::Sender<bool>,
}

impl Bench {
    fn new() -> Self {
        let (came_here, came) = mpsc::channel();
        let (answers, answers_there) = mpsc::channel();
        let queue = Arc::new(Queue::default());
        let collector = Collector {
            came: came_here,
            answers: Mutex::new(answers_there),
        };
        send(&queue, collector).expect("a thread");
        let entrance = Entrance(Arc::clone(&queue));
        let provider = SdkTracerProvider::builder().with_span_processor(entrance);
        Self {
            provider: provider.build(),
            queue,
            came,
            answers,
        }
    }

    fn spans(&self, count: usize) {
        let tracer = self.provider.tracer("test");
        (0..count).for_each(|_| tracer.start("span").end());
    }

    /// That what comes next is taken, or refused.
    fn answer(&self, is_taken: bool) {
        self.answers.send(is_taken).expect("the thread listens");
    }
}

#[test]
fn what_does_not_fit_is_dropped_and_nobody_waits() {
    let bench = Bench::new();
    bench.spans(TOGETHER_MAX);
    assert_eq!(bench.came.recv(), Ok(TOGETHER_MAX));
    // The collector says nothing from here on.
    bench.spans(WAITING_MAX + 7);
    let counts = bench.queue.counts();
    assert_eq!((counts.sent, counts.dropped, counts.failed), (0, 7, 0));
    bench.answer(true);
    assert_eq!(bench.came.recv(), Ok(TOGETHER_MAX));
    assert_eq!(bench.queue.counts().sent, TOGETHER_MAX as u64);
}

#[test]
fn what_is_refused_counts_as_failed() {
    let bench = Bench::new();
    bench.spans(3);
    assert_eq!(bench.came.recv(), Ok(3));
    bench.answer(false);
    bench.spans(2);
    assert_eq!(bench.came.recv(), Ok(2));
    assert_eq!(bench.queue.counts().failed, 3);
    bench.answer(true);
}

#[test]
fn the_end_sends_what_is_left_and_takes_nothing_any_more() {
    let bench = Bench::new();
    let left = TOGETHER_MAX - 1;
    bench.spans(left);
    bench.answer(true);
    let told = Instant::now();
    block_on(bench.queue.end());
    assert!(told.elapsed() < EVERY, "{:?}", told.elapsed());
    bench.spans(1);
    let expected = SpanCounts {
        sent: left as u64,
        dropped: 1,
        failed: 0,
    };
    assert_eq!(bench.queue.counts(), expected);
}

#[test]
fn enough_to_be_sent_together_waits_for_no_others() {
    let bench = Bench::new();
    let began = Instant::now();
    for _ in 0..8 {
        bench.spans(TOGETHER_MAX);
        assert_eq!(bench.came.recv(), Ok(TOGETHER_MAX));
        bench.answer(true);
    }
    assert!(began.elapsed() < EVERY, "{:?}", began.elapsed());
}
