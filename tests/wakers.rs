//! What a user's code does inside the library's threads: it may panic, and ask the clock, and harms
//! itself alone.

use std::future::Future;
use std::panic::panic_any;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};
use sureclock::{
    ExchangeContext, Facts, OwnLoop, Source, SourceError, State, SureClock, Timescale, Timestamp,
};

#[path = "support/own_clock.rs"]
#[allow(dead_code, reason = "every test uses its part")]
mod own_clock;

const LONG: Duration = Duration::from_secs(30);

/// What a panic carries, and panics in its turn when it is dropped.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("the payload of a panic panics");
    }
}

struct Evil;

impl Wake for Evil {
    fn wake(self: Arc<Evil>) {
        panic_any(Bomb);
    }
}

/// Asks everything there is to ask, inside `wake`.
struct Curious(SureClock, mpsc::Sender<()>);

impl Wake for Curious {
    fn wake(self: Arc<Curious>) {
        let Curious(clock, asked) = &*self;
        let _ = (clock.now(), clock.status(), clock.monotonic());
        let far = SureClock::wall_time().assume_true().checked_add(LONG).unwrap();
        let mut other = clock.wait_until_after(far);
        let _ = std::pin::Pin::new(&mut other).poll(&mut Context::from_waker(Waker::noop()));
        drop(other);
        let _ = asked.send(());
    }
}

struct Tell(mpsc::Sender<()>);

impl Wake for Tell {
    fn wake(self: Arc<Tell>) {
        let _ = self.0.send(());
    }
}

/// A clock with a running counter, which is told the time once.
fn own_clock() -> (SureClock, OwnLoop) {
    own_clock::start(own_clock::builder(), Duration::from_millis(1)).unwrap()
}

fn soon(clock: &SureClock, ms: u64) -> Timestamp {
    clock.now().unwrap().latest().checked_add(Duration::from_millis(ms)).unwrap()
}

fn polled(wait: &mut sureclock::CommitWait, waker: &Waker) -> bool {
    std::pin::Pin::new(wait).poll(&mut Context::from_waker(waker)).is_pending()
}

#[test]
fn a_wakers_panic_does_not_end_the_thread_that_wakes_futures() {
    let (clock, _own_loop) = own_clock();
    let (tell, told) = mpsc::channel();
    let (mut evil, mut good) =
        (clock.wait_until_after(soon(&clock, 30)), clock.wait_until_after(soon(&clock, 200)));
    assert!(polled(&mut evil, &Arc::new(Evil).into()));
    assert!(polled(&mut good, &Arc::new(Tell(tell)).into()));
    assert_eq!(told.recv_timeout(LONG), Ok(()), "nobody wakes futures any more");
}

#[test]
fn a_waker_may_ask_the_clock_in_the_thread_that_wakes_futures() {
    let (clock, _own_loop) = own_clock();
    let (tell, told) = mpsc::channel();
    let mut wait = clock.wait_until_after(soon(&clock, 30));
    assert!(polled(&mut wait, &Arc::new(Curious(clock.clone(), tell)).into()));
    assert_eq!(told.recv_timeout(LONG), Ok(()), "it hangs");
}

/// Answers what the OS clock says, once it may.
struct OsClock {
    may: Arc<AtomicBool>,
    asked: Arc<AtomicU32>,
    bombs: u32,
}

impl Source for OsClock {
    fn exchange(&mut self, context: &ExchangeContext) -> Result<Facts, SourceError> {
        let asked = self.asked.fetch_add(1, Ordering::Relaxed);
        if asked < self.bombs {
            panic_any(Bomb);
        }
        if !self.may.load(Ordering::Relaxed) {
            return Err(SourceError::NotSynchronized);
        }
        Ok(own_clock::facts(|| context.reading(), Duration::from_millis(1)))
    }
}

fn with_a_thread(bombs: u32, may: bool) -> (SureClock, Arc<AtomicBool>) {
    let may = Arc::new(AtomicBool::new(may));
    let source = OsClock { may: Arc::clone(&may), asked: Arc::default(), bombs };
    let builder =
        SureClock::builder().source("os", source).max_faulty(0).timescale(Timescale::Smear24h);
    (builder.poll_interval(Duration::from_millis(10)).start().unwrap(), may)
}

/// Registers a waker for the next publication, and lets it come.
fn published_to(waker: Waker) -> SureClock {
    let (clock, may) = with_a_thread(0, false);
    let mut first = Box::pin({
        let clock = clock.clone();
        async move { clock.synchronized().await }
    });
    assert!(matches!(first.as_mut().poll(&mut Context::from_waker(&waker)), Poll::Pending));
    may.store(true, Ordering::Relaxed);
    assert!(clock.wait_synchronized(LONG).is_ok());
    clock
}

#[test]
fn a_wakers_panic_does_not_end_the_sync_thread() {
    let clock = published_to(Arc::new(Evil).into());
    let published = clock.status().counts.published;
    let give_up = Instant::now() + LONG;
    while clock.status().counts.published < published + 2 {
        assert!(
            Instant::now() < give_up && clock.status().state != State::Dead,
            "the sync thread is dead"
        );
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_waker_may_ask_the_clock_in_the_sync_thread() {
    let (tell, told) = mpsc::channel();
    let (clock, may) = with_a_thread(0, false);
    let waker = Waker::from(Arc::new(Curious(clock.clone(), tell)));
    let mut first = pin!(clock.synchronized());
    assert!(first.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    may.store(true, Ordering::Relaxed);
    assert_eq!(told.recv_timeout(LONG), Ok(()), "it hangs");
}

#[test]
fn a_sources_panic_costs_one_exchange_and_not_the_source() {
    let (clock, _) = with_a_thread(2, true);
    assert!(clock.wait_synchronized(LONG).is_ok(), "{:?}", clock.status().sources);
}
