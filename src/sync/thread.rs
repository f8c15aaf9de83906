//! The sync thread: drives the machine with sockets, names and workers. It ends when the last clock handle is dropped.
//!
//! A panic in it is an error of every later reading, never silent ageing: the guard publishes it while unwinding.

use super::machine::{Ask, AskId};
use super::net::Net;
use super::resolver::{Resolved, resolve};
use super::shared::SharedMachine;
use super::status::Problem;
use super::worker::{self, Questions, Report};
use crate::counter::{Counter, Look, ProcessMark};
use crate::source::{Source, SourceError};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

/// How each source is asked, in the machine's order.
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
            // The parent's thread goes on, and the child takes no lock, not that of a channel either.
            std::mem::forget(self.alive.take());
            return;
        }
        drop(self.alive.take());
        // The thread looks at its own pace, too, should this fail.
        let _ = self.waker.wake();
    }
}

struct SyncThread {
    machine: Arc<SharedMachine>,
    counter: Counter,
    check_interval: Duration,
    net: Net,
    asked: Vec<Asked>,
    resolved: (Sender<Resolved>, Receiver<Resolved>),
    reports: Receiver<Report>,
    alive: Receiver<()>,
}

enum Asked {
    Ntp(Address),
    Worker(Questions),
}

/// The addresses of one server name.
struct Address {
    server: String,
    known: Vec<SocketAddr>,
    current: usize,
    /// Exchanges since the current address last answered.
    unanswered: u32,
    looking_up: bool,
    /// The question that waits for the name to be looked up.
    waiting: Option<Ask>,
    /// The question that was sent to the current address.
    asking: Option<AskId>,
    last_look_up: Option<Instant>,
}

/// Starts the thread.
///
/// # Errors
///
/// Where the system has no poll, no thread or no file descriptor left.
pub(crate) fn start(
    machine: Arc<SharedMachine>,
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
            Kind::Ntp { server } => Asked::Ntp(Address::new(server)),
            Kind::Custom(source) => {
                let waker = net.waker();
                let wake = move || drop(waker.wake());
                Asked::Worker(worker::spawn(source, counter.clone(), report.clone(), wake)?)
            }
        });
    }
    let (keep_alive, alive) = channel();
    let thread = SyncThread { machine, counter, check_interval, net, asked, resolved: channel(), reports, alive };
    std::thread::Builder::new().name("sureclock-sync".into()).spawn(move || thread.run())?;
    Ok(Driver { waker, alive: Some(keep_alive), process: ProcessMark::take() })
}

/// Publishes the death of the thread while a panic unwinds.
struct DeathNotice(Arc<SharedMachine>);

impl Drop for DeathNotice {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.lock().die();
        }
    }
}

impl SyncThread {
    fn run(mut self) {
        let _notice = DeathNotice(Arc::clone(&self.machine));
        while !matches!(self.alive.try_recv(), Err(std::sync::mpsc::TryRecvError::Disconnected)) {
            self.machine.check_continuity(&self.counter, Look::All);
            self.take_addresses();
            self.take_reports();
            loop {
                let ask = self.machine.lock().next_ask(self.counter.read());
                let Some(ask) = ask else { break };
                self.put(ask);
            }
            // Sockets are closed under no lock.
            self.net.retain(|ask| self.machine.lock().awaits(ask));
            let sleep = self.machine.lock().wake_after(self.counter.read()).min(self.check_interval);
            let (machine, counter, mut outcomes) = (&self.machine, &self.counter, Vec::new());
            self.net.wait(sleep, counter, |outcome| outcomes.push(outcome));
            // A suspend during the sleep is seen before anything that was read across it counts.
            machine.check_continuity(counter, Look::All);
            for (ask, result) in outcomes {
                let mut machine = self.machine.lock();
                match result {
                    Ok(facts) => {
                        machine.answered(self.counter.read(), ask, facts);
                        self.asked.iter_mut().for_each(|asked| asked.heard(ask));
                    }
                    Err(problem) => machine.failed(self.counter.read(), ask, problem),
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
            Asked::Ntp(address) => match address.choose() {
                Some(to) => {
                    (address.waiting, address.asking) = (None, Some(ask.id));
                    self.machine.lock().located(ask.source, to);
                    let problem = self.net.begin(ask.id, to, &self.counter, ask.settings).err();
                    if problem.is_some() {
                        address.refused();
                    }
                    problem
                }
                None => {
                    address.waiting = Some(ask);
                    self.look_up(ask.source).err().map(|error| Problem::Unresolved(error.into()))
                }
            },
        };
        if let Some(problem) = failed {
            self.machine.lock().failed(self.counter.read(), ask.id, problem);
        }
    }

    fn look_up(&mut self, source: usize) -> std::io::Result<()> {
        let Asked::Ntp(address) = &mut self.asked[source] else { return Ok(()) };
        if address.looking_up {
            return Ok(());
        }
        (address.looking_up, address.last_look_up) = (true, Some(Instant::now()));
        let waker = self.net.waker();
        let server = address.server.clone();
        let started = resolve(source, server, self.resolved.0.clone(), move || drop(waker.wake()));
        if started.is_err() {
            address.looking_up = false;
        }
        started
    }

    /// Takes what the resolver found, and puts the questions that waited for it.
    fn take_addresses(&mut self) {
        while let Ok((source, found)) = self.resolved.1.try_recv() {
            let Asked::Ntp(address) = &mut self.asked[source] else { continue };
            address.looking_up = false;
            let waiting = address.waiting.take();
            match found {
                Ok(found) => {
                    address.found(found);
                    if let Some(ask) = waiting.filter(|ask| self.machine.lock().awaits(ask.id)) {
                        self.put(ask);
                    }
                }
                Err(kind) => {
                    if let Some(ask) = waiting {
                        self.machine.lock().failed(self.counter.read(), ask.id, Problem::Unresolved(kind));
                    }
                }
            }
        }
    }

    fn take_reports(&mut self) {
        while let Ok((ask, result)) = self.reports.try_recv() {
            let mut machine = self.machine.lock();
            match result {
                Ok(facts) => machine.answered(self.counter.read(), ask, facts),
                Err(error) => machine.failed(self.counter.read(), ask, Problem::Source(error)),
            }
        }
    }
}

impl Asked {
    fn heard(&mut self, ask: AskId) {
        if let Asked::Ntp(address) = self {
            if address.asking == Some(ask) {
                address.unanswered = 0;
            }
        }
    }
}

impl Address {
    fn new(server: String) -> Address {
        Address {
            server,
            known: Vec::new(),
            current: 0,
            unanswered: 0,
            looking_up: false,
            waiting: None,
            asking: None,
            last_look_up: None,
        }
    }

    /// The address to ask now; `None` if the name must be looked up (again) first.
    fn choose(&mut self) -> Option<SocketAddr> {
        if self.unanswered >= UNANSWERED_BEFORE_NEXT && self.known.len() > 1 {
            self.refused();
        }
        let stale = self.unanswered >= UNANSWERED_BEFORE_LOOK_UP
            && self.last_look_up.is_none_or(|at| at.elapsed() >= LEAST_BETWEEN_LOOK_UPS);
        if stale {
            return None;
        }
        let chosen = self.known.get(self.current).copied()?;
        self.unanswered = self.unanswered.saturating_add(1);
        Some(chosen)
    }

    /// The current address is of no use: the next one is tried next.
    fn refused(&mut self) {
        self.current = (self.current + 1) % self.known.len().max(1);
    }

    /// Takes what the name stands for now; an address that still stands stays in use.
    fn found(&mut self, found: Vec<SocketAddr>) {
        let current = self.known.get(self.current).copied();
        // IPv4 and IPv6 in the resolver's order, which is the system's preference.
        self.current = found.iter().position(|a| Some(*a) == current && self.unanswered == 0).unwrap_or(0);
        self.known = found;
        self.unanswered = 0;
    }
}

/// After this many exchanges without an answer the next address of the name is tried.
const UNANSWERED_BEFORE_NEXT: u32 = 2;
/// After this many the name is looked up again.
const UNANSWERED_BEFORE_LOOK_UP: u32 = 4;
/// A name is not looked up more often than this. Smaller: load on resolvers while a server is down.
const LEAST_BETWEEN_LOOK_UPS: Duration = Duration::from_secs(16);
