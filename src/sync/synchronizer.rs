//! The synchronizer: events in, publications out, and what to ask next. Sans-IO, so that the same
//! code runs under the thread, by hand and under a simulator.
//!
//! Rules:
//! - every call carries a fresh reading of the clock's counter, taken before the call;
//! - facts count only for the question they answer, and only if they were read after it was put;
//! - a disruption drops parameters, windows and every question in flight; later facts alone may end
//!   it;
//! - what was published is the floor of a recovery: `earliest` is never clamped up to it, the
//!   recovery waits for it.

mod config;
mod counter_model;
mod disruption;
mod domains;
mod events;
mod leap_guard;
mod learning;
mod names;
mod recovery;
mod report;
mod tick;

use super::addresses::{Addresses, FIRST_REST, Rest};
use super::schedule::{Pace, Schedule, phase};
use super::status::{Counts, Problem};
use crate::bound::agree::{Agreement, agree};
use crate::bound::excess::{Excess, Lengths};
use crate::bound::params::{AgreedBound, Params};
use crate::bound::window::Window;
use crate::bound::{DisruptionReason, Facts};
use crate::publish::{Content, Publication, Publisher, WORDS};
use crate::source::ntp::ExchangeSettings;
use crate::time::{MonotonicTime, Timescale, Timestamp};
pub(crate) use config::{DomainSetup, SourceSetup, SynchronizerConfig};
pub(crate) use counter_model::CounterModel;
use events::{Events, Waiting};
use leap_guard::{AroundALeap, LeapGuard};
use recovery::{Floor, Gap};
use std::net::SocketAddr;
use std::time::Duration;

/// Decides when to ask which source, and publishes what their facts agree on.
#[derive(Debug)]
pub(crate) struct Synchronizer {
    config: SynchronizerConfig,
    counter: CounterModel,
    sources: Vec<SourceState>,
    publisher: Publisher<WORDS>,
    /// Something was published that the waiters have not been told.
    published: bool,
    phase: Phase,
    incarnation: u32,
    epoch: u32,
    /// Nothing has been published in this epoch.
    epoch_is_fresh: bool,
    next_ask_id: u64,
    last_now: u64,
    last_earliest_ns: Option<i64>,
    leap: LeapGuard,
    excess: Excess,
    counts: Counts,
    events: Events,
}

#[derive(Debug)]
struct SourceState {
    window: Window,
    schedule: Schedule,
    in_flight: Option<InFlight>,
    /// The addresses of its name, where the synchronizer chooses among them.
    addresses: Option<Addresses>,
    /// Where it does not: whether the source has asked to be left alone.
    rest: Rest,
    /// Where it is asked.
    address: Option<SocketAddr>,
    last: Option<Facts>,
    problem: Option<Problem>,
    counts: Counts,
}

#[derive(Clone, Copy, Debug)]
struct InFlight {
    id: AskId,
    asked: u64,
    deadline: u64,
    /// What came for it that was no answer.
    seen: Option<Problem>,
}

#[derive(Debug)]
enum Phase {
    Starting,
    Running(Params),
    /// `gap`: why the last agreement did not end it; `None` without an agreement.
    Disrupted {
        reason: DisruptionReason,
        floor: Floor,
        gap: Option<Gap>,
    },
    Dead,
}

/// The number of one question, never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AskId(u64);

#[cfg(test)]
impl AskId {
    pub(crate) fn for_tests(number: u64) -> AskId {
        AskId(number)
    }
}

/// A question to be put to a source now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ask {
    /// Names the question in [`OwnLoop::answered`](crate::OwnLoop::answered) and
    /// [`failed`](crate::OwnLoop::failed).
    pub id: AskId,
    /// The source, in the order in which sources were given to the builder.
    pub source: usize,
    /// Where to ask it, if its addresses were given by
    /// [`OwnLoop::resolved`](crate::OwnLoop::resolved).
    pub address: Option<SocketAddr>,
    /// After this long the synchronizer counts the question as failed by itself.
    pub timeout: Duration,
    /// How an NTP server's answer is to be read: what the builder was told of the servers, and the
    /// pivot for the era of their stamps, which is the agreed time, or the build before there is
    /// one.
    pub settings: ExchangeSettings,
}

impl Synchronizer {
    pub(crate) fn new(
        config: SynchronizerConfig,
        counter: CounterModel,
        publisher: Publisher<WORDS>,
        now: MonotonicTime,
    ) -> Synchronizer {
        let (scale, margin) = (counter.scale(), counter.margin());
        let (count, leap) = (config.sources.len().max(1), config.leap);
        let pace = |number: usize| Pace {
            poll: scale.ticks(config.poll),
            retry: scale.ticks(RETRY.min(config.poll)),
            slowest: scale.ticks(SLOWEST_POLL),
            polite: scale.ticks(POLITE),
            phase: phase(scale.ticks(config.poll), number, count),
        };
        let sources = (0..config.sources.len()).map(|number| SourceState {
            window: Window::new(margin, scale.ticks(config.window)),
            schedule: Schedule::new(pace(number)),
            in_flight: None,
            addresses: None,
            rest: Rest::default(),
            address: None,
            last: None,
            problem: None,
            counts: Counts::default(),
        });
        Synchronizer {
            sources: sources.collect(),
            excess: Excess::new(Lengths {
                margin,
                most_apart: scale.ticks(CHAIN),
                least_since: scale.ticks(POLITE * 32),
            }),
            epoch_is_fresh: false,
            config,
            counter,
            publisher,
            published: false,
            phase: Phase::Starting,
            incarnation: 0,
            epoch: 0,
            next_ask_id: 0,
            last_now: now.ticks(),
            last_earliest_ns: None,
            leap: LeapGuard::new(leap),
            counts: Counts::default(),
            events: Events::default(),
        }
    }

    /// The next question that is due at reading `now`, if any. Call until `None`.
    pub(crate) fn next_ask(&mut self, now: MonotonicTime) -> Option<Ask> {
        let now = self.advance(now)?;
        if !self.counter.is_usable() {
            return None;
        }
        if matches!(self.phase, Phase::Disrupted { gap: Some(Gap::Behind { .. }), .. }) {
            // The floor of the recovery stands still, the aged agreement rises: it may have got
            // there.
            self.conclude(now);
        }
        let (index, address) = self.choose_source(now)?;
        self.next_ask_id += 1;
        let id = AskId(self.next_ask_id);
        let deadline = now.saturating_add(self.counter.scale().ticks(self.config.timeout));
        let source = &mut self.sources[index];
        source.in_flight = Some(InFlight { id, asked: now, deadline, seen: None });
        source.schedule.asked(now);
        source.counts.asked += 1;
        self.counts.asked += 1;
        Some(Ask {
            id,
            source: index,
            address,
            timeout: self.config.timeout,
            settings: self.exchange_settings(),
        })
    }

    /// How long after reading `now` to call [`next_ask`](Synchronizer::next_ask) again, at the
    /// latest.
    pub(crate) fn wake_after(&self, now: MonotonicTime) -> Duration {
        let due = |source: &SourceState| match source.in_flight {
            Some(flight) => Some(flight.deadline),
            None if !self.counter.is_usable() => None,
            None => source.is_due_at(),
        };
        let rise = match &self.phase {
            // A leap second is over.
            Phase::Running(params) => {
                let end = params.leap.map(|leap| leap.is_over_ns().saturating_sub(1));
                end.and_then(|end| params.earliest.lower_exceeds_at(end, &params.rates))
            }
            // The recovery has this far to go, and nothing more to hear for it.
            Phase::Disrupted { gap: Some(Gap::Behind { by, .. }), .. }
                if self.counter.is_usable() =>
            {
                Some(
                    now.ticks()
                        .saturating_add(self.counter.scale().ticks((*by).max(LEAST_RECOVERY))),
                )
            }
            _ => None,
        };
        let next = self.sources.iter().filter_map(due).chain(rise).min().unwrap_or(u64::MAX);
        // One tick more: a length is rounded down, and a wake before the time would only come
        // again.
        let length =
            self.counter.scale().duration(next.saturating_sub(now.ticks()).saturating_add(1));
        length.min(LONGEST_SLEEP).min(self.config.check_interval)
    }

    /// Whether the question still waits for its answer.
    pub(crate) fn awaits(&self, id: AskId) -> bool {
        self.sources.iter().any(|source| source.in_flight.is_some_and(|flight| flight.id == id))
    }

    /// The question was answered with `facts`. An answer to a question no longer awaited is passed
    /// over.
    pub(crate) fn answered(&mut self, now: MonotonicTime, id: AskId, facts: Facts) {
        let Some(now) = self.advance(now) else { return };
        let Some((index, flight)) = self.take_flight(id) else { return };
        let in_place = facts.before().counter() == self.counter.id()
            && facts.before().incarnation() == self.incarnation
            && facts.before().ticks().saturating_add(self.counter.margin()) >= flight.asked
            && facts.after().ticks() <= now.saturating_add(self.counter.margin());
        if !in_place {
            return self.note_failure(index, Problem::OutOfPlace);
        }
        let facts = if self.config.timescale == Timescale::Utc {
            match self.read_facts(now, index, facts) {
                Some(facts) => facts,
                None => return self.note_failure(index, Problem::LeapSecond),
            }
        } else {
            facts
        };
        let source = &mut self.sources[index];
        source.window.add(&facts, self.counter.rates());
        source.last = Some(facts);
        source.problem = None;
        source.is_alive();
        source.counts.answered += 1;
        self.counts.answered += 1;
        source.schedule.answered();
        self.conclude(now);
    }

    /// The question was not answered. One no longer awaited is passed over.
    pub(crate) fn failed(&mut self, now: MonotonicTime, id: AskId, problem: Problem) {
        // Whatever the reading is worth.
        let _ = self.advance(now);
        if let Some((index, _)) = self.take_flight(id) {
            self.note_failure(index, problem);
        }
    }

    /// Whoever drives the synchronizer will not do so any more: every later reading is an error.
    pub(crate) fn die(&mut self) {
        self.phase = Phase::Dead;
        self.publish_phase();
    }

    /// Takes note of the time: sees the counter go back, questions time out, a leap second pass;
    /// fixes the floor of a recovery. `None` if the reading is of no use.
    fn advance(&mut self, now: MonotonicTime) -> Option<u64> {
        let no_use = now.counter() != self.counter.id() || matches!(self.phase, Phase::Dead);
        // Looked at after the reading: none of after a move that is not noted yet says anything
        // here.
        if no_use || self.config.vm_clock.seems_unnoted() {
            return None;
        }
        let ticks = now.ticks();
        if ticks.saturating_add(self.counter.margin()) < self.last_now {
            let ran_until = std::mem::replace(&mut self.last_now, ticks);
            self.enter_disruption(DisruptionReason::CounterWentBack, Some(ran_until));
            return Some(ticks);
        }
        self.last_now = ticks.max(self.last_now);
        let overlap = self.overlap();
        if let Phase::Disrupted { floor, .. } = &mut self.phase {
            floor.fix(ticks, overlap);
        }
        self.recheck_announcement(ticks);
        self.mind_the_leap(ticks);
        if let Some(age) = self.holdover_age(ticks) {
            self.events.holdover(age);
        }
        for index in 0..self.sources.len() {
            if let Some(flight) =
                self.sources[index].in_flight.filter(|flight| flight.deadline < ticks)
            {
                self.sources[index].in_flight = None;
                self.note_failure(index, flight.seen.unwrap_or(Problem::Timeout));
            }
        }
        Some(ticks)
    }

    /// By how much later readings than one after a publication may still be answered from before
    /// it. On a core that is ahead, or a step later, it is a margin more.
    fn overlap(&self) -> u64 {
        self.counter.scale().ticks(OVERLAP).saturating_add(self.counter.margin() + 1)
    }

    fn take_flight(&mut self, id: AskId) -> Option<(usize, InFlight)> {
        let index =
            self.sources.iter().position(|s| s.in_flight.is_some_and(|flight| flight.id == id))?;
        Some((index, self.sources[index].in_flight.take()?))
    }

    /// Whether anything was published since the last call, and what is to be reported. For whoever
    /// frees the lock.
    pub(crate) fn take_published(&mut self) -> (bool, Waiting) {
        (std::mem::take(&mut self.published), self.events.take())
    }

    /// What the sources agree on at reading `now`, and what follows from it.
    fn conclude(&mut self, now: u64) {
        self.mind_the_leap(now);
        let accepted = match agree(&self.domain_bounds(now), self.config.faulty) {
            Agreement::NoNews => {
                if let Phase::Disrupted { gap, .. } = &mut self.phase {
                    *gap = None;
                }
                return;
            }
            Agreement::Contradiction => Err(DisruptionReason::SourcesDisagree),
            Agreement::Within { earliest_ns, latest_ns, degraded } => {
                let agreed =
                    AgreedBound { at: now, earliest_ns, latest_ns, heard: self.heard(), degraded };
                self.accept(now, &agreed)
            }
        };
        if let Err(reason) = accepted {
            let reason = self.what_broke(now, reason);
            self.enter_disruption(reason, None);
        }
    }

    fn accept(&mut self, now: u64, agreed: &AgreedBound) -> Result<(), DisruptionReason> {
        if matches!(self.phase, Phase::Running(_)) {
            self.learn_rate(now)?;
        }
        if self.stays_refused(agreed) {
            return Ok(());
        }
        let ageing = self.counter.ageing();
        let leap = match self.phase {
            Phase::Running(params) => params.leap,
            _ => match self.leap_to_come(agreed.earliest_ns, agreed.latest_ns) {
                Ok(leap) => leap,
                Err(AroundALeap) => return Ok(()),
            },
        };
        let accepted = match &mut self.phase {
            Phase::Dead => return Ok(()),
            Phase::Starting => {
                Params::first(agreed, ageing, now).ok_or(DisruptionReason::CounterWentBack)
            }
            Phase::Running(params) => params.refine(agreed, ageing),
            Phase::Disrupted { floor, gap, .. } => {
                if let Err(why) =
                    floor.judge(agreed, self.counter.scale(), self.config.max_forward_jump)
                {
                    *gap = Some(why);
                    return Ok(());
                }
                Params::first(agreed, ageing, now).ok_or(DisruptionReason::CounterWentBack)
            }
        };
        let params = accepted?.with_leap(leap);
        self.check_for_excess(agreed)?;
        self.last_earliest_ns = Some(agreed.earliest_ns);
        self.phase = Phase::Running(params);
        self.epoch_is_fresh = false;
        match self.holdover_age(now) {
            Some(age) => self.events.holdover(age),
            None => self.events.agreed(agreed),
        }
        self.counts.published += 1;
        self.publish(Content::Running(params));
        self.pace(now, &params);
        Ok(())
    }

    fn publish_phase(&mut self) {
        self.publish(match self.phase {
            Phase::Starting => Content::NotSynchronized,
            Phase::Running(params) => Content::Running(params),
            Phase::Disrupted { reason, .. } => Content::Disrupted(reason),
            Phase::Dead => Content::ThreadDied,
        });
    }

    fn publish(&mut self, content: Content) {
        let slopes = self.counter.wide();
        let publication = Publication {
            incarnation: self.incarnation,
            epoch: self.epoch,
            slopes,
            trusted: self.counter.is_usable() && !self.is_refused(),
            content,
        };
        self.publisher.publish(publication.encode(self.config.quick_max_age));
        self.published = true;
    }

    fn exchange_settings(&self) -> ExchangeSettings {
        let settings = self.config.exchange;
        let agreed = self.last_earliest_ns.map(Timestamp::from_unix_nanos);
        ExchangeSettings { era_pivot: agreed.unwrap_or(settings.era_pivot), ..settings }
    }
}

/// Between two questions of a burst, and after a first failure. Smaller: impolite to a server in
/// trouble, and to public ones (NIST asks for no more than one question in 4 s). Larger: a lost
/// first packet costs that much.
const RETRY: Duration = Duration::from_secs(4);
/// Four questions take this long. Smaller: impolite to public servers. Larger: a longer wait for
/// the second burst.
const POLITE: Duration = Duration::from_secs(16);
/// Contradictions further apart are not laid to one rate. Smaller: a rate that is little beyond its
/// bound is not found. Larger: pauses of the machine that nobody notices look like one.
const CHAIN: Duration = Duration::from_secs(1_800);
/// The longest interval that kiss-o'-death RATE leads to: 2^10 s, the largest usual poll interval
/// of NTP.
const SLOWEST_POLL: Duration = Duration::from_secs(1024);
/// No driver sleeps longer, so that a schedule is looked at even if a wake was lost.
const LONGEST_SLEEP: Duration = Duration::from_secs(1);
/// A recovery that only waits is looked at no more often.
const LEAST_RECOVERY: Duration = Duration::from_millis(1);
/// How much later than the publication of a disruption a reader's counter reading may lie that was
/// still checked against the old stamp: the processor may load the stamp before it has read the
/// counter, by less than a microsecond. A thousand times that costs a recovery a millisecond.
const OVERLAP: Duration = Duration::from_millis(1);

#[cfg(test)]
mod tests;
