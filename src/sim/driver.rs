//! The sync thread of a simulated machine: the steps of `sync/thread.rs` in the same order, over
//! simulated datagrams, with room for a stall between any two of them.
//!
//! One run of the loop: look for a suspend; ask the synchronizer what is due, and send it; sleep
//! until a datagram or the end of the sleep; read the datagrams; look for a suspend; report. Every
//! reading of the counter is a step of its own, so that the world can go on between a reading and
//! its use.

use super::host::HostState;
use super::moment::Moment;
use super::server::Message;
use super::trace::Event;
use super::world::Inner;
use crate::Problem;
use crate::bound::Facts;
use crate::counter::Scope;
use crate::ntp::{Exchange, Rejected};
use crate::sync::{Ask, AskId};
use crate::time::{MonotonicTime, Timestamp};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

/// Where the thread of a host is.
#[derive(Debug, Default)]
pub(super) struct Driver {
    step: Step,
    /// What has arrived in its sockets.
    inbox: VecDeque<(u64, Message)>,
    open: Vec<Open>,
    outcomes: VecDeque<Ended>,
    /// Names the wake-up that counts; older ones are stale.
    pub(super) wake: u64,
    pub(super) wake_at: Moment,
    check_interval: Duration,
}

#[derive(Debug, Default)]
enum Step {
    #[default]
    LookForSuspend,
    ReadToAsk,
    Ask(MonotonicTime),
    Begin(Ask),
    Send(u64),
    Rest,
    Sleep,
    ReadDatagram,
    Judge(u64, Message, MonotonicTime, Moment),
    LookAgain,
    ReadToReport,
    Report(MonotonicTime),
}

/// An exchange that is over, and not reported yet.
#[derive(Debug)]
struct Ended {
    source: usize,
    server: usize,
    ask: AskId,
    result: Result<Facts, Problem>,
}

/// An exchange under way, by its number.
#[derive(Debug)]
struct Open {
    number: u64,
    source: usize,
    server: usize,
    ask: AskId,
    exchange: Exchange,
    before: MonotonicTime,
    /// The operating system's clock at `before`, and when the request was sent.
    wall_before: Moment,
    wall_sent: Moment,
}

impl Driver {
    pub(super) fn new(check_interval: Duration) -> Driver {
        Driver { check_interval, ..Driver::default() }
    }

    /// Takes a datagram in; true if the thread sleeps and must be woken for it.
    pub(super) fn receive(&mut self, exchange: u64, message: Message) -> bool {
        self.inbox.push_back((exchange, message));
        matches!(self.step, Step::Sleep)
    }
}

/// How a step ended.
enum Next {
    /// The next step, at once or after a stall.
    Go(Step),
    SleepFor(Duration),
}

/// Runs the thread of `host` until it sleeps or is held up.
pub(super) fn run(inner: &mut Inner, host: usize) {
    loop {
        let state = &mut inner.hosts[host];
        if state.stopped_until > inner.now {
            let until = state.stopped_until;
            return inner.wake_host(host, until);
        }
        inner.show_counter(host);
        let next = step(inner, host);
        inner.notice_disruption(host);
        match next {
            Next::Go(step) => inner.hosts[host].driver.step = step,
            Next::SleepFor(length) => {
                inner.hosts[host].driver.step = Step::Sleep;
                // A timer fires late, never early.
                let late = inner.dice.length(Duration::ZERO, Duration::from_micros(80));
                let until = inner.now + Moment::of(length.saturating_add(late)).max(Moment(1));
                return inner.wake_host(host, until);
            }
        }
        let stalls = inner.hosts[host].stalls;
        if inner.dice.chance_ppm(stalls.ppm) {
            let length = inner.dice.length(Duration::ZERO, stalls.longest);
            inner.did(Some(host), || format!("its thread is held up for {length:?}"));
            let until = inner.now + Moment::of(length).max(Moment(1));
            return inner.wake_host(host, until);
        }
    }
}

/// Ends a call of the synchronizer that is under way: its reading is taken and the synchronizer's
/// lock is held, so nobody comes between.
pub(super) fn end_call(inner: &mut Inner, host: usize) {
    if matches!(inner.hosts[host].driver.step, Step::Ask(_) | Step::Report(_)) {
        if let Next::Go(next) = step(inner, host) {
            inner.hosts[host].driver.step = next;
        }
    }
}

fn step(inner: &mut Inner, host: usize) -> Next {
    let state = &mut inner.hosts[host];
    let read = |state: &HostState| state.counter.reading_of(state.manual.shown());
    match std::mem::take(&mut state.driver.step) {
        Step::LookForSuspend => {
            state.synchronizer.check_continuity(&state.counter, Scope::All);
            Next::Go(Step::ReadToAsk)
        }
        Step::ReadToAsk => Next::Go(Step::Ask(read(state))),
        Step::Ask(now) => {
            start_lookups(inner, host, now);
            match inner.hosts[host].synchronizer.lock().next_ask(now) {
                Some(ask) => Next::Go(Step::Begin(ask)),
                None => Next::Go(Step::Rest),
            }
        }
        Step::Begin(ask) => {
            let is_asked = |server: &&usize| Some(inner.servers[**server].address()) == ask.address;
            let Some(server) = state.servers[ask.source].iter().find(is_asked).copied() else {
                return Next::Go(Step::ReadToAsk);
            };
            let (before, number) = (read(state), inner.next_exchange);
            inner.next_exchange += 1;
            let exchange = Exchange::with_nonce(inner.dice.bits(), before, ask.settings);
            let (source, wall) = (ask.source, state.wall.reads(inner.now));
            let open = Open {
                number,
                source,
                server,
                ask: ask.id,
                exchange,
                before,
                wall_before: wall,
                wall_sent: wall,
            };
            state.driver.open.push(open);
            Next::Go(Step::Send(number))
        }
        Step::Send(number) => {
            let wall = state.wall.reads(inner.now);
            if let Some(open) = state.driver.open.iter_mut().find(|open| open.number == number) {
                open.wall_sent = wall;
                let (request, server) = (open.exchange.request(), open.server);
                inner.send_request(host, server, number, request);
            }
            Next::Go(Step::ReadToAsk)
        }
        Step::Rest => {
            let synchronizer = state.synchronizer.lock();
            state.driver.open.retain(|open| synchronizer.awaits(open.ask));
            let longest = synchronizer.wake_after(read(state)).min(state.driver.check_interval);
            drop(synchronizer);
            if state.driver.inbox.is_empty() {
                Next::SleepFor(longest)
            } else {
                Next::Go(Step::ReadDatagram)
            }
        }
        Step::Sleep => Next::Go(Step::ReadDatagram),
        Step::ReadDatagram => match state.driver.inbox.pop_front() {
            Some((number, message)) => {
                Next::Go(Step::Judge(number, message, read(state), state.wall.reads(inner.now)))
            }
            None => Next::Go(Step::LookAgain),
        },
        Step::Judge(number, message, after, wall) => {
            judge(inner, host, number, &message, after, wall);
            Next::Go(Step::ReadDatagram)
        }
        Step::LookAgain => {
            state.synchronizer.check_continuity(&state.counter, Scope::All);
            Next::Go(Step::ReadToReport)
        }
        Step::ReadToReport if state.driver.outcomes.is_empty() => Next::Go(Step::LookForSuspend),
        Step::ReadToReport => Next::Go(Step::Report(read(state))),
        Step::Report(now) => {
            report(inner, host, now);
            Next::Go(Step::ReadToReport)
        }
    }
}

/// Answers for the resolver, at once: what the names stand for now.
fn start_lookups(inner: &mut Inner, host: usize, now: MonotonicTime) {
    let state = &mut inner.hosts[host];
    let mut synchronizer = state.synchronizer.lock();
    while synchronizer.next_lookup(now).is_some() {}
    for (source, servers) in state.servers.iter().enumerate() {
        let addresses: Vec<SocketAddr> =
            servers.iter().map(|server| inner.servers[*server].address()).collect();
        // A server that has moved is found at once, too, so that a scenario may move it.
        if state.resolved[source] != addresses || synchronizer.is_looking_up(source) {
            synchronizer.resolved(now, source, &addresses);
            state.resolved[source] = addresses;
        }
    }
}

/// What a datagram that was read at `after` is to the exchange it came to. `wall_received`: the
/// operating system's clock then.
fn judge(
    inner: &mut Inner,
    host: usize,
    number: u64,
    message: &Message,
    after: MonotonicTime,
    wall_received: Moment,
) {
    let state = &mut inner.hosts[host];
    let wall_after = state.wall.reads(inner.now);
    // A closed socket receives nothing.
    let Some(at) = state.driver.open.iter().position(|open| open.number == number) else { return };
    let open = &state.driver.open[at];
    let judged = match message {
        Message::Datagram { length, bytes } => open.exchange.receive(&bytes[..*length], after),
        Message::Direct { no_later_than, no_earlier_than, leap } => {
            let (mut upper, mut lower) = (*no_later_than, *no_earlier_than);
            if inner.servers[open.server].server.through_os_clock {
                // w1 + (T2 - T1) and w4 + (T3 - T4), with a thousandth of w4 - w1 for a slew.
                let slack =
                    Moment((wall_after - open.wall_before).0.max(0) / 1000) + Moment::from_ns(1);
                let of = |point: Timestamp| Moment::from_ns(point.as_unix_nanos());
                upper = (open.wall_before + (of(upper) - open.wall_sent) + slack).timestamp();
                lower = (wall_after + (of(lower) - wall_received) - slack).timestamp();
            }
            let facts = Facts::new(open.before, upper, after, lower);
            facts.map(|facts| facts.with_leap(*leap)).map_err(Rejected::Facts)
        }
    };
    let result = match judged {
        Err(rejected) if !rejected.is_final() => {
            return state.synchronizer.lock().unusable(open.ask, Problem::Rejected(rejected));
        }
        Err(rejected) => Err(Problem::Rejected(rejected)),
        Ok(facts) => Ok(facts),
    };
    let open = state.driver.open.swap_remove(at);
    let Open { source, server, ask, .. } = open;
    state.driver.outcomes.push_back(Ended { source, server, ask, result });
}

fn report(inner: &mut Inner, host: usize, now: MonotonicTime) {
    let state = &mut inner.hosts[host];
    let Some(Ended { source, server, ask, result }) = state.driver.outcomes.pop_front() else {
        return;
    };
    let counted = state.synchronizer.lock().awaits(ask);
    let scale = state.counter.scale();
    match result {
        Ok(facts) => {
            state.synchronizer.lock().answered(now, ask, facts);
            let delay =
                scale.duration(facts.after().ticks().saturating_sub(facts.before().ticks()));
            let truth = inner.calendar.truth(crate::Timescale::Utc, inner.now).0.floor_ns();
            let event = Event::Answered {
                host,
                server,
                delay_ns: i64::try_from(delay.as_nanos()).unwrap_or(i64::MAX),
                lower_ns: facts.no_earlier_than().as_unix_nanos().saturating_sub(truth),
                upper_ns: facts.no_later_than().as_unix_nanos().saturating_sub(truth),
            };
            inner.note(event);
            if counted {
                inner.record(host, source, facts, now);
            }
        }
        Err(problem) => {
            state.synchronizer.lock().failed(now, ask, problem);
            inner.note(Event::Failed { host, server, problem });
        }
    }
}
