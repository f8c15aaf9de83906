//! The words of every kind of publication, and that it survives them.

use super::*;
use crate::bound::slopes::tests::rising;
use proptest::prelude::*;

#[test]
fn every_state_and_reason_survives_the_words() {
    let contents = [Content::NotSynchronized, Content::ThreadDied].into_iter();
    let rates =
        [i32::MIN, -681, 0, 681, i32::MAX].map(|ppm| DisruptionReason::RateBeyondBound { ppm });
    for content in
        contents.chain(REASONS.map(Content::Disrupted)).chain(rates.map(Content::Disrupted))
    {
        let slopes = Slopes { slow: 5, fast: 6 };
        let publication =
            Publication { incarnation: 7, epoch: u32::MAX, slopes, trusted: false, content };
        let words = publication.encode(Some(u64::MAX));
        assert_eq!(Publication::decode(&words), publication);
        assert_eq!(quick(&words).now(1), None);
    }
}

/// Slopes of a counter of nanoseconds, which true time follows to 500 ppm.
const PLAIN: Slopes = Slopes { slow: 1_098_961_871_962, fast: 1_100_061_383_592 };

/// Parameters of which no two fields are equal, with this leap second.
fn params(leap: Option<Leap>) -> Params {
    let step = |until, slope| Step { from: 0, until, slope };
    let slow = Rise {
        steps: [step(9_000_000, 1_099_400_000_000), step(9_500_000, 1_099_300_000_000)],
        rest: PLAIN.slow,
    };
    let fast = Rise {
        steps: [step(8_000_000, 1_099_600_000_000), step(8_500_000, 1_099_700_000_000)],
        rest: PLAIN.fast,
    };
    Params {
        published: 1_000_000,
        margin: 777,
        earliest: Line { anchor: 1_000_777, ns: 1_795_000_000_000_000_000 },
        latest: Line { anchor: 999_223, ns: -1_795_000_000_000_000_001 },
        rates: Rates { slow, fast },
        since: 123_456,
        heard: 999_000,
        leap,
        leap_from: 7_654_321,
        degraded: true,
    }
}

fn publication(content: Content, trusted: bool) -> Publication {
    Publication { incarnation: 0x0102_0304, epoch: 0xA1A2_A3A4, slopes: PLAIN, trusted, content }
}

/// The encoding, bit for bit: a word or a bit that moves is seen here.
#[rustfmt::skip]
#[test]
fn the_words_of_every_kind_of_publication_are_these() {
    let leap = |inserted| Some(Leap { midnight_ns: -5, inserted, deleted: !inserted });
    let wide = Params { margin: 1 << 32, leap_from: u64::MAX, degraded: false, ..params(None) };
    assert_eq!(Publication::start(PLAIN).encode(None), [
        0xffff_ffff_ffff_ffff, 0,
        0, 0,
        0, 0,
        0xff_df3b_645a, 0x100_20c4_9ba8,
        0, 0,
        0, 0, 0, 0,
        0, 0, 0xff_df3b_645a, 0xff_df3b_645a,
        0, 0, 0x100_20c4_9ba8, 0x100_20c4_9ba8,
        0,
    ], "a start");
    assert_eq!(publication(Content::Running(params(leap(true))), true).encode(Some(500_000)), [
        0xf_3f37, 0x16_df78,
        0xf_4549, 0x18e9_1efd_5bd3_8000,
        0xf_3f37, 0xe716_e102_a42c_7fff,
        0xff_f958_b200, 0x100_0544_7400,
        0xa1a2_a3a4_0102_0304, 0x309_0005_0001,
        0xf_4240, 0x1_e240, 0xf_3e58, 0x74_cbb1,
        0x89_5440, 0x90_f560, 0xff_f362_d100, 0xff_df3b_645a,
        0x7a_1200, 0x81_b320, 0x100_0b3a_5500, 0x100_20c4_9ba8,
        0xffff_ffff_ffff_fffb,
    ], "running, a leap second to be inserted");
    assert_eq!(publication(Content::Running(params(leap(false))), false).encode(Some(u64::MAX)), [
        0xf_3f37, 0x74_cbb1,
        0xf_4549, 0x18e9_1efd_5bd3_8000,
        0xf_3f37, 0xe716_e102_a42c_7fff,
        0xff_f958_b200, 0x100_0544_7400,
        0xa1a2_a3a4_0102_0304, 0x309_000b_0001,
        0xf_4240, 0x1_e240, 0xf_3e58, 0x74_cbb1,
        0x89_5440, 0x90_f560, 0xff_f362_d100, 0xff_df3b_645a,
        0x7a_1200, 0x81_b320, 0x100_0b3a_5500, 0x100_20c4_9ba8,
        0xffff_ffff_ffff_fffb,
    ], "untrusted, one to be deleted");
    assert_eq!(publication(Content::Running(wide), true).encode(None), [
        0xffff_ffff_ffff_ffff, 0,
        0xf_4549, 0x18e9_1efd_5bd3_8000,
        0xf_3f37, 0xe716_e102_a42c_7fff,
        0xff_f958_b200, 0x100_0544_7400,
        0xa1a2_a3a4_0102_0304, 0xffff_ffff_0000_0001,
        0xf_4240, 0x1_e240, 0xf_3e58, 0xffff_ffff_ffff_ffff,
        0x89_5440, 0x90_f560, 0xff_f362_d100, 0xff_df3b_645a,
        0x7a_1200, 0x81_b320, 0x100_0b3a_5500, 0x100_20c4_9ba8,
        0,
    ], "never quick, a margin that does not fit");
    assert_eq!(publication(Content::Disrupted(DisruptionReason::RateBeyondBound { ppm: -681 }), false).encode(Some(1)), [
        0xffff_ffff_ffff_ffff, 0,
        0, 0,
        0, 0,
        0xff_df3b_645a, 0x100_20c4_9ba8,
        0xa1a2_a3a4_0102_0304, 0xffff_fd57_0002_ff02,
        0, 0, 0, 0,
        0, 0, 0xff_df3b_645a, 0xff_df3b_645a,
        0, 0, 0x100_20c4_9ba8, 0x100_20c4_9ba8,
        0,
    ], "disrupted, with a number");
    assert_eq!(publication(Content::Disrupted(DisruptionReason::LeapSecond), true).encode(None), [
        0xffff_ffff_ffff_ffff, 0,
        0, 0,
        0, 0,
        0xff_df3b_645a, 0x100_20c4_9ba8,
        0xa1a2_a3a4_0102_0304, 0x402,
        0, 0, 0, 0,
        0, 0, 0xff_df3b_645a, 0xff_df3b_645a,
        0, 0, 0x100_20c4_9ba8, 0x100_20c4_9ba8,
        0,
    ], "disrupted, without one");
    assert_eq!(publication(Content::ThreadDied, true).encode(None), [
        0xffff_ffff_ffff_ffff, 0,
        0, 0,
        0, 0,
        0xff_df3b_645a, 0x100_20c4_9ba8,
        0xa1a2_a3a4_0102_0304, 3,
        0, 0, 0, 0,
        0, 0, 0xff_df3b_645a, 0xff_df3b_645a,
        0, 0, 0x100_20c4_9ba8, 0x100_20c4_9ba8,
        0,
    ], "the thread died");
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
