//! Parameters as words of the cell, and back. Nothing is rounded: every field is stored whole.

use crate::bound::DisruptionReason;
use crate::bound::lines::{Line, Slopes};
use crate::bound::params::Params;

/// Words of one publication: 96 bytes, two cache lines with nothing else on them.
pub(crate) const WORDS: usize = 12;

/// What the sync thread tells the readers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Publication {
    /// Counts the disruptions: what spans two values spans a disruption.
    pub(crate) incarnation: u32,
    /// Counts the epochs that the caller began.
    pub(crate) epoch: u32,
    pub(crate) content: Content,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    NotSynchronized,
    Running(Params),
    Disrupted(DisruptionReason),
    ThreadDied,
}

impl Publication {
    /// What a clock starts with.
    pub(crate) const START: Publication = Publication { incarnation: 0, epoch: 0, content: Content::NotSynchronized };

    pub(crate) fn encode(&self) -> [u64; WORDS] {
        let mut words = [0; WORDS];
        words[11] = u64::from(self.epoch) << 32 | u64::from(self.incarnation);
        words[10] = match self.content {
            Content::NotSynchronized => NOT_SYNCHRONIZED,
            Content::ThreadDied => THREAD_DIED,
            Content::Disrupted(reason) => DISRUPTED | reason_code(reason) << 8,
            Content::Running(p) => {
                words[..10].copy_from_slice(&[
                    p.published,
                    p.earliest.anchor,
                    bits(p.earliest.ns),
                    p.latest.anchor,
                    bits(p.latest.ns),
                    p.slopes.slow,
                    p.slopes.fast,
                    p.since,
                    p.heard,
                    p.horizon,
                ]);
                // A margin beyond 32 bits (4 s of nanoseconds) cannot be: the look at a counter ends after 100 ms.
                RUNNING | u64::from(p.degraded) << 16 | p.margin.min(u64::from(u32::MAX)) << 32
            }
        };
        words
    }

    #[inline]
    pub(crate) fn decode(words: &[u64; WORDS]) -> Publication {
        let meta = words[10];
        let content = match meta & 0xff {
            RUNNING => Content::Running(Params {
                published: words[0],
                margin: meta >> 32,
                earliest: Line { anchor: words[1], ns: signed(words[2]) },
                latest: Line { anchor: words[3], ns: signed(words[4]) },
                slopes: Slopes { slow: words[5], fast: words[6] },
                since: words[7],
                heard: words[8],
                horizon: words[9],
                degraded: meta >> 16 & 1 == 1,
            }),
            NOT_SYNCHRONIZED => Content::NotSynchronized,
            DISRUPTED => Content::Disrupted(reason_of(meta >> 8 & 0xff)),
            _ => Content::ThreadDied,
        };
        let (epoch, incarnation) = (low_half(words[11] >> 32), low_half(words[11]));
        Publication { incarnation, epoch, content }
    }
}

const NOT_SYNCHRONIZED: u64 = 0;
const RUNNING: u64 = 1;
const DISRUPTED: u64 = 2;
const THREAD_DIED: u64 = 3;

const REASONS: [DisruptionReason; 7] = [
    DisruptionReason::SourcesDisagree,
    DisruptionReason::ContradictsPublished,
    DisruptionReason::CounterWentBack,
    DisruptionReason::Suspended,
    DisruptionReason::LeapSecond,
    DisruptionReason::ByHand,
    DisruptionReason::Restored,
];

fn reason_code(reason: DisruptionReason) -> u64 {
    REASONS.iter().zip(0..).find(|(r, _)| **r == reason).map_or(0, |(_, code)| code)
}

fn reason_of(code: u64) -> DisruptionReason {
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
    use proptest::prelude::*;

    #[test]
    fn every_state_and_reason_survives_the_words() {
        let contents = [Content::NotSynchronized, Content::ThreadDied].into_iter();
        for content in contents.chain(REASONS.map(Content::Disrupted)) {
            let publication = Publication { incarnation: 7, epoch: u32::MAX, content };
            assert_eq!(Publication::decode(&publication.encode()), publication);
        }
    }

    proptest! {
        #[test]
        fn parameters_survive_the_words(a: [u64; 8], ns: [i64; 2], margin: u32, degraded: bool, epoch: u32, incarnation: u32) {
            let content = Content::Running(Params {
                published: a[0], margin: u64::from(margin),
                earliest: Line { anchor: a[1], ns: ns[0] }, latest: Line { anchor: a[2], ns: ns[1] },
                slopes: Slopes { slow: a[3], fast: a[4] }, since: a[5], heard: a[6], horizon: a[7], degraded,
            });
            let publication = Publication { incarnation, epoch, content };
            prop_assert_eq!(Publication::decode(&publication.encode()), publication);
        }
    }
}
