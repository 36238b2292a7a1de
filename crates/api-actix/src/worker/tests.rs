use std::cell::Cell;
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::thread;

use actix_web::rt;
use futures::FutureExt;
use futures::future::join_all;
use tokio::sync::oneshot;
use tokio::task::yield_now;

use super::{ToTheEnd, Waiting, WokenTogether};

const MANY: usize = 100;

/// A worker of its own: one thread, as a worker of the server has it.
fn on_a_worker<T>(work: impl Future<Output = T>) -> T {
    rt::Runtime::new().expect("a runtime").block_on(work)
}

fn room() -> Arc<Waiting> {
    Waiting::new(10 * MANY)
}

/// Work that waits for somebody on another thread.
fn asked_elsewhere() -> (oneshot::Sender<usize>, oneshot::Receiver<usize>) {
    oneshot::channel()
}

type KeptWaker = Arc<Mutex<Option<Waker>>>;

/// Never ends, and gives its waker away.
fn keep_waker(kept: &KeptWaker) -> impl Future<Output = ()> + Unpin + 'static {
    let kept = kept.clone();
    poll_fn(move |context| {
        *kept.lock().expect("is there") = Some(context.waker().clone());
        Poll::Pending
    })
}

fn wake(kept: &KeptWaker) {
    kept.lock()
        .expect("is there")
        .take()
        .expect("a waker")
        .wake();
}

/// Looks once.
fn poll<F: Future + Unpin>(work: &mut F) -> Poll<F::Output> {
    work.poll_unpin(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn every_answer_from_another_thread_arrives() {
    on_a_worker(async {
        let room = room();
        let (senders, works): (Vec<_>, Vec<_>) = (0..MANY)
            .map(|_| {
                let (sender, answer) = asked_elsewhere();
                let place = room.enter().expect("room");
                (sender, WokenTogether::new(place, answer))
            })
            .unzip();
        let sending = thread::spawn(move || {
            for (number, sender) in senders.into_iter().enumerate() {
                sender.send(number).expect("somebody waits");
            }
        });
        let answers = join_all(works).await;
        sending.join().expect("the sender ends");
        let answers: Vec<_> = answers.into_iter().map(Result::unwrap).collect();
        assert_eq!(answers, (0..MANY).collect::<Vec<_>>());
        // A single one too, while nothing else is on.
        let (sender, answer) = asked_elsewhere();
        let work = rt::spawn(WokenTogether::new(room.enter().expect("room"), answer));
        yield_now().await;
        thread::spawn(move || sender.send(7))
            .join()
            .expect("is there")
            .expect("is there");
        assert_eq!(work.await.expect("is there"), Ok(7));
    });
}

#[test]
fn answers_do_not_stand_behind_new_requests() {
    on_a_worker(async {
        // Tasks that are always ready, as connections with requests are.
        let polls = Rc::new(Cell::new(0));
        let busy: Vec<_> = (0..8)
            .map(|_| {
                let polls = polls.clone();
                rt::spawn(async move {
                    poll_fn(|context| {
                        polls.set(polls.get() + 1);
                        context.waker().wake_by_ref();
                        Poll::<()>::Pending
                    })
                    .await;
                })
            })
            .collect();
        let room = room();
        let (senders, works): (Vec<_>, Vec<_>) = (0..MANY)
            .map(|_| {
                let (sender, answer) = asked_elsewhere();
                let work = WokenTogether::new(room.enter().expect("room"), answer);
                (sender, rt::spawn(work))
            })
            .unzip();
        yield_now().await;
        let answering = thread::spawn(|| {
            senders
                .into_iter()
                .for_each(|sender| sender.send(1).expect("is there"))
        });
        answering.join().expect("all are answered");
        let before = polls.get();
        join_all(works).await;
        let meanwhile = polls.get() - before;
        busy.into_iter().for_each(|task| task.abort());
        // One by one, every answer would wait for up to 31 of them.
        assert!(meanwhile < MANY, "{meanwhile} requests went first");
    });
}

#[test]
fn an_answer_ends_the_waiting_before_the_worker_looks_at_it() {
    on_a_worker(async {
        let one = Waiting::new(1);
        let (sender, answer) = asked_elsewhere();
        let mut work = WokenTogether::new(one.enter().expect("room"), answer);
        assert!(poll(&mut work).is_pending());
        assert!(one.enter().is_none(), "one waits");
        thread::spawn(move || sender.send(1))
            .join()
            .expect("is there")
            .expect("is there");
        assert!(one.enter().is_some(), "nobody waits");
        assert_eq!(work.await, Ok(1));
    });
}

#[test]
fn work_that_waits_twice_counts_twice() {
    on_a_worker(async {
        let one = Waiting::new(1);
        let (first, at_gate) = asked_elsewhere();
        let (second, at_store) = asked_elsewhere();
        let both = async { at_gate.await.expect("is there") + at_store.await.expect("is there") }
            .boxed_local();
        let mut work = WokenTogether::new(one.enter().expect("room"), both);
        assert!(poll(&mut work).is_pending());
        first.send(1).expect("is there");
        assert!(poll(&mut work).is_pending());
        assert!(one.enter().is_none(), "it waits for the store");
        second.send(2).expect("is there");
        assert!(one.enter().is_some(), "nobody waits");
        assert_eq!(work.await, 3);
    });
}

#[test]
fn what_is_not_waited_for_any_more_leaves_its_place() {
    on_a_worker(async {
        let one = Waiting::new(1);
        let kept = Arc::default();
        let mut work = WokenTogether::new(one.enter().expect("room"), keep_waker(&kept));
        assert!(poll(&mut work).is_pending());
        assert!(one.enter().is_none());
        drop(work);
        assert!(one.enter().is_some(), "although somebody may still wake it");
    });
}

#[test]
fn work_goes_on_when_its_client_is_gone() {
    on_a_worker(async {
        let one = Waiting::new(1);
        let (sender, answer) = asked_elsewhere();
        let (done, is_done) = oneshot::channel();
        let mut work = ToTheEnd::new(one.enter().expect("room"), async move {
            let number = answer.await.expect("is there");
            yield_now().await;
            done.send(number).expect("is there");
        });
        assert!(poll(&mut work).is_pending());
        drop(work);
        assert!(one.enter().is_none(), "it still waits for its answer");
        thread::spawn(move || sender.send(7))
            .join()
            .expect("is there")
            .expect("is there");
        assert_eq!(is_done.await, Ok(7));
        yield_now().await;
        assert!(one.enter().is_some());
    });
}

#[test]
fn a_panic_is_an_error_and_hurts_no_other_work() {
    on_a_worker(async {
        let room = room();
        let place = || room.enter().expect("room");
        let panicked = ToTheEnd::new(place(), async { panic!("no such seat") }).await;
        let error: Result<(), _> = panicked;
        assert_eq!(
            error.expect_err("it panicked").to_string(),
            "the work panicked: no such seat"
        );
        // Also where nobody is left to be told.
        let mut left = ToTheEnd::new(place(), async {
            yield_now().await;
            panic!("no such seat");
        });
        assert!(poll(&mut left).is_pending());
        drop::<ToTheEnd<()>>(left);
        yield_now().await;
        assert_eq!(
            ToTheEnd::new(place(), async { 1 }).await.expect("is there"),
            1
        );
    });
}

#[test]
fn nothing_is_kept_for_a_worker_that_has_ended() {
    let room = room();
    let (before, after) = (Arc::default(), Arc::default());
    let places = [room.enter().expect("room"), room.enter().expect("room")];
    let wakers = [Arc::clone(&before), Arc::clone(&after)];
    let worker = thread::spawn(move || {
        on_a_worker(async move {
            for (place, waker) in places.into_iter().zip(wakers) {
                rt::spawn(WokenTogether::new(place, keep_waker(&waker)));
            }
            yield_now().await;
            // The postman has no time for this one.
            thread::spawn(move || wake(&before))
                .join()
                .expect("is there");
        });
    });
    worker.join().expect("the worker ends in peace");
    wake(&after);
    assert_eq!(Arc::strong_count(&room), 1, "the places are gone");
}
