//! `World`: one true time, machines, servers and a network, from a seed.

use super::calendar::{Calendar, Leap};
use super::dice::Dice;
use super::driver::{self, Driver};
use super::host::{Given, Host, HostState, WallClock};
use super::moment::Moment;
use super::server::{Message, Server};
use super::trace::{Event, Trace};
use crate::builder::BuildError;
use crate::clock::SureClock;
use crate::ntp::Packet;
use crate::time::{Timescale, Timestamp};
use parking_lot::Mutex;
use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

/// A simulated world: true time, machines with clocks of their own, servers, and a network between
/// them.
///
/// One seed is one world: what happens in it is the same on every machine and in every run. Nothing
/// happens by itself: time passes in [`advance`](World::advance) and [`wait`](World::wait) alone
/// (which an act in the middle of a reading may call). The clocks in it are the production code,
/// over a simulated counter and simulated datagrams; a wait that blocks on one
/// ([`CommitWait::wait`](crate::CommitWait::wait)) would not end, for nobody moves the time: use
/// [`wait`](World::wait) or poll.
///
/// # Examples
///
/// A test of a commit protocol between two machines whose oscillators are off by as much as they
/// may be:
///
/// ```
/// use std::time::Duration;
/// use sureclock::sim::{Host, Oscillator, Server, World};
///
/// for seed in 0..20 {
///     let mut world = World::new(seed);
///     for name in ["a", "b", "c"] {
///         world.server(name, Server::honest());
///     }
///     let east = world.clock(Host::named("east").oscillator(Oscillator::steady(200_000)))?;
///     let west = world.clock(Host::named("west").oscillator(Oscillator::steady(-200_000)))?;
///     world.advance(Duration::from_secs(60));
///     let s1 = east.commit_timestamp()?;
///     world.wait(&east.commit_wait(s1), Duration::from_secs(1))?;
///     // The commit is seen, and someone begins another one elsewhere.
///     let s2 = west.commit_timestamp()?;
///     assert!(s1.timestamp() < s2.timestamp(), "{}", world.story());
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct World {
    pub(super) inner: Arc<Mutex<Inner>>,
}

/// All of a world, behind the lock of its handles.
pub(super) struct Inner {
    pub(super) seed: u64,
    pub(super) now: Moment,
    pub(super) dice: Dice,
    pub(super) calendar: Calendar,
    pub(super) hosts: Vec<HostState>,
    pub(super) servers: Vec<ServerState>,
    pub(super) next_exchange: u64,
    pub(super) trace: Trace,
    /// When the last watched reading of a counter was made.
    pub(super) watched_at: Option<Moment>,
    pub(super) exchanges: Option<Vec<super::Exchanged>>,
    queue: BinaryHeap<Queued>,
    next_event: u64,
}

/// A server of a world.
pub(super) struct ServerState {
    pub(super) name: String,
    pub(super) server: Server,
    own_address: SocketAddr,
    /// When it left, too: a copy is not sent before its original.
    last_reply: Option<(Moment, Message)>,
}

/// What is to happen.
enum Occurs {
    Wake { host: usize, number: u64 },
    Request { host: usize, server: usize, exchange: u64, request: [u8; 48] },
    Reply { host: usize, exchange: u64, message: Message },
}

/// Sorted by time, and by the order in which they were planned.
struct Queued {
    at: Moment,
    number: u64,
    occurs: Occurs,
}

impl Ord for Queued {
    /// The earliest is the greatest: a heap gives the greatest first.
    fn cmp(&self, other: &Queued) -> Ordering {
        (other.at, other.number).cmp(&(self.at, self.number))
    }
}

impl PartialOrd for Queued {
    fn partial_cmp(&self, other: &Queued) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Queued {
    fn eq(&self, other: &Queued) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Queued {}

impl World {
    /// The world of `seed`, at 2026-11-23T11:03:00Z and a fraction.
    #[must_use]
    pub fn new(seed: u64) -> World {
        World::starting_at(seed, Timestamp::from_unix_nanos(1_795_431_780_000_000_000))
    }

    /// The world of `seed`, at another time.
    #[must_use]
    pub fn starting_at(seed: u64, time: Timestamp) -> World {
        let mut dice = Dice::new(seed);
        let phase = i128::from(dice.below(1 << 40));
        let now = Moment::from_ns(time.as_unix_nanos()) + Moment(phase);
        let inner = Inner {
            seed,
            now,
            dice,
            calendar: Calendar::default(),
            hosts: Vec::new(),
            servers: Vec::new(),
            next_exchange: 1,
            trace: Trace::new(now),
            watched_at: None,
            exchanges: None,
            queue: BinaryHeap::new(),
            next_event: 0,
        };
        World { inner: Arc::new(Mutex::new(inner)) }
    }

    /// The seed, to be printed where a test fails.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.inner.lock().seed
    }

    /// True time on UTC, rounded down to a nanosecond. During a leap second, the earlier reading.
    #[must_use]
    pub fn true_time(&self) -> Timestamp {
        self.true_time_on(Timescale::Utc)
    }

    /// True time on a timescale, rounded down to a nanosecond.
    #[must_use]
    pub fn true_time_on(&self, timescale: Timescale) -> Timestamp {
        let inner = self.inner.lock();
        inner.calendar.truth(timescale, inner.now).0.timestamp()
    }

    /// Adds a server, or makes the one of this name another from now on.
    pub fn server(&mut self, name: impl Into<String>, server: Server) {
        let (name, mut inner) = (name.into(), self.inner.lock());
        let now = inner.now;
        let server = server.set_at(now);
        if let Some(known) = inner.servers.iter().position(|state| state.name == name) {
            inner.did(None, || format!("{name} becomes {}", server.describe()));
            inner.servers[known].server = server;
            return;
        }
        let number = u32::try_from(inner.servers.len()).unwrap_or(u32::MAX);
        // 198.18.0.0/15: addresses for benchmarks, never hosts of the internet.
        let own_address = (Ipv4Addr::from(0xc612_0001_u32.wrapping_add(number)), 123).into();
        inner.did(None, || format!("{name} is {}", server.describe()));
        inner.servers.push(ServerState { name, server, own_address, last_reply: None });
    }

    /// Adds a machine, and starts a clock on it.
    ///
    /// # Errors
    ///
    /// [`BuildError`], as [`Builder::start`](crate::Builder::start).
    ///
    /// # Panics
    ///
    /// If the host asks a server that is not in the world.
    pub fn clock(&mut self, mut host: Host) -> Result<SureClock, BuildError> {
        let mut inner = self.inner.lock();
        let inner = &mut *inner;
        let names: Vec<String> = inner.servers.iter().map(|state| state.name.clone()).collect();
        let (builder, asks) = host.builder(&names);
        let number = |server: &String| {
            let known = names.iter().position(|name| name == server);
            known.unwrap_or_else(|| {
                panic!("{} asks {server:?}, which is not in the world", host.name)
            })
        };
        let servers: Vec<Vec<usize>> =
            asks.iter().map(|ask| ask.servers.iter().map(number).collect()).collect();
        let (manual, counter) = host.counter();
        let local = host.local_clock(inner.now, &mut inner.dice);
        let check_interval = builder.check_interval_in_force();
        let (clock, synchronizer) = builder.synchronizer_over(counter.clone())?;
        (0..servers.len()).for_each(|source| synchronizer.lock().has_a_name(source));
        let number = inner.hosts.len();
        inner.hosts.push(HostState {
            name: host.name.clone(),
            local,
            manual,
            counter,
            blur: host.blur(),
            synchronizer,
            waiters: Arc::clone(&clock.shared().waiters),
            resolved: vec![Vec::new(); servers.len()],
            servers,
            stalls: host.stalls,
            driver: Driver::new(check_interval),
            stopped_until: inner.now,
            wall: WallClock::default(),
            given: Given::default(),
        });
        inner.did(Some(number), || host.describe());
        inner.show_counter(number);
        inner.wake_host(number, inner.now);
        Ok(clock)
    }

    /// Lets true time pass, and everything happen that is to happen meanwhile.
    pub fn advance(&mut self, by: Duration) {
        let waiters: Vec<_> = {
            let mut inner = self.inner.lock();
            let until = inner.now + Moment::of(by);
            inner.run_until(until);
            inner.hosts.iter().map(|host| Arc::clone(&host.waiters)).collect()
        };
        // Outside the lock: whoever is woken may look at the world.
        waiters.iter().for_each(|waiters| waiters.notify());
    }

    /// A leap second at the end of the UTC day of `day`: honest servers announce it, if they are
    /// to, from 24 hours before.
    ///
    /// # Panics
    ///
    /// At the end of the representable years.
    pub fn leap_second(&mut self, day: Timestamp, inserted: bool, announced: bool) {
        const DAY_NS: i64 = 86_400_000_000_000;
        let midnight = day
            .as_unix_nanos()
            .div_euclid(DAY_NS)
            .checked_add(1)
            .and_then(|days| days.checked_mul(DAY_NS));
        let midnight = Moment::from_ns(midnight.expect("a day within the representable years"));
        self.inner.lock().calendar.leap = Some(Leap { midnight, inserted, announced });
    }

    /// The last events, a line each, for a person.
    #[must_use]
    pub fn story(&self) -> String {
        self.inner.lock().story()
    }

    pub(super) fn host_of(&self, clock: &SureClock) -> usize {
        let number = self.inner.lock().host_of(clock);
        number.expect("the clock is of this world")
    }
}

impl Inner {
    /// Everything until `until`, which becomes now.
    pub(super) fn run_until(&mut self, until: Moment) {
        while self.queue.peek().is_some_and(|first| first.at <= until) {
            if let Some(queued) = self.queue.pop() {
                self.now = queued.at.max(self.now);
                self.occur(queued.occurs);
            }
        }
        self.now = until.max(self.now);
        for host in 0..self.hosts.len() {
            self.show_counter(host);
        }
    }

    fn occur(&mut self, occurs: Occurs) {
        match occurs {
            Occurs::Wake { host, number } if self.hosts[host].driver.wake == number => {
                driver::run(self, host)
            }
            Occurs::Wake { .. } => {}
            Occurs::Request { host, server, exchange, request } => {
                self.answer(host, server, exchange, request)
            }
            Occurs::Reply { host, exchange, message } => {
                if self.hosts[host].driver.receive(exchange, message) {
                    let at = self.now;
                    self.wake_host(host, at);
                }
            }
        }
    }

    fn schedule(&mut self, at: Moment, occurs: Occurs) {
        self.next_event += 1;
        self.queue.push(Queued { at, number: self.next_event, occurs });
    }

    /// Wakes the thread of a host at `at`, and not before.
    pub(super) fn wake_host(&mut self, host: usize, at: Moment) {
        let driver = &mut self.hosts[host].driver;
        driver.wake += 1;
        driver.wake_at = at;
        let number = driver.wake;
        self.schedule(at, Occurs::Wake { host, number });
    }

    /// Moves the counter of a host to now.
    pub(super) fn show_counter(&mut self, host: usize) {
        let state = &mut self.hosts[host];
        let ticks = state.local.ticks(self.now, &mut self.dice);
        let stepped = ticks - ticks % u64::from(state.blur.step);
        let core =
            if state.blur.skew == 0 { 0 } else { self.dice.below(u64::from(state.blur.skew) + 1) };
        state.manual.set(stepped.saturating_add(core));
        state.manual.set_raw_ns(state.local.local_ns(self.now));
    }

    pub(super) fn send_request(
        &mut self,
        host: usize,
        server: usize,
        exchange: u64,
        request: [u8; 48],
    ) {
        self.note(Event::Asked { host, server });
        let arrivals = self.servers[server].server.path.forward(self.now, &mut self.dice);
        if arrivals == [None; 2] {
            self.note(Event::Lost { host, server });
        }
        for at in arrivals.into_iter().flatten() {
            self.schedule(at, Occurs::Request { host, server, exchange, request });
        }
    }

    fn answer(&mut self, host: usize, server: usize, exchange: u64, request: [u8; 48]) {
        let (state, dice) = (&mut self.servers[server], &mut self.dice);
        let Ok(request) = Packet::decode(&request) else { return };
        let leaves = state.server.leaves_at(self.now, dice);
        let Some(mut message) =
            state.server.answer(&request, self.now, leaves, &self.calendar, dice)
        else {
            return;
        };
        let path = state.server.path;
        let mut arrivals = Vec::new();
        if let Some(forged) = path.spoofs(dice).then(|| message.forged(dice)) {
            arrivals.push((leaves, forged));
        }
        if let Some((left, old)) =
            state.last_reply.filter(|(_, old)| path.replays(dice) && old.is_on_the_wire())
        {
            arrivals.push((leaves.max(left), old));
        }
        state.last_reply = Some((leaves, message));
        if path.corrupts(dice) {
            message = message.corrupted(dice);
        }
        let sent = path.back(leaves, dice);
        arrivals.extend(sent.into_iter().flatten().map(|at| (at, message)));
        if sent == [None; 2] {
            self.note(Event::Lost { host, server });
        }
        for (at, message) in arrivals {
            self.schedule(at, Occurs::Reply { host, exchange, message });
        }
    }

    pub(super) fn host_of(&self, clock: &SureClock) -> Option<usize> {
        self.hosts.iter().position(|host| host.counter.id() == clock.counter())
    }

    pub(super) fn note(&mut self, event: Event) {
        self.trace.note(self.now, event);
    }

    pub(super) fn did(&mut self, host: Option<usize>, what: impl FnOnce() -> String) {
        self.note(Event::Did { host, what: what() });
    }

    pub(super) fn record(
        &mut self,
        host: usize,
        source: usize,
        facts: crate::Facts,
        at: crate::MonotonicTime,
    ) {
        if let Some(exchanges) = &mut self.exchanges {
            exchanges.push(super::Exchanged { host, source, facts, at });
        }
    }

    pub(super) fn story(&self) -> String {
        let hosts: Vec<String> = self.hosts.iter().map(|host| host.name.clone()).collect();
        let servers: Vec<String> = self.servers.iter().map(|server| server.name.clone()).collect();
        format!("the world of seed {}:\n{}", self.seed, self.trace.print(&hosts, &servers))
    }
}

impl ServerState {
    pub(super) fn address(&self) -> SocketAddr {
        self.server.address.unwrap_or(self.own_address)
    }
}
