//! A publication as words of the cell, and back, both by the one table in `layout`.
//!
//! Nothing is rounded: every field is stored whole. The words of [`Quick`], which are all that most
//! readings need, come first and fill one cache line. The spell follows directly, so that a reader
//! that needs it as well loads one word more.

use crate::bound::leap::Leap;
use crate::bound::lines::Line;
use crate::bound::params::Params;
use crate::bound::quick::Quick;
use crate::bound::slopes::{Rates, Rise, Slopes, Step};
use crate::bound::{DisruptionReason, NowError};

mod layout;

use layout::{
    DEGRADED, DISRUPTED, EARLIEST, EPOCH, FAST, FIRST_SLOPES, INCARNATION, LATEST, LEAP,
    LEAP_DELETED, LEAP_INSERTED, MARGIN, META, NOT_SYNCHRONIZED, RANGE, READINGS, REASON,
    REASON_NUMBER, RESTS, RUNNING, SLOW, SPELL, STATE, THREAD_DIED, UNTRUSTED, get, put,
};
pub(crate) use layout::{QUICK_WORDS, WORDS};

/// What the synchronizer publishes to the readers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Publication {
    /// Counts the disruptions: two values that differ span a disruption.
    pub(crate) incarnation: u32,
    /// Counts the epochs that the caller began.
    pub(crate) epoch: u32,
    /// The slopes of the counter under (R), with parameters or without.
    pub(crate) slopes: Slopes,
    /// The counter runs evenly, as far as is known: the slopes mean something.
    pub(crate) trusted: bool,
    pub(crate) content: Content,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::large_enum_variant, reason = "nearly always the large one, and never on the heap")]
pub(crate) enum Content {
    NotSynchronized,
    Running(Params),
    Disrupted(DisruptionReason),
    ThreadDied,
}

impl Publication {
    /// What a clock starts with.
    pub(crate) fn start(slopes: Slopes) -> Publication {
        Publication {
            incarnation: 0,
            epoch: 0,
            slopes,
            trusted: true,
            content: Content::NotSynchronized,
        }
    }

    /// The words. Quick readings are answered for `quick_max_age` ticks after the agreement, or not
    /// at all.
    pub(crate) fn encode(&self, quick_max_age: Option<u64>) -> [u64; WORDS] {
        let mut words = [0; WORDS];
        // Without parameters nothing is answered quickly, and the rates are the slopes: readers
        // of the outline take them from the same words in every state.
        let (mut quick, mut rates) = (Quick::NONE, Rates::plain(self.slopes));
        let state = match self.content {
            Content::NotSynchronized => STATE.put(NOT_SYNCHRONIZED),
            Content::ThreadDied => STATE.put(THREAD_DIED),
            Content::Disrupted(reason) => {
                STATE.put(DISRUPTED)
                    | REASON.put(reason_code(reason))
                    | REASON_NUMBER.put(reason_number(reason))
            }
            Content::Running(p) => {
                quick = quick_max_age.map_or(Quick::NONE, |max_age| Quick::of(&p, max_age));
                rates = p.rates;
                STATE.put(RUNNING) | encode_params(&mut words, &p)
            }
        };
        put(&mut words, RANGE, [quick.floor, quick.ceiling]);
        encode_rates(&mut words, &rates);
        let spell = INCARNATION.put(u64::from(self.incarnation)) | EPOCH.put(u64::from(self.epoch));
        put(&mut words, SPELL, [spell]);
        put(&mut words, META, [state | UNTRUSTED.flag(!self.trusted)]);
        words
    }

    // Inlined, so that a reader decodes what it needs.
    #[inline]
    pub(crate) fn decode(words: &[u64; WORDS]) -> Publication {
        let Outline { incarnation, epoch, slopes, trusted } = outline(words);
        let [meta] = get(words, META);
        let content = match STATE.get(meta) {
            RUNNING => Content::Running(decode_params(words)),
            NOT_SYNCHRONIZED => Content::NotSynchronized,
            DISRUPTED => Content::Disrupted(reason_of(REASON.get(meta), REASON_NUMBER.half(meta))),
            _ => Content::ThreadDied,
        };
        Publication { incarnation, epoch, slopes, trusted, content }
    }

    pub(crate) fn spell(&self) -> Spell {
        Spell { incarnation: self.incarnation, epoch: self.epoch }
    }

    /// The parameters, or why there are none.
    pub(crate) fn running(&self) -> Result<Params, NowError> {
        match self.content {
            Content::Running(params) => Ok(params),
            Content::NotSynchronized => Err(NowError::NotSynchronized),
            Content::Disrupted(reason) => Err(NowError::Disrupted { reason }),
            Content::ThreadDied => Err(NowError::SyncThreadDied),
        }
    }
}

/// Writes the words of the parameters, except their rates. Gives what [`META`] holds of them.
fn encode_params(words: &mut [u64; WORDS], p: &Params) -> u64 {
    put(words, EARLIEST, [p.earliest.anchor, bits(p.earliest.ns)]);
    put(words, LATEST, [p.latest.anchor, bits(p.latest.ns)]);
    put(words, READINGS, [p.published, p.since, p.heard, p.leap_from]);
    let leap = p.leap.map_or(0, |leap| {
        put(words, LEAP, [bits(leap.midnight_ns)]);
        LEAP_INSERTED.flag(leap.inserted) | LEAP_DELETED.flag(leap.deleted)
    });
    // A margin above 32 bits (4 s of nanoseconds) cannot occur: the check of a counter ends after
    // 100 ms.
    DEGRADED.flag(p.degraded) | leap | MARGIN.put(p.margin.min(MARGIN.most()))
}

#[inline]
fn decode_params(words: &[u64; WORDS]) -> Params {
    let Quick { earliest, latest, slopes: first, .. } = quick(words);
    let [meta] = get(words, META);
    let [published, since, heard, leap_from] = get(words, READINGS);
    let rests = outline(words).slopes;
    let [midnight] = get(words, LEAP);
    let (inserted, deleted) = (LEAP_INSERTED.is_set(meta), LEAP_DELETED.is_set(meta));
    let leap = Leap { midnight_ns: signed(midnight), inserted, deleted };
    Params {
        published,
        margin: MARGIN.get(meta),
        earliest,
        latest,
        rates: Rates {
            slow: rise(first.slow, get(words, SLOW), rests.slow),
            fast: rise(first.fast, get(words, FAST), rests.fast),
        },
        since,
        heard,
        leap: (inserted || deleted).then_some(leap),
        leap_from,
        degraded: DEGRADED.is_set(meta),
    }
}

/// Writes two rises whose steps begin with their lines, so that no `from` is stored.
fn encode_rates(words: &mut [u64; WORDS], Rates { slow, fast }: &Rates) {
    for (group, rise) in [(SLOW, slow), (FAST, fast)] {
        let [first, second] = rise.steps;
        put(words, group, [first.until, second.until, second.slope]);
    }
    let ([slow_first, _], [fast_first, _]) = (slow.steps, fast.steps);
    put(words, FIRST_SLOPES, [slow_first.slope, fast_first.slope]);
    put(words, RESTS, [slow.rest, fast.rest]);
}

fn rise(first_slope: u64, [first_until, second_until, second_slope]: [u64; 3], rest: u64) -> Rise {
    let step = |until, slope| Step { from: 0, until, slope };
    Rise { steps: [step(first_until, first_slope), step(second_until, second_slope)], rest }
}

/// The quick parameters, out of the first words.
#[inline]
pub(crate) fn quick<const M: usize>(words: &[u64; M]) -> Quick {
    const { assert!(M >= QUICK_WORDS) };
    let line = |[anchor, ns]: [u64; 2]| Line { anchor, ns: signed(ns) };
    let ([floor, ceiling], [slow, fast]) = (get(words, RANGE), get(words, FIRST_SLOPES));
    let (earliest, latest) = (line(get(words, EARLIEST)), line(get(words, LATEST)));
    Quick { floor, ceiling, earliest, latest, slopes: Slopes { slow, fast } }
}

/// A publication without its content: cheap to decode for a reader that needs no more.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outline {
    pub(crate) incarnation: u32,
    pub(crate) epoch: u32,
    pub(crate) slopes: Slopes,
    pub(crate) trusted: bool,
}

#[inline]
pub(crate) fn outline(words: &[u64; WORDS]) -> Outline {
    let Spell { incarnation, epoch } = spell(words);
    let [meta] = get(words, META);
    let [slow, fast] = get(words, RESTS);
    Outline { incarnation, epoch, slopes: Slopes { slow, fast }, trusted: !UNTRUSTED.is_set(meta) }
}

/// Between which disruptions, and in which epoch, a publication was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Spell {
    pub(crate) incarnation: u32,
    pub(crate) epoch: u32,
}

/// The spell, out of the word that follows those of [`Quick`].
#[inline]
pub(crate) fn spell<const M: usize>(words: &[u64; M]) -> Spell {
    const { assert!(M > QUICK_WORDS) };
    let [word] = get(words, SPELL);
    Spell { incarnation: INCARNATION.half(word), epoch: EPOCH.half(word) }
}

/// The reasons without a number, each at the place that is its code.
const REASONS: [DisruptionReason; 10] = [
    DisruptionReason::SourcesDisagree,
    DisruptionReason::ContradictsPublished,
    DisruptionReason::CounterWentBack,
    DisruptionReason::Suspended,
    DisruptionReason::LeapSecond,
    DisruptionReason::ByHand,
    DisruptionReason::Restored,
    DisruptionReason::CounterJumped,
    DisruptionReason::ClockSourceChanged,
    DisruptionReason::RateWandered,
];

/// The code of the one reason that carries a number, and so is not among the others.
const RATE_BEYOND_BOUND: u64 = 0xff;

fn reason_code(reason: DisruptionReason) -> u64 {
    match reason {
        DisruptionReason::RateBeyondBound { .. } => RATE_BEYOND_BOUND,
        reason => REASONS.iter().zip(0..).find(|(r, _)| **r == reason).map_or(0, |(_, code)| code),
    }
}

/// The number that a reason carries, as 32 bits; zero for those that carry none.
fn reason_number(reason: DisruptionReason) -> u64 {
    match reason {
        DisruptionReason::RateBeyondBound { ppm } => {
            u64::from(u32::from_ne_bytes(ppm.to_ne_bytes()))
        }
        _ => 0,
    }
}

fn reason_of(code: u64, number: u32) -> DisruptionReason {
    if code == RATE_BEYOND_BOUND {
        return DisruptionReason::RateBeyondBound { ppm: i32::from_ne_bytes(number.to_ne_bytes()) };
    }
    REASONS.iter().zip(0..).find(|(_, c)| *c == code).map_or(REASONS[0], |(r, _)| *r)
}

/// The bits of a signed number (std's `cast_unsigned` is newer than our MSRV).
fn bits(ns: i64) -> u64 {
    u64::from_ne_bytes(ns.to_ne_bytes())
}

/// The signed number of these bits.
fn signed(word: u64) -> i64 {
    i64::from_ne_bytes(word.to_ne_bytes())
}

#[cfg(all(test, not(sureclock_loom)))]
mod tests;
