//! The sync thread: drives the synchronizer with sockets, names and workers. It ends when the last
//! clock handle is dropped.
//!
//! A panic in it is an error of every later reading, never silent ageing: the guard publishes it
//! while unwinding.

use super::locked::SharedSynchronizer;
use super::net::{Net, Outcome};
use super::resolver::{Resolved, resolve};
use super::status::Problem;
use super::synchronizer::Ask;
use super::worker::{self, Questions, Report};
use crate::counter::{Counter, ProcessMark, Scope};
use crate::source::{Source, SourceError};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

/// How each source is asked, in the synchronizer's order.
pub(crate) struct SourcePlan {
    pub(crate) kind: Kind,
}

pub(crate) enum Kind {
    /// `host:port`, resolved beside the thread and again when an address stops answering.
    Ntp {
        server: String,
    },
    Custom(Box<dyn Source>),
}

/// Ends the thread when dropped, without waiting for it.
#[derive(Debug)]
pub(crate) struct Driver {
    waker: Arc<mio::Waker>,
    /// Dropped with the driver; the thread sees the other end closed.
    alive: Option<Sender<()>>,
    process: ProcessMark,
}

impl Drop for Driver {
    fn drop(&mut self) {
        if !self.process.holds() {
            // The parent's thread goes on, and the child takes no lock, not that of a channel
            // either.
            std::mem::forget(self.alive.take());
            return;
        }
        drop(self.alive.take());
        // The thread looks at its own pace, too, should this fail.
        let _ = self.waker.wake();
    }
}

struct SyncThread {
    synchronizer: Arc<SharedSynchronizer>,
    counter: Counter,
    check_interval: Duration,
    net: Net,
    asked: Vec<Asked>,
    resolved: (Sender<Resolved>, Receiver<Resolved>),
    reports: Receiver<Report>,
    alive: Receiver<()>,
}

enum Asked {
    /// A server's name, `host:port`.
    Ntp(String),
    Worker(Questions),
}

/// Starts the thread.
///
/// # Errors
///
/// Where the system has no poll, no thread or no file descriptor left.
pub(crate) fn start(
    synchronizer: Arc<SharedSynchronizer>,
    counter: Counter,
    plans: Vec<SourcePlan>,
    check_interval: Duration,
) -> std::io::Result<Driver> {
    let net = Net::new()?;
    let waker = net.waker();
    let (report, reports) = channel();
    let mut asked = Vec::new();
    for plan in plans {
        asked.push(match plan.kind {
            Kind::Ntp { server } => {
                synchronizer.lock().has_a_name(asked.len());
                Asked::Ntp(server)
            }
            Kind::Custom(source) => {
                let waker = net.waker();
                let wake = move || drop(waker.wake());
                Asked::Worker(worker::spawn(source, counter.clone(), report.clone(), wake)?)
            }
        });
    }
    let (keep_alive, alive) = channel();
    let thread = SyncThread {
        synchronizer,
        counter,
        check_interval,
        net,
        asked,
        resolved: channel(),
        reports,
        alive,
    };
    std::thread::Builder::new().name("sureclock-sync".into()).spawn(move || thread.run())?;
    Ok(Driver { waker, alive: Some(keep_alive), process: ProcessMark::take() })
}

/// Publishes the death of the thread while a panic unwinds.
struct DeathNotice(Arc<SharedSynchronizer>);

impl Drop for DeathNotice {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.lock().die();
        }
    }
}

impl SyncThread {
    fn run(mut self) {
        let _notice = DeathNotice(Arc::clone(&self.synchronizer));
        while !matches!(self.alive.try_recv(), Err(std::sync::mpsc::TryRecvError::Disconnected)) {
            self.synchronizer.check_continuity(&self.counter, Scope::All);
            self.take_addresses();
            self.take_reports();
            self.start_lookups();
            loop {
                let ask = self.synchronizer.lock().next_ask(self.counter.read());
                let Some(ask) = ask else { break };
                self.put(ask);
            }
            // Sockets are closed under no lock.
            self.net.retain(|ask| self.synchronizer.lock().awaits(ask));
            let sleep =
                self.synchronizer.lock().wake_after(self.counter.read()).min(self.check_interval);
            let (synchronizer, counter, mut outcomes) =
                (&self.synchronizer, &self.counter, Vec::new());
            self.net.wait(sleep, counter, |outcome| outcomes.push(outcome));
            // A suspend during the sleep is seen before anything that was read across it counts.
            synchronizer.check_continuity(counter, Scope::All);
            for outcome in outcomes {
                let mut synchronizer = self.synchronizer.lock();
                match outcome {
                    Outcome::Ended(ask, Ok(facts)) => {
                        synchronizer.answered(self.counter.read(), ask, facts)
                    }
                    Outcome::Ended(ask, Err(problem)) => {
                        synchronizer.failed(self.counter.read(), ask, problem)
                    }
                    Outcome::Unusable(ask, problem) => synchronizer.unusable(ask, problem),
                }
            }
        }
    }

    /// Puts a question to its source.
    fn put(&mut self, ask: Ask) {
        let failed = match &mut self.asked[ask.source] {
            Asked::Worker(questions) => questions
                .send((ask.id, Instant::now() + ask.timeout))
                .err()
                .map(|_| Problem::Source(SourceError::Unusable)),
            Asked::Ntp(_) => match ask.address {
                Some(to) => self.net.begin(ask.id, to, &self.counter, ask.settings).err(),
                None => Some(Problem::Unresolved(std::io::ErrorKind::NotFound.into())),
            },
        };
        if let Some(problem) = failed {
            self.synchronizer.lock().failed(self.counter.read(), ask.id, problem);
        }
    }

    /// Has the names looked up that are due.
    fn start_lookups(&mut self) {
        loop {
            let source = self.synchronizer.lock().next_lookup(self.counter.read());
            let Some(source) = source else { break };
            let Asked::Ntp(server) = &self.asked[source] else { continue };
            let waker = self.net.waker();
            let started = resolve(source, server.clone(), self.resolved.0.clone(), move || {
                drop(waker.wake())
            });
            if let Err(error) = started {
                let problem = Problem::Unresolved(error.into());
                self.synchronizer.lock().unresolved(self.counter.read(), source, problem);
            }
        }
        // An address needs no resolver: its answer is there already.
        self.take_addresses();
    }

    /// Takes what the resolver found.
    fn take_addresses(&mut self) {
        while let Ok((source, found)) = self.resolved.1.try_recv() {
            let mut synchronizer = self.synchronizer.lock();
            match found {
                Ok(addresses) => synchronizer.resolved(self.counter.read(), source, &addresses),
                Err(kind) => {
                    synchronizer.unresolved(self.counter.read(), source, Problem::Unresolved(kind))
                }
            }
        }
    }

    fn take_reports(&mut self) {
        while let Ok((ask, result)) = self.reports.try_recv() {
            let mut synchronizer = self.synchronizer.lock();
            match result {
                Ok(facts) => synchronizer.answered(self.counter.read(), ask, facts),
                Err(error) => synchronizer.failed(self.counter.read(), ask, Problem::Source(error)),
            }
        }
    }
}
