//! Where each source is asked: the addresses of its name, and who has asked to be left alone.

use super::super::addresses::{
    Addresses, After, BETWEEN_LOOK_UPS, Choice, FIRST_REST, LookUpPace, Taken,
};
use super::super::status::Problem;
use super::{SourceState, Synchronizer};
use crate::source::SourceError;
use crate::source::ntp::Rejected;
use crate::time::MonotonicTime;
use std::net::SocketAddr;

impl Synchronizer {
    /// From now on the synchronizer chooses the address at which this source is asked, out of what
    /// [`resolved`](Synchronizer::resolved) gives. Otherwise whoever asks does.
    pub(crate) fn has_a_name(&mut self, source: usize) {
        let scale = self.counter.scale();
        let pace = LookUpPace {
            between: scale.ticks(BETWEEN_LOOK_UPS),
            first_rest: scale.ticks(FIRST_REST),
        };
        if let Some(source) = self.sources.get_mut(source) {
            source.addresses.get_or_insert_with(|| Addresses::new(pace));
        }
    }

    /// The next source whose name is to be looked up at reading `now`, if any. Call until `None`.
    pub(crate) fn next_lookup(&mut self, now: MonotonicTime) -> Option<usize> {
        let now = self.advance(now)?;
        let index = self.sources.iter_mut().position(|source| {
            let is_due = source.schedule.next() <= now;
            source
                .addresses
                .as_mut()
                .is_some_and(|known| (known.count() > 0 || is_due) && known.take_lookup(now))
        })?;
        let source = &mut self.sources[index];
        if source.addresses.as_ref().is_some_and(|known| known.count() == 0) {
            // What follows if it fails is counted from here.
            source.schedule.asked(now);
        }
        Some(index)
    }

    /// The addresses that the name of a source stands for, in the resolver's order.
    pub(crate) fn resolved(&mut self, now: MonotonicTime, source: usize, addresses: &[SocketAddr]) {
        let ticks = self.advance(now).unwrap_or(self.last_now);
        let Some(source) = self.sources.get_mut(source) else { return };
        let Some(known) = &mut source.addresses else { return };
        let had_none = known.count() == 0;
        known.found(addresses);
        if source.in_flight.is_none()
            && known.count() > 0
            && (had_none || known.has_a_better_one(ticks))
        {
            source.schedule.another_address(ticks);
        }
    }

    /// Whether the resolver has been asked for a source and has not answered.
    #[cfg(feature = "sim")]
    pub(crate) fn is_looking_up(&self, source: usize) -> bool {
        self.sources[source].addresses.as_ref().is_some_and(Addresses::is_being_looked_up)
    }

    /// The name of a source has no address now.
    pub(crate) fn unresolved(&mut self, now: MonotonicTime, index: usize, problem: Problem) {
        let _ = self.advance(now);
        let Some(known) = self.sources.get_mut(index).and_then(|source| source.addresses.as_mut())
        else {
            return;
        };
        known.not_found();
        if known.count() == 0 {
            self.note_failure(index, problem);
        }
    }

    /// The address at which a source is asked from now on, chosen by whoever asks. Two sources at
    /// one address are one failure domain, and the facts of another address are another source's:
    /// they are dropped.
    pub(crate) fn located(&mut self, source: usize, address: SocketAddr) {
        if let Some(source) = self.sources.get_mut(source) {
            source.is_asked_at(address);
        }
    }

    /// Something came for this question that is no answer to it, and does not end it: shown if
    /// nothing better comes.
    pub(crate) fn unusable(&mut self, id: super::AskId, problem: Problem) {
        let flights = self.sources.iter_mut().filter_map(|source| source.in_flight.as_mut());
        flights.filter(|flight| flight.id == id).for_each(|flight| flight.seen = Some(problem));
    }

    /// The source to be asked at reading `now`, with its address where the synchronizer chooses it.
    pub(super) fn choose_source(&mut self, now: u64) -> Option<(usize, Option<SocketAddr>)> {
        for index in 0..self.sources.len() {
            let source = &self.sources[index];
            if source.in_flight.is_some() || source.schedule.next() > now {
                continue;
            }
            if let Some(until) = source.rest.ends_after(now) {
                self.sources[index].schedule.rest_until(until);
                continue;
            }
            let others: Vec<(usize, SocketAddr)> = (0..self.sources.len())
                .filter(|at| *at != index)
                .filter_map(|at| Some((at, self.sources[at].address?)))
                .collect();
            let taken = |address| {
                let by =
                    others.iter().find(|(_, other)| super::domains::same_host(*other, address));
                match by {
                    None => Taken::Free,
                    Some((at, _)) if *at < index => Taken::Earlier,
                    Some(_) => Taken::Later,
                }
            };
            let source = &mut self.sources[index];
            match source.addresses.as_mut().map(|known| known.choose(now, taken)) {
                None => return Some((index, None)),
                Some(Choice::Ask(address)) => {
                    source.is_asked_at(address);
                    return Some((index, Some(address)));
                }
                Some(Choice::Lookup) => {}
                Some(Choice::RestUntil(until)) => {
                    source.schedule.rest_until(until.max(now.saturating_add(1)))
                }
            }
        }
        None
    }

    pub(super) fn note_failure(&mut self, index: usize, problem: Problem) {
        self.events.failed(&self.config.sources[index].name, problem);
        let (now, first_rest) = (self.last_now, self.counter.scale().ticks(FIRST_REST));
        let source = &mut self.sources[index];
        source.problem = Some(problem);
        source.counts.failed += 1;
        self.counts.failed += 1;
        let after = match (asks_for(problem), &mut source.addresses) {
            (Wish::Slower, known) => {
                source.schedule.slow_down();
                match known.as_mut().map_or(After::Pause, |known| known.slowed(now)) {
                    After::AskTheNext => After::AskTheNext,
                    After::Pause => return,
                }
            }
            (Wish::Silence, Some(known)) => known.denied(now),
            (Wish::Silence, None) => {
                source.rest.begin(now, first_rest);
                After::Pause
            }
            (Wish::Nothing, Some(known)) => known.failed(now),
            (Wish::Nothing, None) => After::Pause,
        };
        match after {
            After::AskTheNext => source.schedule.another_address(now),
            After::Pause => source.schedule.failed(),
        }
    }
}

impl SourceState {
    fn is_asked_at(&mut self, address: SocketAddr) {
        if self.address.is_some_and(|old| old != address) {
            self.window.clear();
        }
        self.address = Some(address);
    }

    /// An answer came: whoever gave it is neither left alone nor given up.
    pub(super) fn is_alive(&mut self) {
        self.rest.end();
        if let Some(known) = &mut self.addresses {
            known.answered();
        }
    }

    /// The counter shows `now`, and what it showed before is of no use.
    pub(super) fn rebase(&mut self, now: u64, first_rest: u64) {
        self.schedule.rebase(now);
        self.rest.rebase(now, first_rest);
        if let Some(known) = &mut self.addresses {
            known.rebase(now);
        }
    }

    /// Until when nobody is asked because all have asked for that.
    pub(super) fn rests_until(&self, now: u64) -> Option<u64> {
        self.rest.ends_after(now).or_else(|| self.addresses.as_ref()?.rest_until(now))
    }

    /// When something is to be done for it, as far as the synchronizer knows.
    pub(super) fn is_due_at(&self) -> Option<u64> {
        match &self.addresses {
            Some(known) if known.is_being_looked_up() && known.count() == 0 => None,
            _ => Some(self.schedule.next()),
        }
    }
}

/// What a server, or a source of the user's, asks of its clients. Nothing of this is signed.
enum Wish {
    Nothing,
    Slower,
    Silence,
}

fn asks_for(problem: Problem) -> Wish {
    match problem {
        Problem::Rejected(Rejected::KissOfDeath { code }) if code.forbids() => Wish::Silence,
        Problem::Rejected(Rejected::KissOfDeath { .. })
        | Problem::Source(SourceError::TooOften) => Wish::Slower,
        Problem::Source(SourceError::Denied) => Wish::Silence,
        _ => Wish::Nothing,
    }
}
