//! How late a commit wait ends, and what it costs of a processor: beside sleeps, timers of
//! runtimes, a bare wake and a pure spin.
//!
//! `cargo bench --bench commit_wait`; `-- N` takes N waits of each kind instead of 300, `-- --test`
//! a few. With `--features cli` it draws `commit_wait.svg`, but for `--test`.

#[cfg(feature = "cli")]
#[path = "commit_wait/chart.rs"]
mod chart;

use rustix::time::{ClockId, clock_gettime};
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::mpsc;
use std::task::{Context, Poll, Wake};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};
use sureclock::{OwnLoop, SureClock, Timestamp};

#[path = "../tests/support/own_clock.rs"]
#[allow(dead_code, reason = "the tests use the rest")]
mod own_clock;

/// Waits, and gives by how much too long.
type Wait<'a> = Box<dyn Fn() -> Duration + 'a>;

const LENGTHS_US: [u64; 3] = [20, 200, 2_000];

fn main() {
    let mut args = std::env::args().skip(1).filter(|arg| arg != "--bench");
    let count = match args.next().as_deref() {
        None => 300,
        Some("--test") => 5,
        Some(number) => {
            number.parse().unwrap_or_else(|_| panic!("not a number of waits: {number:?}"))
        }
    };
    let (precise, _loop) = clock(Duration::from_micros(200));
    let (sleeping, _loop2) = clock(Duration::ZERO);
    let tokio = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let bare = Bare::start();
    println!(
        "| wait | us | over, median us | p99 us | p99 to a spin's | CPU us a wait |\n|---|---|---|---|---|---|"
    );
    #[cfg(feature = "cli")]
    let mut points = Vec::new();
    for us in LENGTHS_US {
        let length = Duration::from_micros(us);
        let kinds: Vec<(&str, Wait)> = vec![
            ("pure spin", Box::new(move || since(length, || while_spinning(length)))),
            ("std sleep", Box::new(move || since(length, || thread::sleep(length)))),
            (
                "commit wait, blocking",
                Box::new(|| ours(&precise, length, |wait| wait.wait().unwrap())),
            ),
            (
                "commit wait, blocking, no spin",
                Box::new(|| ours(&sleeping, length, |wait| wait.wait().unwrap())),
            ),
            ("a bare unpark", Box::new(|| bare.wake_after(length))),
            (
                "commit wait, async",
                Box::new(|| ours(&precise, length, |wait| block_on(wait).unwrap())),
            ),
            (
                "async-io timer",
                Box::new(move || since(length, || _ = block_on(async_io::Timer::after(length)))),
            ),
            (
                "tokio sleep",
                Box::new(|| {
                    since(length, || tokio.block_on(async { tokio::time::sleep(length).await }))
                }),
            ),
        ];
        // In turns, so that what disturbs the machine disturbs all alike.
        let mut all: Vec<(Vec<Duration>, Duration)> = vec![Default::default(); kinds.len()];
        for _ in 0..count {
            for ((_, wait), (overs, cpu)) in kinds.iter().zip(&mut all) {
                let before = cpu_time();
                overs.push(wait());
                *cpu += cpu_time() - before;
            }
        }
        let mut spins_p99 = None;
        for ((name, _), (mut overs, cpu)) in kinds.iter().zip(all) {
            overs.sort();
            let (median, p99) =
                (us_of(overs[overs.len() / 2]), us_of(overs[overs.len() * 99 / 100]));
            let spins_p99 = *spins_p99.get_or_insert(p99.max(0.001));
            let cpu = us_of(cpu) / overs.len() as f64;
            #[cfg(feature = "cli")]
            points.push(chart::Point { name, length_us: us, over_us: median, cpu_us: cpu });
            println!(
                "| {name} | {us} | {median:.2} | {p99:.1} | {:.2} | {cpu:.0} |",
                p99 / spins_p99
            );
        }
    }
    #[cfg(feature = "cli")]
    if count >= 300 {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/commit_wait.svg");
        chart::draw(path, &points, 2_000).unwrap();
    }
    many(&precise, &tokio, if count < 300 { 100 } else { 10_000 });
    timestamps(&precise, if count < 300 { 1_000 } else { 1_000_000 });
}

/// A clock over this machine's counter that is told the time once: no publication comes between.
fn clock(spin_budget: Duration) -> (SureClock, OwnLoop) {
    own_clock::start(own_clock::builder().spin_budget(spin_budget), Duration::from_micros(100))
        .unwrap()
}

/// By how much a commit wait ends after the moment from which `after` holds.
fn ours(clock: &SureClock, length: Duration, wait: impl FnOnce(sureclock::CommitWait)) -> Duration {
    let t = in_(clock, length);
    wait(clock.wait_until_after(t));
    let late = clock.now().unwrap().earliest().checked_duration_since(t);
    late.expect("a commit wait that ended early")
}

fn in_(clock: &SureClock, length: Duration) -> Timestamp {
    clock.now().unwrap().earliest().checked_add(length).unwrap()
}

fn since(length: Duration, wait: impl FnOnce()) -> Duration {
    let began = Instant::now();
    wait();
    began.elapsed().saturating_sub(length)
}

fn while_spinning(length: Duration) {
    let began = Instant::now();
    while began.elapsed() < length {
        std::hint::spin_loop();
    }
}

/// All threads of the process: a future's timer has one of its own.
fn cpu_time() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ProcessCPUTime)).unwrap()
}

fn us_of(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Unpark>) {
        self.0.unpark();
    }
}

fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let waker = Arc::new(Unpark(thread::current())).into();
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return output;
        }
        thread::park();
    }
}

/// A thread that spins until a moment and unparks: what no waker can be faster than.
struct Bare(mpsc::Sender<(Instant, Thread)>, mpsc::Receiver<()>);

impl Bare {
    fn start() -> Bare {
        let (orders, taken) = mpsc::channel::<(Instant, Thread)>();
        let (done, told) = mpsc::channel();
        thread::spawn(move || {
            for (due, sleeper) in taken {
                while Instant::now() < due {
                    std::hint::spin_loop();
                }
                done.send(()).unwrap();
                sleeper.unpark();
            }
        });
        Bare(orders, told)
    }

    fn wake_after(&self, length: Duration) -> Duration {
        let due = Instant::now() + length;
        self.0.send((due, thread::current())).unwrap();
        while self.1.try_recv().is_err() {
            thread::park();
        }
        due.elapsed()
    }
}

/// Many tasks on one thread that wait for one moment: when the last of them has been woken and has
/// looked.
fn many(clock: &SureClock, tokio: &tokio::runtime::Runtime, count: usize) {
    let t = in_(clock, Duration::from_millis(200));
    let tasks: Vec<_> = (0..count).map(|_| tokio.spawn(clock.wait_until_after(t))).collect();
    tokio.block_on(async {
        for task in tasks {
            task.await.unwrap().unwrap();
        }
    });
    let late = clock.now().unwrap().earliest().checked_duration_since(t).unwrap();
    println!(
        "\n{count} tasks of one moment: the last was done {:.1} ms after it",
        us_of(late) / 1e3
    );
}

/// What a commit timestamp costs on one thread and on two.
fn timestamps(clock: &SureClock, count: u32) {
    let take = || {
        let began = Instant::now();
        (0..count).for_each(|_| _ = std::hint::black_box(clock.commit_timestamp().unwrap()));
        began.elapsed() / count
    };
    let pairs = (0..9).map(|_| {
        let one = take();
        let two = thread::scope(|scope| {
            [scope.spawn(take), scope.spawn(take)].map(|t| t.join().unwrap())
        });
        let (one, two) = (one.as_secs_f64(), two.iter().max().unwrap().as_secs_f64());
        (2.0 * one / two, one)
    });
    let mut ratios: Vec<(f64, f64)> = pairs.collect();
    ratios.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (ratio, one) = ratios[ratios.len() / 2];
    println!(
        "commit_timestamp: {:.0} ns on one thread; two threads give out {ratio:.2} times as many",
        one * 1e9
    );
}
