//! Parameters as words of the cell, and back. Nothing is rounded: every field is stored whole.
//!
//! The first words are [`Quick`], all that most readings need, on one cache line.

use crate::bound::leap::Leap;
use crate::bound::lines::Line;
use crate::bound::params::Params;
use crate::bound::quick::Quick;
use crate::bound::slopes::{Rates, Rise, Slopes, Step};
use crate::bound::{DisruptionReason, NowError};

/// Words of one publication: 184 bytes, three cache lines with nothing else on them.
pub(crate) const WORDS: usize = 23;

/// The words of [`Quick`]: one cache line.
pub(crate) const QUICK_WORDS: usize = 8;

/// What the sync thread tells the readers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Publication {
    /// Counts the disruptions: what spans two values spans a disruption.
    pub(crate) incarnation: u32,
    /// Counts the epochs that the caller began.
    pub(crate) epoch: u32,
    /// Those of the counter under (R), with parameters or without.
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
        Publication { incarnation: 0, epoch: 0, slopes, trusted: true, content: Content::NotSynchronized }
    }

    /// The words. Quick readings are answered for `quick_max_age` ticks after the agreement, or not at all.
    pub(crate) fn encode(&self, quick_max_age: Option<u64>) -> [u64; WORDS] {
        let mut words = [0; WORDS];
        // What `Quick` has no use for is stored all the same: the rest is read from its words, too.
        let (mut quick, mut rest) = (Quick { slopes: self.slopes, ..Quick::NONE }, [0; 4]);
        let mut rates = Rates::plain(self.slopes);
        let meta = match self.content {
            Content::NotSynchronized => NOT_SYNCHRONIZED,
            Content::ThreadDied => THREAD_DIED,
            Content::Disrupted(reason) => DISRUPTED | reason_code(reason) << 8 | reason_number(reason) << 32,
            Content::Running(p) => {
                let (earliest, latest) = (p.earliest, p.latest);
                quick = match quick_max_age {
                    Some(max_age) => Quick::of(&p, max_age),
                    None => Quick { earliest, latest, ..quick },
                };
                rest = [p.published, p.since, p.heard, p.leap_from];
                rates = p.rates;
                quick.slopes = Slopes { slow: rates.slow.steps[0].slope, fast: rates.fast.steps[0].slope };
                // A margin beyond 32 bits (4 s of nanoseconds) cannot be: the look at a counter ends after 100 ms.
                let kinds = p.leap.map_or(0, |leap| {
                    words[LEAP_WORD] = bits(leap.midnight_ns);
                    u64::from(leap.inserted) << 18 | u64::from(leap.deleted) << 19
                });
                RUNNING | u64::from(p.degraded) << 16 | kinds | p.margin.min(u64::from(u32::MAX)) << 32
            }
        };
        words[..QUICK_WORDS].copy_from_slice(&[
            quick.floor,
            quick.ceiling,
            quick.earliest.anchor,
            bits(quick.earliest.ns),
            quick.latest.anchor,
            bits(quick.latest.ns),
            quick.slopes.slow,
            quick.slopes.fast,
        ]);
        words[QUICK_WORDS] = u64::from(self.epoch) << 32 | u64::from(self.incarnation);
        words[9] = meta | u64::from(!self.trusted) << 17;
        words[10..14].copy_from_slice(&rest);
        words[14..18].copy_from_slice(&rest_of(&rates.slow));
        words[18..LEAP_WORD].copy_from_slice(&rest_of(&rates.fast));
        words
    }

    // Inlined, so that a reader decodes what it needs.
    #[inline]
    pub(crate) fn decode(words: &[u64; WORDS]) -> Publication {
        let Quick { earliest, latest, slopes: first, .. } = quick(&words[..]);
        let rates = Rates { slow: rise(first.slow, &words[14..18]), fast: rise(first.fast, &words[18..LEAP_WORD]) };
        let Outline { incarnation, epoch, slopes, trusted } = outline(words);
        let meta = words[9];
        let (inserted, deleted) = (meta >> 18 & 1 == 1, meta >> 19 & 1 == 1);
        let leap = Leap { midnight_ns: signed(words[LEAP_WORD]), inserted, deleted };
        let content = match meta & 0xff {
            RUNNING => Content::Running(Params {
                published: words[10],
                margin: meta >> 32,
                earliest,
                latest,
                rates,
                since: words[11],
                heard: words[12],
                leap: (inserted || deleted).then_some(leap),
                leap_from: words[13],
                degraded: meta >> 16 & 1 == 1,
            }),
            NOT_SYNCHRONIZED => Content::NotSynchronized,
            DISRUPTED => Content::Disrupted(reason_of(meta >> 8 & 0xff, low_half(meta >> 32))),
            _ => Content::ThreadDied,
        };
        Publication { incarnation, epoch, slopes, trusted, content }
    }
}

impl Publication {
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

/// A rise whose steps begin with its line, but for the slope of the first, which has a word of its own.
fn rest_of(rise: &Rise) -> [u64; 4] {
    [rise.steps[0].until, rise.steps[1].until, rise.steps[1].slope, rise.rest]
}

fn rise(first: u64, words: &[u64]) -> Rise {
    let step = |until, slope| Step { from: 0, until, slope };
    Rise { steps: [step(words[0], first), step(words[1], words[2])], rest: words[3] }
}

/// What the first words say.
#[inline]
pub(crate) fn quick(words: &[u64]) -> Quick {
    Quick {
        floor: words[0],
        ceiling: words[1],
        earliest: Line { anchor: words[2], ns: signed(words[3]) },
        latest: Line { anchor: words[4], ns: signed(words[5]) },
        slopes: Slopes { slow: words[6], fast: words[7] },
    }
}

/// A publication without its content: little work for who needs no more.
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
    Outline {
        incarnation,
        epoch,
        // What the rises come to rest at.
        slopes: Slopes { slow: words[17], fast: words[LEAP_WORD - 1] },
        trusted: words[9] >> 17 & 1 == 0,
    }
}

/// Between which disruptions, and in which epoch, a publication was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Spell {
    pub(crate) incarnation: u32,
    pub(crate) epoch: u32,
}

/// The spell, which stands behind the words of [`Quick`].
#[inline]
pub(crate) fn spell(words: &[u64]) -> Spell {
    let word = words[QUICK_WORDS];
    Spell { incarnation: low_half(word), epoch: low_half(word >> 32) }
}

/// The midnight of a leap second.
const LEAP_WORD: usize = WORDS - 1;
const NOT_SYNCHRONIZED: u64 = 0;
const RUNNING: u64 = 1;
const DISRUPTED: u64 = 2;
const THREAD_DIED: u64 = 3;

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

/// Has a number with it, so it is not among the others.
const RATE_BEYOND_BOUND: u64 = 0xff;

fn reason_code(reason: DisruptionReason) -> u64 {
    match reason {
        DisruptionReason::RateBeyondBound { .. } => RATE_BEYOND_BOUND,
        reason => REASONS.iter().zip(0..).find(|(r, _)| **r == reason).map_or(0, |(_, code)| code),
    }
}

/// The number that goes with a reason, as 32 bits.
fn reason_number(reason: DisruptionReason) -> u64 {
    match reason {
        DisruptionReason::RateBeyondBound { ppm } => u64::from(u32::from_ne_bytes(ppm.to_ne_bytes())),
        _ => 0,
    }
}

fn reason_of(code: u64, number: u32) -> DisruptionReason {
    if code == RATE_BEYOND_BOUND {
        return DisruptionReason::RateBeyondBound { ppm: i32::from_ne_bytes(number.to_ne_bytes()) };
    }
    REASONS.iter().zip(0..).find(|(_, c)| *c == code).map_or(REASONS[0], |(r, _)| *r)
}

/// The low 32 bits, on purpose.
fn low_half(word: u64) -> u32 {
    u32::try_from(word & u64::from(u32::MAX)).unwrap_or(u32::MAX)
}

/// The bits of a signed number (std's `cast_unsigned` is younger than our MSRV).
fn bits(ns: i64) -> u64 {
    u64::from_ne_bytes(ns.to_ne_bytes())
}

/// The signed number of these bits.
fn signed(word: u64) -> i64 {
    i64::from_ne_bytes(word.to_ne_bytes())
}

#[cfg(all(test, not(sureclock_loom)))]
mod tests {
    use super::*;
    use crate::bound::slopes::tests::rising;
    use proptest::prelude::*;

    #[test]
    fn every_state_and_reason_survives_the_words() {
        let contents = [Content::NotSynchronized, Content::ThreadDied].into_iter();
        let rates = [i32::MIN, -681, 0, 681, i32::MAX].map(|ppm| DisruptionReason::RateBeyondBound { ppm });
        for content in contents.chain(REASONS.map(Content::Disrupted)).chain(rates.map(Content::Disrupted)) {
            let slopes = Slopes { slow: 5, fast: 6 };
            let publication = Publication { incarnation: 7, epoch: u32::MAX, slopes, trusted: false, content };
            let words = publication.encode(Some(u64::MAX));
            assert_eq!(Publication::decode(&words), publication);
            assert_eq!(quick(&words).now(1), None);
        }
    }

    proptest! {
        #[test]
        fn parameters_survive_the_words(
            a: [u64; 8], ns: [i64; 2], margin: u32, degraded: bool, epoch: u32, incarnation: u32,
            slow in rising(), fast in rising(), leap: (i64, bool, bool),
        ) {
            let leap = Leap { midnight_ns: leap.0, inserted: leap.1, deleted: leap.2 };
            let leap = (leap.inserted || leap.deleted).then_some(leap);
            let rates = Rates { slow: slow.since(a[1]), fast: fast.since(a[2]) };
            let params = Params {
                published: a[0], margin: u64::from(margin),
                earliest: Line { anchor: a[1], ns: ns[0] }, latest: Line { anchor: a[2], ns: ns[1] },
                rates, since: a[5], heard: a[6], leap, leap_from: a[7], degraded,
            };
            let content = Content::Running(params);
            let publication = Publication { incarnation, epoch, slopes: rates.wide(), trusted: true, content };
            for max_age in [None, Some(a[7] / 2)] {
                let words = publication.encode(max_age);
                prop_assert_eq!(Publication::decode(&words), publication);
                prop_assert_eq!(max_age.map(|max_age| Quick::of(&params, max_age)), max_age.map(|_| quick(&words)));
            }
        }
    }
}
