//! One run of a scenario: a world with clocks that are read again and again, with the laws checked
//! at every reading.

use std::collections::BTreeMap;
use std::time::Duration;
use sureclock::sim::{Dice, Host, Law, Server, Violation, World};
use sureclock::{
    CommitWait, DisruptionReason, NowError, SureClock, TimeInterval, Timescale, Timestamp,
};

pub(crate) type Checked = Result<(), Box<Violation>>;

/// What the runs of a scenario have shown.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    /// Calls of `now()` that were checked.
    pub(crate) readings: u64,
    /// Of these, intervals.
    pub(crate) intervals: u64,
    /// Things done to the world, each with a reading of every clock just before and just after it.
    pub(crate) acts: u64,
    /// Commits whose wait ended.
    pub(crate) commits: u64,
    /// Errors of readings, by kind.
    pub(crate) errors: BTreeMap<&'static str, u64>,
    /// How long after an assumption broke unseen a clock noticed.
    pub(crate) seen_after: Vec<Duration>,
}

impl Tally {
    pub(crate) fn add(&mut self, other: &Tally) {
        self.readings += other.readings;
        self.intervals += other.intervals;
        self.acts += other.acts;
        self.commits += other.commits;
        for (kind, count) in &other.errors {
            *self.errors.entry(kind).or_default() += count;
        }
        self.seen_after.extend(&other.seen_after);
    }
}

/// A commit whose wait is under way.
struct Pending {
    /// The clock.
    of: usize,
    wait: CommitWait,
    /// Its timestamp was given out while an assumption was broken and nobody could know.
    suspect: bool,
}

/// One world of a scenario.
pub(crate) struct Run {
    pub(crate) world: World,
    /// Choices of the scenario, apart from the world's own.
    pub(crate) dice: Dice,
    pub(crate) clocks: Vec<SureClock>,
    pub(crate) tally: Tally,
    /// Readings of each clock in each stretch.
    pub(crate) readings: u64,
    /// A twin's broken protocol: commits are exposed without a wait.
    pub(crate) waits_left_out: bool,
    pending: Vec<Pending>,
    exposed: Option<Timestamp>,
    newest: Vec<Option<Timestamp>>,
}

impl Run {
    /// A run that reads each clock `readings` times in each stretch.
    pub(crate) fn new(seed: u64, readings: u64) -> Run {
        Run {
            world: World::new(seed),
            // Another stream than the world's.
            dice: Dice::new(!seed),
            clocks: Vec::new(),
            tally: Tally::default(),
            readings,
            waits_left_out: false,
            pending: Vec::new(),
            exposed: None,
            newest: Vec::new(),
        }
    }

    pub(crate) fn server(&mut self, name: &str, server: Server) {
        self.world.server(name, server);
    }

    pub(crate) fn clock(&mut self, host: Host) -> SureClock {
        let clock =
            self.world.clock(host).unwrap_or_else(|error| panic!("a scenario's clock: {error}"));
        self.clocks.push(clock.clone());
        self.newest.push(None);
        clock
    }

    /// Lets time pass until every clock has an interval, for a minute at most, and checks
    /// meanwhile.
    pub(crate) fn settle(&mut self) -> Checked {
        for _ in 0..600 {
            self.check()?;
            if self.clocks.iter().all(|clock| clock.now().is_ok()) {
                return Ok(());
            }
            self.world.advance(Duration::from_millis(100));
        }
        Ok(())
    }

    /// Lets `length` pass, and checks at odd times: mostly far apart, sometimes within nanoseconds.
    pub(crate) fn run(&mut self, length: Duration) -> Checked {
        let ns = u64::try_from(length.as_nanos()).unwrap_or(u64::MAX);
        let mut left = ns;
        for left_to_do in (1..=self.readings).rev() {
            let share = left / left_to_do * 2;
            let step = match self.dice.below(8) {
                _ if left_to_do == 1 => left,
                0 => self.dice.below(2_000),
                1 => self.dice.below(2_000_000),
                _ => self.dice.below(share.max(1)),
            };
            let step = step.min(left);
            left -= step;
            self.world.advance(Duration::from_nanos(step));
            self.check()?;
        }
        Ok(())
    }

    /// Does something to the world, with a check just before and just after it.
    pub(crate) fn act(&mut self, act: impl FnOnce(&mut World, &[SureClock])) -> Checked {
        self.check()?;
        act(&mut self.world, &self.clocks);
        self.tally.acts += 1;
        self.check()
    }

    /// Reads every clock, and goes on with their commits.
    pub(crate) fn check(&mut self) -> Checked {
        for at in 0..self.clocks.len() {
            self.check_clock(at)?;
        }
        Ok(())
    }

    fn check_clock(&mut self, at: usize) -> Checked {
        let clock = self.clocks[at].clone();
        let all = self.dice.below(8) == 0;
        let result = if all { self.world.check_all(&clock)? } else { self.world.check(&clock)? };
        self.tally.readings += 1;
        self.tally.intervals += u64::from(result.is_ok());
        if let Err(error) = result {
            *self.tally.errors.entry(kind(error)).or_default() += 1;
        }
        self.end_waits(at)?;
        if self.dice.below(4) == 0 { self.begin_commit(at, &clock) } else { Ok(()) }
    }

    /// A transaction begins: its timestamp is above that of every commit that was seen, and not
    /// before true time.
    fn begin_commit(&mut self, at: usize, clock: &SureClock) -> Checked {
        let Ok(commit) = clock.commit_timestamp() else { return Ok(()) };
        let (s, truth, suspect) =
            (commit.timestamp(), self.truth_of(at), self.world.readings_are_excused(clock));
        let seen = self.exposed.max(self.newest[at]);
        if !suspect {
            if seen.is_some_and(|seen| s <= seen) {
                let what = || format!("{s}, and {} had been seen", seen.unwrap_or(Timestamp::MIN));
                return Err(self.world.violation(Law::CommitsAreOrdered, what));
            }
            if s < truth {
                let what = || format!("{s} is before {truth}, its start");
                return Err(self.world.violation(Law::CommitsAreOrdered, what));
            }
            self.newest[at] = Some(s);
        }
        self.pending.push(Pending { of: at, wait: clock.commit_wait(commit), suspect });
        if self.pending.len() > 8 {
            // Cancelled: the outcome is unknown.
            drop(self.pending.remove(0));
        }
        if self.waits_left_out && !suspect {
            self.expose(s);
        }
        Ok(())
    }

    fn end_waits(&mut self, at: usize) -> Checked {
        let (truth, excused) =
            (self.truth_of(at), self.world.readings_are_excused(&self.clocks[at]));
        let mut ended = Vec::new();
        self.pending.retain(|pending| {
            if pending.of != at {
                return true;
            }
            match pending.wait.check() {
                Ok(false) => true,
                Ok(true) => {
                    ended.push((pending.wait.timestamp(), pending.suspect));
                    false
                }
                // The outcome is unknown.
                Err(_) => false,
            }
        });
        // A wait that ends before anyone can know is beyond the promise; but what was made then
        // must not be exposed later.
        let still_excused = excused && self.world.noticed(&self.clocks[at]).is_none();
        for (s, suspect) in ended.into_iter().filter(|_| !still_excused) {
            if suspect || s > truth {
                let what = || {
                    format!(
                        "{s} is exposed at {truth}; made while an assumption was broken: {suspect}"
                    )
                };
                return Err(self.world.violation(Law::CommitsAreOrdered, what));
            }
            self.expose(s);
            self.tally.commits += 1;
        }
        Ok(())
    }

    fn expose(&mut self, s: Timestamp) {
        self.exposed = self.exposed.max(Some(s));
    }

    fn truth_of(&self, at: usize) -> Timestamp {
        let timescale =
            self.clocks[at].now().map_or(Timescale::Utc, |interval| interval.timescale());
        self.world.true_time_on(timescale)
    }

    /// From now on an assumption is broken unseen on this clock: what it says until it notices is
    /// beyond its promise.
    pub(crate) fn excuse_readings(&mut self, at: usize) {
        let clock = self.clocks[at].clone();
        self.world.excuse_readings(&clock);
    }

    /// The clock, which is excused, notices within `limit` of running time, for one of these
    /// reasons; `standing` of the time since then it stood still.
    pub(crate) fn must_notice(
        &mut self,
        at: usize,
        standing: Duration,
        limit: Duration,
        reasons: &[DisruptionReason],
    ) -> Checked {
        let clock = self.clocks[at].clone();
        let step = (limit / 64).max(Duration::from_micros(10));
        let mut passed = Duration::ZERO;
        while passed <= limit {
            self.check()?;
            if let Some((after, reason)) = self.world.noticed(&clock) {
                self.tally.seen_after.push(after.saturating_sub(standing));
                if reasons.contains(&reason) {
                    return Ok(());
                }
                let what = || format!("noticed for another reason: {reason}");
                return Err(self.world.violation(Law::SeenInTime, what));
            }
            self.world.advance(step);
            passed += step;
        }
        Err(self.world.violation(Law::SeenInTime, || format!("not after {limit:?}")))
    }

    /// The caller's decision after a disruption: time may be seen to go back, and timestamps that
    /// were not exposed count no more.
    pub(crate) fn start_new_epoch(&mut self, at: usize) -> Checked {
        let clock = self.clocks[at].clone();
        if clock.start_new_epoch() {
            self.newest[at] = None;
        }
        self.tally.acts += 1;
        self.check()
    }

    /// What a clock says now, unchecked.
    pub(crate) fn now(&self, at: usize) -> Result<TimeInterval, NowError> {
        self.clocks[at].now()
    }
}

fn kind(error: NowError) -> &'static str {
    match error {
        NowError::NotSynchronized => "not synchronized",
        NowError::Stale { .. } => "stale",
        NowError::TooUncertain { .. } => "too uncertain",
        NowError::Disrupted { reason } => match reason {
            DisruptionReason::SourcesDisagree => "sources disagree",
            DisruptionReason::ContradictsPublished => "contradicts published",
            DisruptionReason::CounterWentBack => "disrupted: counter went back",
            DisruptionReason::Suspended => "suspended",
            DisruptionReason::LeapSecond => "leap second",
            DisruptionReason::Restored => "restored",
            DisruptionReason::CounterJumped => "counter jumped",
            DisruptionReason::ClockSourceChanged => "clock source changed",
            _ => "disrupted",
        },
        NowError::CounterWentBack { .. } => "counter went back",
        NowError::OutOfRange => "out of range",
        _ => "other",
    }
}
