//! The laws that every reading obeys, and the witness that checks them: it knows true time.

use super::moment::Moment;
use super::world::{Inner, World};
use crate::bound::{AtError, DisruptionReason, Facts, NowError};
use crate::clock::SureClock;
use crate::commit::{CommitWait, WaitError};
use crate::time::{MonotonicTime, TimeInterval, Timestamp};
use std::fmt;
use std::time::Duration;

/// What a clock promised and did not keep, with the story of the world and how to live it again.
#[derive(Clone)]
pub struct Violation {
    /// The law.
    pub law: Law,
    /// The world's seed: the same program over the same seed does the same.
    pub seed: u64,
    /// The numbers.
    pub what: String,
    /// The last events of the world, a line each.
    pub story: String,
}

/// The laws.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Law {
    /// True time is inside the interval.
    Containment,
    /// `earliest` never goes back within an epoch; where the counters of the cores differ, by no
    /// more than they do.
    EarliestNeverGoesBack,
    /// What `after` calls past is past, and stays so within the epoch (not checked where the
    /// counters of the cores differ).
    AfterIsPast,
    /// What `before` calls future is future.
    BeforeIsFuture,
    /// True time at an earlier reading is inside the interval that `at` gives.
    AtContainsThen,
    /// The elapsed time is within its bounds.
    ElapsedIsBounded,
    /// A broken assumption is noticed in the time that its kind allows.
    SeenInTime,
    /// With the assumptions kept and enough sources answering, there is an answer, and a good one.
    Usefulness,
    /// A transaction that begins after another was seen has the larger timestamp.
    CommitsAreOrdered,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Violation { law, seed, what, story } = self;
        write!(f, "{law:?} is violated in the world of seed {seed}: {what}\n{story}")
    }
}

// `unwrap` in a test prints this.
impl fmt::Debug for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Violation {}

/// An exchange whose facts a synchronizer counted, for an oracle that is to know the same. From
/// [`World::exchanges`].
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Exchanged {
    /// The host, in the order in which clocks were added.
    pub host: usize,
    /// The source, in the host's order.
    pub source: usize,
    /// The facts.
    pub facts: Facts,
    /// The reading at which the synchronizer took them in.
    pub at: MonotonicTime,
}

impl World {
    /// Reads a clock, and checks containment and that `earliest` does not go back.
    ///
    /// # Errors
    ///
    /// [`Violation`]. The inner result is what [`now`](SureClock::now) gave: an error of a clock is
    /// no violation.
    pub fn check(
        &mut self,
        clock: &SureClock,
    ) -> Result<Result<TimeInterval, NowError>, Box<Violation>> {
        let host = self.host_of(clock);
        let (began_in, result) = (clock.epoch(), clock.now());
        let epoch = clock.epoch();
        let mut inner = self.inner.lock();
        let read_at = inner.end_watch(host);
        inner.notice_state(host, &result);
        if inner.hosts[host].given.epoch != epoch {
            let given = &mut inner.hosts[host].given;
            (given.epoch, given.earliest_ns, given.past_ns) = (epoch, None, None);
            given.earliest_before_excuse_ns = None;
        }
        // A new epoch may have begun in the middle of the reading: it is of either.
        let of_either = began_in != epoch;
        inner.notice_disruption(host);
        let Ok(interval) = result else { return Ok(result) };
        let excused = inner.hosts[host].given.excused_since.is_some();
        let truth = inner.calendar.truth(interval.timescale(), read_at);
        if !excused && !contains(&interval, truth) {
            return Err(inner.violation(Law::Containment, || {
                format!("{interval:#}, and it is {}", span(truth))
            }));
        }
        let earliest = interval.earliest().as_unix_nanos();
        // Cores whose counters differ show `earliest` as of a time that much sooner.
        let state = &inner.hosts[host];
        let skew = state.local.scale().duration(u64::from(state.blur.skew)).as_nanos();
        let allowed =
            i64::try_from(skew).unwrap_or(i64::MAX).saturating_add(i64::from(state.blur.skew > 0));
        let given = state.given.earliest_ns.unwrap_or(i64::MIN);
        if !excused && !of_either && earliest < given.saturating_sub(allowed) {
            let what = || {
                format!("{interval:#}, and {} had been given", Timestamp::from_unix_nanos(given))
            };
            return Err(inner.violation(Law::EarliestNeverGoesBack, what));
        }
        if !of_either {
            inner.hosts[host].given.earliest_ns = Some(earliest.max(given));
        }
        Ok(result)
    }

    /// As [`check`](World::check), and asks everything else that a clock answers: `after` and
    /// deadlines, `before`, `at` and `elapsed`.
    ///
    /// # Errors
    ///
    /// [`Violation`].
    pub fn check_all(
        &mut self,
        clock: &SureClock,
    ) -> Result<Result<TimeInterval, NowError>, Box<Violation>> {
        let host = self.host_of(clock);
        let result = self.check(clock)?;
        let reading = clock.monotonic();
        let mut inner = self.inner.lock();
        let now = inner.now;
        let timescale = result.map_or(crate::Timescale::Utc, |interval| interval.timescale());
        let truth = inner.calendar.truth(timescale, now);
        let skewed = inner.hosts[host].blur.skew > 0;
        if inner.hosts[host].given.excused_since.is_some() {
            return Ok(result);
        }
        if let Ok(interval) = result {
            // A nanosecond on either side of the ends: where an answer is likeliest to be wrong.
            let (earliest, latest) =
                (interval.earliest().as_unix_nanos(), interval.latest().as_unix_nanos());
            for ns in [
                earliest.saturating_sub(1),
                earliest,
                truth.0.floor_ns(),
                latest,
                latest.saturating_add(1),
            ] {
                let t = Timestamp::from_unix_nanos(ns);
                if clock.after(t) == Ok(true) {
                    if Moment::from_ns(ns) >= truth.0 {
                        return Err(inner.violation(Law::AfterIsPast, || {
                            format!("{t}, and it is {}", span(truth))
                        }));
                    }
                    let past = &mut inner.hosts[host].given.past_ns;
                    *past = (*past).max(Some(ns));
                }
                if clock.before(t) == Ok(true) && Moment::from_ns(ns) <= truth.1 {
                    return Err(inner.violation(Law::BeforeIsFuture, || {
                        format!("{t}, and it is {}", span(truth))
                    }));
                }
            }
        }
        if let Some(mut deadline) = inner.hosts[host].given.deadline.take() {
            // It was worked out long ago; `after` is worked out now, at the same reading where the
            // cores agree.
            let (t, is_past) = (deadline.timestamp(), deadline.is_past());
            let wrong = is_past == Ok(true) && Moment::from_ns(t.as_unix_nanos()) >= truth.0;
            if wrong || !skewed && is_past != clock.after(t) {
                let what =
                    || format!("a deadline at {t} says {is_past:?}, and it is {}", span(truth));
                return Err(inner.violation(Law::AfterIsPast, what));
            }
            if !inner.dice.chance_ppm(100_000) {
                inner.hosts[host].given.deadline = Some(deadline);
            }
        } else if let Ok(interval) = result {
            let ahead = inner.dice.length(Duration::ZERO, Duration::from_secs(20));
            let t = interval.earliest().checked_add(ahead);
            inner.hosts[host].given.deadline = t.map(|t| clock.deadline(t));
        }
        if let (Some(past), false) = (inner.hosts[host].given.past_ns, skewed) {
            let t = Timestamp::from_unix_nanos(past);
            if clock.after(t) == Ok(false) {
                return Err(
                    inner.violation(Law::AfterIsPast, || format!("{t} was past, and is no more"))
                );
            }
        }
        if let Some((then, moment)) = inner.hosts[host].given.reading {
            match clock.at(then) {
                Ok(interval) => {
                    let truth = inner.calendar.truth(interval.timescale(), moment);
                    if !contains(&interval, truth) {
                        let what = || format!("at gives {interval:#} for {}", span(truth));
                        return Err(inner.violation(Law::AtContainsThen, what));
                    }
                }
                // From before a disruption: from now on a newer one.
                Err(AtError::BeforeEpoch) => inner.hosts[host].given.reading = None,
                Err(_) => {}
            }
            let pair = inner.hosts[host].given.pair;
            // Once more what was asked before: what is known of the two readings may have changed
            // since.
            for [(then, began), (later, ended)] in
                [Some([(then, moment), (reading, now)]), pair].into_iter().flatten()
            {
                let Some(elapsed) = clock.elapsed(then, later) else { continue };
                let (least, most) = (Moment::of(elapsed.at_least), Moment::of(elapsed.at_most));
                let passed = ended - began;
                if passed < least || most < passed {
                    let what = || format!("{elapsed:?} for {:?}", passed.length());
                    return Err(inner.violation(Law::ElapsedIsBounded, what));
                }
            }
            // By chance, but not by the dice: who looks must not change the world.
            if pair.is_none() || now.0 % 10 == 0 {
                inner.hosts[host].given.pair = Some([(then, moment), (reading, now)]);
            }
        }
        if inner.hosts[host].given.reading.is_none() || inner.dice.chance_ppm(100_000) {
            inner.hosts[host].given.reading = Some((reading, now));
        }
        Ok(result)
    }

    /// From now until the clock's next disruption, whatever its reason, containment is not checked:
    /// an assumption has just been broken in a way that no one can see at once. Nor is it checked
    /// that `earliest` does not go back. Afterwards it must be above all that was told meanwhile,
    /// too; except where the counter was seen to have moved: then above all that was told before
    /// the excuse.
    pub fn excuse_readings(&mut self, clock: &SureClock) {
        let host = self.host_of(clock);
        let mut inner = self.inner.lock();
        let (now, incarnation) = (inner.now, inner.hosts[host].counter.incarnation().get());
        let given = &mut inner.hosts[host].given;
        given.incarnation = incarnation;
        given.earliest_before_excuse_ns = given.earliest_ns;
        (given.excused_since, given.noticed, given.reading, given.pair) =
            (Some(now), None, None, None);
    }

    /// How long after [`excuse_readings`](World::excuse_readings) the clock was next disrupted, and
    /// why; `None` if it has not been.
    #[must_use]
    pub fn noticed(&self, clock: &SureClock) -> Option<(Duration, DisruptionReason)> {
        let host = self.host_of(clock);
        self.inner.lock().hosts[host].given.noticed
    }

    /// Whether the clock is excused now.
    #[must_use]
    pub fn readings_are_excused(&self, clock: &SureClock) -> bool {
        let host = self.host_of(clock);
        self.inner.lock().hosts[host].given.excused_since.is_some()
    }

    /// A violation of a law that the caller has checked, with the world's story.
    #[must_use]
    pub fn violation(&self, law: Law, what: impl FnOnce() -> String) -> Box<Violation> {
        self.inner.lock().violation(law, what)
    }

    /// Lets time pass until a commit wait is over, for `limit` at most. Steps are a sixteenth of
    /// the clock's uncertainty, at least 1 us and at most 10 ms.
    ///
    /// # Errors
    ///
    /// As [`CommitWait::wait_timeout`].
    pub fn wait(&mut self, wait: &CommitWait, limit: Duration) -> Result<(), WaitError> {
        let begin = self.inner.lock().now;
        let (least, most) = (Duration::from_micros(1), Duration::from_millis(10));
        loop {
            if wait.check()? {
                return Ok(());
            }
            if self.inner.lock().now - begin > Moment::of(limit) {
                return Err(WaitError::Timeout { waited: limit });
            }
            let uncertainty = wait.clock().now().map_or(most, |interval| interval.uncertainty());
            self.advance((uncertainty / 16).clamp(least, most));
        }
    }

    /// Remembers the exchanges from now on, for [`exchanges`](World::exchanges).
    pub fn record_exchanges(&mut self) {
        self.inner.lock().exchanges.get_or_insert_default();
    }

    /// The exchanges since [`record_exchanges`](World::record_exchanges), oldest first.
    #[must_use]
    pub fn exchanges(&self) -> Vec<Exchanged> {
        self.inner.lock().exchanges.clone().unwrap_or_default()
    }
}

impl Inner {
    /// Notes when a watched reading of a counter was made.
    pub(super) fn watched(&mut self) {
        self.watched_at = Some(self.now);
    }

    /// When the last reading was made; ends a watch whose act is done.
    fn end_watch(&mut self, host: usize) -> Moment {
        let Some(at) = self.watched_at.take() else { return self.now };
        self.hosts[host].manual.watch(None);
        at
    }

    fn notice_state(&mut self, host: usize, result: &Result<TimeInterval, NowError>) {
        let given = &mut self.hosts[host].given.synchronized;
        if *given != Some(result.is_ok()) {
            *given = Some(result.is_ok());
            self.note(super::trace::Event::State { host, now: result.map(|_| ()) });
        }
    }

    /// Notes a disruption that has just happened, and ends an excuse with it.
    pub(super) fn notice_disruption(&mut self, host: usize) {
        let (now, state) = (self.now, &mut self.hosts[host]);
        let incarnation = state.counter.incarnation().get();
        if state.given.incarnation == incarnation {
            return;
        }
        state.given.incarnation = incarnation;
        let reason = state.clock_says();
        if let (Some(since), Some(reason)) = (state.given.excused_since.take(), reason) {
            state.given.noticed = Some(((now - since).length(), reason));
            (state.given.reading, state.given.pair) = (None, None);
            if matches!(reason, DisruptionReason::CounterWentBack | DisruptionReason::CounterJumped)
            {
                // What was read by a counter that had moved counts for nothing; what was read
                // before it does.
                (state.given.earliest_ns, state.given.past_ns) =
                    (state.given.earliest_before_excuse_ns, None);
            }
        }
        self.did(Some(host), || {
            format!("disrupted: {}", reason.map_or("?".into(), |reason| reason.to_string()))
        });
    }

    pub(super) fn violation(&self, law: Law, what: impl FnOnce() -> String) -> Box<Violation> {
        Box::new(Violation { law, seed: self.seed, what: what(), story: self.story() })
    }
}

/// Whether every right reading is inside.
fn contains(interval: &TimeInterval, (from, to): (Moment, Moment)) -> bool {
    Moment::from_ns(interval.earliest().as_unix_nanos()) <= from
        && to <= Moment::from_ns(interval.latest().as_unix_nanos())
}

fn span((from, to): (Moment, Moment)) -> String {
    if from.floor_ns() == to.floor_ns() {
        format!("{} (rounded down)", from.timestamp())
    } else {
        format!("{} to {}", from.timestamp(), to.timestamp())
    }
}
