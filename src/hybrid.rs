//! A hybrid logical clock on top of the interval: causes before effects, and among honest machines
//! never ahead of true time by more than is declared.
//!
//! A stamp is the largest of three: one above the last stamp given out here, one above what was
//! received, and `earliest` now. The candidate is `earliest`, and not the middle or `latest`,
//! because it is never after true time. Then, with L the lead that all are allowed:
//!
//! 1. Among honest machines a stamp's physical part is at most true time at its event plus L. By
//!    induction along the events: `earliest <= t`; one more in the counter of an older stamp leaves
//!    its physical part, which was at most `t' + L` at an event before, and `t' <= t`; and where
//!    the counter is full, the physical part goes on only up to `earliest + L <= t + L`, and
//!    otherwise it is an error.
//! 2. So what such machines send is at most `latest + L` where it is received, since it was sent
//!    before. What is beyond is **proof** that a clock is wrong or a machine lies, whatever the
//!    network did: it is refused, and changes nothing. Whose it is the proof does not say: of a
//!    machine that the sender heard of, perhaps, whose stamp was within the sender's own `latest +
//!    L`, which is wider.
//! 3. Whatever is received, a stamp is at most `latest + L` of the machine that gives it out: a lie
//!    can lead by the width of an honest machine's interval more than it may, and no further. It
//!    can use up the counter there, or be refuted by a narrower interval, and then stamps are an
//!    error until `earliest + L` has come after.
//! 4. A stamp is at least `earliest` of its event, less a unit.
//!
//! What others set by a guess (a maximal offset of 500 ms that nobody measures) follows here from
//! the bound.
//!
//! # What it is not
//!
//! A commit timestamp. Stamps order what could have caused one another by messages that carry them.
//! Two transactions that a client sees one after the other, without a message between their
//! machines, may have stamps in the contrary order; for that there is
//! [`commit_wait`](SureClock::commit_wait).
//!
//! # References
//!
//! Kulkarni, Demirbas and others, *Logical Physical Clocks* (2014), figure 5, with the bound
//! measured instead of assumed.

use crate::bound::NowError;
use crate::clock::SureClock;
use crate::publish::HighWater;
use crate::time::{HybridTimestamp, Timestamp};
use std::sync::Arc;
use std::time::Duration;

/// A hybrid logical clock over a [`SureClock`]. Cheap to clone; all clones are one clock. Two that
/// are made of one `SureClock` are two, and may give out the same stamp: make one for each machine,
/// or name them.
///
/// One reading and one compare-and-swap a stamp, if nobody else stamps at the time; lock-free,
/// without allocation.
///
/// ```
/// # let interval: sureclock::TimeInterval = "2026-11-23T11:03:00Z ± 1 ms".parse()?;
/// # let (east, _) = sureclock::SureClock::manual(interval);
/// # let (west, _) = sureclock::SureClock::manual("2026-11-23T11:02:59.9995Z ± 1 ms".parse()?);
/// use sureclock::HybridClock;
///
/// let (east, west) = (HybridClock::new(east), HybridClock::new(west));
/// let sent = east.stamp()?; // with a message
/// let received = west.receive(sent)?; // on a machine whose clock is behind
/// assert!(sent < received && received < west.stamp()?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// After a restart: [`receive`](HybridClock::receive) the highest stamp of your log before the
/// first [`stamp`](HybridClock::stamp). Should it be refused (it was received from a machine that
/// lied, and the interval is narrower now), wait until it is not: stamps before that would be below
/// it.
#[derive(Clone, Debug)]
pub struct HybridClock {
    clock: SureClock,
    /// The last stamp, its bits mapped to signed numbers in their order.
    last: Arc<HighWater>,
    max_lead_ns: i64,
}

/// Why there is no stamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StampError {
    /// The clock has no bound.
    #[error(transparent)]
    Now(#[from] NowError),
    /// The counter of the last stamp is full, and its physical part may not go on yet; or the last
    /// stamp was received from a machine that lied, and the interval is narrower now; or it is of
    /// before [a new epoch](SureClock::start_new_epoch), and far ahead: for that make a new clock.
    #[error("the next stamp would be {by:?} too far ahead of true time")]
    TooFarAhead {
        /// How far, rounded up. Wait so long and ask again, perhaps more than once: `earliest` goes
        /// slower than true time by the drift bound, and stands still for a second where a leap
        /// second is announced.
        by: Duration,
    },
    /// The time is before 1970 or after 2106-02-07T06:28:15Z.
    #[error("the time is outside of 1970 to February 2106")]
    OutOfRange,
}

/// Why a received stamp was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReceiveError {
    /// It is of a time that has not come: refused, and nothing is changed by it.
    #[error(transparent)]
    AheadOfTime(#[from] AheadOfTime),
    /// There is no stamp for the receipt.
    #[error(transparent)]
    Stamp(#[from] StampError),
}

/// A proof that the machine that sent a stamp, or one that it heard of, or this one, has a wrong
/// clock or says what is not so: it was made before it was received, and lies after the receipt by
/// more than every clock is allowed.
///
/// What is read from others is checked: there is a lead with which the stamp is so far ahead. That
/// it was received by `latest` is the sender's word: against accidents, not forgers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(try_from = "ProofFields")
)]
#[error("{stamp} was received by {latest}, and lies {by:?} further ahead than a clock may be")]
#[non_exhaustive]
pub struct AheadOfTime {
    /// The stamp.
    pub stamp: HybridTimestamp,
    /// True time at the receipt was not after this.
    pub latest: Timestamp,
    /// How far the stamp is beyond `latest` and the lead, rounded down.
    pub by: Duration,
}

/// What a proof is read from.
#[cfg(feature = "serde")]
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct ProofFields {
    stamp: HybridTimestamp,
    latest: Timestamp,
    by: Duration,
}

/// What was read proves nothing.
#[cfg(feature = "serde")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no lead makes the stamp so far ahead of the time of its receipt")]
struct NoProof;

#[cfg(feature = "serde")]
impl TryFrom<ProofFields> for AheadOfTime {
    type Error = NoProof;

    fn try_from(fields: ProofFields) -> Result<AheadOfTime, NoProof> {
        let ProofFields { stamp, latest, by } = fields;
        // `latest` and the lead, which is not below zero: what the stamp is beyond of, in whole
        // units.
        let highest = stamp.time().checked_sub(by).filter(|highest| *highest >= latest);
        let is_ahead = |highest: Timestamp| {
            HybridTimestamp::first_of(highest.as_unix_nanos())
                .is_some_and(|first| first.units() < stamp.units())
        };
        highest.is_some_and(is_ahead).then_some(AheadOfTime { stamp, latest, by }).ok_or(NoProof)
    }
}

/// Enough for forty million stamps while `earliest` stands still for a leap second. More would
/// refuse less of what is wrong, less would stop who stamps faster.
const DEFAULT_MAX_LEAD: Duration = Duration::from_millis(10);

impl HybridClock {
    /// A hybrid clock whose stamps may lead true time by 10 ms.
    #[must_use]
    pub fn new(clock: SureClock) -> HybridClock {
        HybridClock::with_max_lead(clock, DEFAULT_MAX_LEAD)
    }

    /// A hybrid clock whose stamps may lead true time by `max_lead`; up to 292 years. All machines
    /// that exchange stamps declare the same one. With stamps of other software among them, it is
    /// what that software allows (500 ms for uhlc and CockroachDB, if their clocks keep to it).
    #[must_use]
    pub fn with_max_lead(clock: SureClock, max_lead: Duration) -> HybridClock {
        let max_lead_ns = i64::try_from(max_lead.as_nanos()).unwrap_or(i64::MAX);
        HybridClock { clock, last: Arc::new(HighWater::new()), max_lead_ns }
    }

    /// A stamp for an event here: above every stamp given out or received here before.
    ///
    /// # Errors
    ///
    /// [`StampError`]. Of the clock's limits neither `max_age` nor `max_uncertainty` applies: a
    /// lower bound is enough.
    #[inline]
    pub fn stamp(&self) -> Result<HybridTimestamp, StampError> {
        self.above(HybridTimestamp::MIN)
    }

    /// A stamp for the receipt of a message that carries `remote`: above it, and above every stamp
    /// given out or received here before.
    ///
    /// # Errors
    ///
    /// [`ReceiveError::AheadOfTime`] with the proof, if it is of a time that has not come;
    /// [`ReceiveError::Stamp`].
    pub fn receive(&self, remote: HybridTimestamp) -> Result<HybridTimestamp, ReceiveError> {
        let latest = self.clock.shared().latest().map_err(StampError::from)?;
        let highest = latest.saturating_add(self.max_lead_ns);
        // A physical part that is not above `highest` in whole units is not above it.
        if remote.units() > units_at(highest)? {
            let by = remote.time().checked_duration_since(Timestamp::from_unix_nanos(highest));
            let latest = Timestamp::from_unix_nanos(latest);
            return Err(AheadOfTime { stamp: remote, latest, by: by.unwrap_or_default() }.into());
        }
        Ok(self.above(remote)?)
    }

    /// The highest stamp given out so far; `None` if none was.
    #[must_use]
    pub fn last(&self) -> Option<HybridTimestamp> {
        Some(stamp_of(self.last.get())).filter(|&last| last > HybridTimestamp::MIN)
    }

    /// The clock below.
    #[must_use]
    pub fn clock(&self) -> &SureClock {
        &self.clock
    }

    #[inline]
    fn above(&self, remote: HybridTimestamp) -> Result<HybridTimestamp, StampError> {
        let earliest = self.clock.shared().earliest()?;
        let candidate = HybridTimestamp::first_of(earliest).ok_or(StampError::OutOfRange)?;
        let given = self.last.next_by(|last| {
            let last = stamp_of(last).max(remote);
            let next = last.next().ok_or(StampError::OutOfRange)?.max(candidate);
            if next.units() > candidate.units() {
                self.check_lead(last, next, earliest)?;
            }
            Ok::<i64, StampError>(signed(next))
        })?;
        Ok(stamp_of(given))
    }

    /// Whether a stamp that is ahead of `earliest` may be given out: see the head of the file.
    #[cold]
    #[inline(never)]
    fn check_lead(
        &self,
        last: HybridTimestamp,
        next: HybridTimestamp,
        earliest: i64,
    ) -> Result<(), StampError> {
        let highest = earliest.saturating_add(self.max_lead_ns);
        if next.units() <= units_at(highest)? {
            return Ok(());
        }
        // As far ahead as the one before it, which was honest when it was made, unless that is
        // refuted by now.
        let of_its_unit = next.units() == last.units();
        if of_its_unit
            && next.units()
                <= units_at(self.clock.shared().latest()?.saturating_add(self.max_lead_ns))?
        {
            return Ok(());
        }
        let by = next
            .time()
            .checked_duration_since(Timestamp::from_unix_nanos(highest))
            .unwrap_or_default();
        // Rounded up: the part of a unit, and of a nanosecond, that `time` leaves out.
        Err(StampError::TooFarAhead { by: by.saturating_add(Duration::from_nanos(1)) })
    }
}

/// The unit of the physical part that holds this point; the last one after 2106.
fn units_at(ns: i64) -> Result<u64, StampError> {
    if ns < 0 {
        return Err(StampError::OutOfRange);
    }
    Ok(HybridTimestamp::first_of(ns).unwrap_or(HybridTimestamp::MAX).units())
}

/// The bits of a stamp as a signed number, in the same order: the high-water mark is signed, and
/// its least number is no stamp.
#[inline]
fn signed(stamp: HybridTimestamp) -> i64 {
    i64::from_ne_bytes((stamp.to_bits() ^ SIGN).to_ne_bytes())
}

#[inline]
fn stamp_of(signed: i64) -> HybridTimestamp {
    HybridTimestamp::from_bits(u64::from_ne_bytes(signed.to_ne_bytes()) ^ SIGN)
}

const SIGN: u64 = 1 << 63;

#[cfg(all(test, not(sureclock_loom)))]
mod tests {
    use super::*;
    use crate::testing::ManualTime;
    use proptest::prelude::*;

    const MS: Duration = Duration::from_millis(1);

    fn manual(interval: &str) -> (SureClock, ManualTime) {
        SureClock::manual(interval.parse().unwrap())
    }

    fn stamp(text: &str) -> HybridTimestamp {
        text.parse().unwrap()
    }

    #[test]
    fn stamps_rise_and_follow_earliest() {
        let (clock, time) = manual("2026-11-23T11:03:00.001Z ± 1 ms");
        let hybrid = HybridClock::new(clock);
        assert_eq!(hybrid.last(), None);
        assert_eq!(hybrid.stamp(), Ok(stamp("2026-11-23T11:03:00.000000000Z#0")));
        assert_eq!(hybrid.stamp(), Ok(stamp("2026-11-23T11:03:00.000000000Z#1")));
        time.advance(500 * MS);
        assert_eq!(hybrid.clone().stamp(), Ok(stamp("2026-11-23T11:03:00.500000000Z#0")));
        assert_eq!(hybrid.last(), Some(stamp("2026-11-23T11:03:00.500000000Z#0")));
    }

    #[test]
    fn a_stamp_of_a_time_that_has_not_come_is_refused_with_the_proof() {
        let (clock, time) = manual("2026-11-23T11:03:00.000Z ± 250 ms");
        let hybrid = HybridClock::with_max_lead(clock, 250 * MS);
        let edge = stamp("2026-11-23T11:03:00.500000000Z#65535");
        let beyond = stamp("2026-11-23T11:03:01.000000000Z#0");
        let Err(ReceiveError::AheadOfTime(proof)) = hybrid.receive(beyond) else {
            panic!("refused")
        };
        assert_eq!((proof.stamp, proof.by), (beyond, 500 * MS));
        assert_eq!(hybrid.last(), None, "nothing is changed by it");
        // The first unit beyond the edge is beyond.
        assert!(hybrid.receive(HybridTimestamp::from_bits(edge.to_bits() + 1)).is_err());
        // The edge itself is not refused; but there is no room above it in its unit, and the next
        // one has not come.
        let Err(ReceiveError::Stamp(StampError::TooFarAhead { by })) = hybrid.receive(edge) else {
            panic!("no room")
        };
        assert!(by > 500 * MS && by < 501 * MS, "{by:?}");
        time.advance(by);
        assert_eq!(hybrid.receive(edge).map(HybridTimestamp::to_bits), Ok(edge.to_bits() + 1));
    }

    #[test]
    fn found_a_lie_leads_by_the_width_of_an_interval_and_no_further() {
        let lead = 10 * MS;
        let (wide, narrow) = (
            manual("2026-11-23T11:03:00.000Z ± 250 ms").0,
            manual("2026-11-23T11:03:00.000Z ± 1 ms").0,
        );
        let latest = wide.now().unwrap().latest();
        let (wide, narrow) =
            (HybridClock::with_max_lead(wide, lead), HybridClock::with_max_lead(narrow, lead));
        // It cannot be told from one of an honest machine whose clock is right at the end of the
        // interval.
        let lie = stamp("2026-11-23T11:03:00.250000000Z#0");
        wide.receive(lie).unwrap();
        let sent = wide.stamp().unwrap();
        assert!(sent > lie && sent.time() <= latest.checked_add(lead).unwrap());
        // Elsewhere it is a proof that somebody lied: not that its sender did.
        assert!(matches!(narrow.receive(sent), Err(ReceiveError::AheadOfTime(_))));
    }

    #[test]
    #[cfg_attr(miri, ignore = "of very many stamps")]
    fn a_counter_that_is_full_goes_on_to_the_lead_and_no_further() {
        let (clock, time) = manual("2026-11-23T11:03:00Z ± 0 ns");
        let unit = Duration::from_nanos(15_259);
        let hybrid = HybridClock::with_max_lead(clock, 2 * unit);
        let given = (0..3 * 65_536).map(|_| hybrid.stamp().unwrap()).collect::<Vec<_>>();
        assert!(given.windows(2).all(|pair| pair[0] < pair[1]));
        assert_eq!(given.last().unwrap().units() - given[0].units(), 2);
        let Err(StampError::TooFarAhead { by }) = hybrid.stamp() else {
            panic!("it led by more than it may")
        };
        time.advance(by);
        assert!(hybrid.stamp().unwrap() > *given.last().unwrap());
    }

    #[test]
    #[cfg_attr(miri, ignore = "of very many stamps")]
    fn without_a_lead_a_full_counter_waits_for_the_next_unit() {
        let (clock, time) = manual("2026-11-23T11:03:00Z ± 0 ns");
        let hybrid = HybridClock::with_max_lead(clock, Duration::ZERO);
        assert!((0..65_536).all(|_| hybrid.stamp().is_ok()));
        let Err(StampError::TooFarAhead { by }) = hybrid.stamp() else { panic!("it led") };
        time.advance(by);
        assert_eq!(hybrid.stamp().map(HybridTimestamp::counter), Ok(0));
    }

    #[test]
    fn above_a_full_counter_that_was_received_the_physical_part_does_not_go_on_by_itself() {
        let (clock, _time) = manual("2026-11-23T11:03:00.000Z ± 500 ms");
        let hybrid = HybridClock::with_max_lead(clock, Duration::ZERO);
        // It may be true, so what is above it in its unit may be too; the next unit may not have
        // come.
        let room = stamp("2026-11-23T11:03:00.000000000Z#65534");
        assert_eq!(hybrid.receive(room), Ok(stamp("2026-11-23T11:03:00.000000000Z#65535")));
        assert!(matches!(hybrid.stamp(), Err(StampError::TooFarAhead { .. })));
    }

    #[test]
    fn after_a_disruption_there_is_none_and_what_was_refuted_is_an_error() {
        let (clock, time) = manual("2026-11-23T11:03:00Z ± 1 ms");
        let hybrid = HybridClock::new(clock);
        hybrid.stamp().unwrap();
        time.disrupt();
        assert!(matches!(hybrid.stamp(), Err(StampError::Now(_))));
        assert!(matches!(
            hybrid.receive(HybridTimestamp::MIN),
            Err(ReceiveError::Stamp(StampError::Now(_)))
        ));
        // As after a new epoch: an hour earlier.
        time.set("2026-11-23T10:03:00Z ± 1 ms".parse().unwrap()).unwrap();
        let Err(StampError::TooFarAhead { by }) = hybrid.stamp() else {
            panic!("it was an hour ahead")
        };
        assert!(by > Duration::from_secs(3_599) && by < Duration::from_secs(3_600));
    }

    #[test]
    fn outside_of_1970_to_2106_there_is_no_stamp() {
        for interval in ["1969-12-31T23:59:59Z ± 1 ms", "2106-02-07T06:28:17Z ± 1 ms"] {
            assert_eq!(HybridClock::new(manual(interval).0).stamp(), Err(StampError::OutOfRange));
        }
        // The last one of all has none above it.
        let hybrid =
            HybridClock::with_max_lead(manual("2106-02-07T06:28:15Z ± 1 ms").0, Duration::MAX);
        assert_eq!(hybrid.receive(HybridTimestamp::MAX), Err(StampError::OutOfRange.into()));
    }

    /// A cluster in a simulated history: truth is known, clocks are as wrong as their intervals
    /// allow.
    #[derive(Clone, Debug)]
    enum Act {
        Stamp(usize),
        /// The last stamp of one is received by another.
        Send(usize, usize),
        Pass(u64),
    }

    fn acts() -> impl Strategy<Value = Vec<Act>> {
        let machine = 0..3_usize;
        let act = prop_oneof![
            3 => machine.clone().prop_map(Act::Stamp),
            2 => (machine.clone(), machine).prop_map(|(from, to)| Act::Send(from, to)),
            1 => (0..40_000_u64).prop_map(Act::Pass),
        ];
        prop::collection::vec(act, 1..60)
    }

    proptest! {
        #[test]
        fn no_stamp_leads_true_time_and_none_of_an_honest_machine_is_refused(
            acts in acts(),
            clocks in prop::array::uniform3((0..50_000_i64, 0..50_000_i64)),
        ) {
            let (mut truth, start) = (1_795_431_780_000_000_000_i64, 1_795_431_780_000_000_000_i64);
            let machines = clocks.map(|(behind, ahead)| {
                let point = Timestamp::from_unix_nanos;
                let interval = crate::time::TimeInterval::new(point(start - behind), point(start + ahead), crate::time::Timescale::Utc);
                let (clock, time) = SureClock::manual(interval.unwrap());
                (HybridClock::with_max_lead(clock, Duration::ZERO), time)
            });
            for act in acts {
                let (at, before, given) = match act {
                    Act::Pass(by) => {
                        machines.iter().for_each(|(_, time)| time.advance(Duration::from_nanos(by)));
                        truth += i64::try_from(by).unwrap();
                        continue;
                    }
                    Act::Stamp(at) => (at, machines[at].0.last(), machines[at].0.stamp().unwrap()),
                    Act::Send(from, to) => {
                        let Some(sent) = machines[from].0.last() else { continue };
                        (to, machines[to].0.last().max(Some(sent)), machines[to].0.receive(sent).unwrap())
                    }
                };
                prop_assert!(before < Some(given));
                // Lead 0: the physical part, exact, is not after true time, and not before
                // `earliest` by more than a unit.
                let (units, scaled) = (u128::from(given.units()) * 1_000_000_000, u128::try_from(truth).unwrap() << 16);
                prop_assert!(units <= scaled);
                let earliest = u128::try_from(truth - clocks[at].0).unwrap() << 16;
                prop_assert!(units + 1_000_000_000 > earliest);
            }
        }
    }

    #[test]
    fn stamps_of_many_threads_are_distinct_and_rise_in_each() {
        let hybrid = HybridClock::new(manual("2026-11-23T11:03:00Z ± 1 ms").0);
        let each = if cfg!(miri) { 20 } else { 1_000 };
        let stamps = |hybrid: HybridClock| {
            move || (0..each).map(|_| hybrid.stamp().unwrap()).collect::<Vec<_>>()
        };
        let threads: Vec<_> = (0..4).map(|_| std::thread::spawn(stamps(hybrid.clone()))).collect();
        let given: Vec<Vec<_>> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
        assert!(given.iter().all(|of_one| of_one.windows(2).all(|pair| pair[0] < pair[1])));
        let all: std::collections::BTreeSet<_> = given.iter().flatten().collect();
        assert_eq!(all.len(), 4 * each);
    }

    #[cfg(feature = "serde")]
    #[test]
    fn found_a_proof_of_a_lead_that_no_stamp_has_is_not_read() {
        let (clock, _time) = manual("2026-11-23T11:03:00Z ± 1 ms");
        let read = |proof: AheadOfTime| {
            let sent = serde_json::to_string(&proof).unwrap();
            serde_json::from_str::<AheadOfTime>(&sent).ok()
        };
        // A stamp of the very unit of the receipt is not ahead of it.
        let stamp: HybridTimestamp = "2026-11-23T11:03:00.500000000Z#7".parse().unwrap();
        let by = Duration::ZERO;
        assert_eq!(read(AheadOfTime { stamp, latest: stamp.time(), by }), None);
        let by = Duration::from_nanos(1);
        let latest = stamp.time().checked_sub(by).unwrap();
        assert!(read(AheadOfTime { stamp, latest, by }).is_some(), "the twin");
        for lead in [Duration::ZERO, 10 * MS, Duration::from_nanos(7)] {
            let hybrid = HybridClock::with_max_lead(clock.clone(), lead);
            for ns in (0..200_000).chain([1 << 40]).step_by(97) {
                let at = clock
                    .now()
                    .unwrap()
                    .latest()
                    .checked_add(lead + Duration::from_nanos(ns))
                    .unwrap();
                let far = HybridTimestamp::first_of(at.as_unix_nanos()).unwrap();
                if let Err(ReceiveError::AheadOfTime(proof)) = hybrid.receive(far) {
                    assert_eq!(read(proof), Some(proof), "what is given is read");
                    let later = proof.stamp.time().checked_add(Duration::from_nanos(1)).unwrap();
                    for forged in [
                        AheadOfTime { latest: later, by: Duration::ZERO, ..proof },
                        AheadOfTime { by: proof.by + lead + Duration::from_nanos(1), ..proof },
                        AheadOfTime { by: Duration::MAX, ..proof },
                    ] {
                        assert_eq!(read(forged), None, "{forged:?}");
                    }
                }
            }
        }
    }
}
