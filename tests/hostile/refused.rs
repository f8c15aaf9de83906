//! Answers that must not be used: each is refused with its reason, or passed over until the
//! timeout.

use super::{ANSWERS, Row, Seen, lie, refused_as, server};
use crate::support::hostile::{Answer, SECOND};
use sureclock::ntp::{KissCode, Rejected};
use sureclock::{Problem, Verdict};

/// Answers that must not be used; all of them lie, too.
pub(crate) fn refused() -> Vec<Row> {
    vec![
        server(
            "kiss-o'-death DENY",
            |a, _| kiss(a, b"DENY"),
            Seen::Source(|s| s.verdict == Verdict::Resting),
            "left alone",
        ),
        server(
            "kiss-o'-death RSTR",
            |a, _| kiss(a, b"RSTR"),
            Seen::Source(|s| s.verdict == Verdict::Resting),
            "left alone",
        ),
        server(
            "kiss-o'-death RATE",
            |a, _| kiss(a, b"RATE"),
            refused_as!(Rejected::KissOfDeath { code: KissCode([b'R', b'A', b'T', b'E']) }),
            "its code",
        ),
        server(
            "kiss-o'-death of an unknown code",
            |a, _| kiss(a, b"\xffX\0?"),
            refused_as!(Rejected::KissOfDeath { .. }),
            "its code",
        ),
        server(
            "leap indicator 3",
            |a, _| {
                a.leap = 3;
                lie(a)
            },
            refused_as!(Rejected::ServerNotSynchronized { leap: 3, .. }),
            "refused as not synchronized",
        ),
        server(
            "stratum 16",
            |a, _| {
                a.stratum = 16;
                lie(a)
            },
            refused_as!(Rejected::ServerNotSynchronized { stratum: 16, .. }),
            "refused as not synchronized",
        ),
        server(
            "stratum 255",
            |a, _| {
                a.stratum = 255;
                lie(a)
            },
            refused_as!(Rejected::ServerNotSynchronized { stratum: 255, .. }),
            "refused as not synchronized",
        ),
        server(
            "T3 before T2",
            |a, _| {
                lie(a);
                a.transmit = a.receive - 1
            },
            refused_as!(Rejected::TransmitBeforeReceive),
            "refused for it",
        ),
        server(
            "T2 zero",
            |a, _| {
                lie(a);
                a.receive = 0
            },
            refused_as!(Rejected::ZeroStamp),
            "refused for it",
        ),
        server(
            "T3 zero",
            |a, _| {
                lie(a);
                a.transmit = 0
            },
            refused_as!(Rejected::ZeroStamp),
            "refused for it",
        ),
        server(
            "all stamps zero",
            |a, _| (a.reference, a.receive, a.transmit) = (0, 0, 0),
            refused_as!(Rejected::ZeroStamp),
            "refused for it",
        ),
        server(
            "reference in the future",
            |a, _| {
                lie(a);
                a.reference = a.transmit + SECOND
            },
            refused_as!(Rejected::ReferenceInTheFuture),
            "refused for it",
        ),
        server(
            "root dispersion 65536 s",
            |a, _| {
                lie(a);
                a.root_dispersion = u32::MAX
            },
            refused_as!(Rejected::AbsurdRootDistance { .. }),
            "refused for it",
        ),
        server(
            "root delay 65536 s",
            |a, _| {
                lie(a);
                a.root_delay = u32::MAX
            },
            refused_as!(Rejected::AbsurdRootDistance { .. }),
            "refused for it",
        ),
        server(
            "root dispersion 16 s, T2 and T3 16 s off",
            |a, _| {
                a.shift(16_000_000_000);
                a.root_dispersion = 16 << 16
            },
            refused_as!(Rejected::AbsurdRootDistance { .. }),
            "refused for it",
        ),
        server(
            "precision 2^3 s",
            |a, _| {
                lie(a);
                a.precision = 3
            },
            refused_as!(Rejected::AbsurdPrecision { precision: 3 }),
            "refused for it",
        ),
        server(
            "precision 2^127 s",
            |a, _| {
                lie(a);
                a.precision = 127
            },
            refused_as!(Rejected::AbsurdPrecision { precision: 127 }),
            "refused for it",
        ),
        server(
            "47 bytes",
            |a, _| {
                lie(a);
                a.longer = -1
            },
            Seen::PassedOver,
            "passed over",
        ),
        server("no byte", |a, _| a.longer = -48, Seen::PassedOver, "passed over"),
        server(
            "three bytes more",
            |a, _| {
                lie(a);
                a.longer = 3
            },
            Seen::PassedOver,
            "passed over",
        ),
        server("an extension field of 28 bytes", |a, _| a.longer = 28, ANSWERS, "answers"),
        server("a MAC of 20 bytes", |a, _| a.longer = 20, ANSWERS, "answers"),
        server(
            "1400 bytes",
            |a, _| {
                lie(a);
                a.longer = 1352
            },
            Seen::PassedOver,
            "passed over",
        ),
        server(
            "mode 3: a client's",
            |a, _| {
                lie(a);
                a.mode = 3
            },
            Seen::PassedOver,
            "passed over",
        ),
        server(
            "mode 5: a broadcast",
            |a, _| {
                lie(a);
                a.mode = 5
            },
            Seen::PassedOver,
            "passed over",
        ),
        server(
            "version 2",
            |a, _| {
                lie(a);
                a.version = 2
            },
            Seen::PassedOver,
            "passed over",
        ),
        server(
            "version 7",
            |a, _| {
                lie(a);
                a.version = 7
            },
            Seen::PassedOver,
            "passed over",
        ),
        server(
            "origin zero",
            |a, _| {
                lie(a);
                a.origin = 0
            },
            Seen::PassedOver,
            "passed over",
        ),
        server(
            "origin one bit off",
            |a, _| {
                lie(a);
                a.origin ^= 1
            },
            Seen::PassedOver,
            "passed over",
        ),
        server(
            "spoof: from another address",
            |a, _| {
                lie(a);
                a.from_elsewhere = true
            },
            Seen::PassedOver,
            "passed over",
        ),
        server(
            "spoof: 20 guessed origins, then the honest answer",
            |a, _| a.guesses = 20,
            ANSWERS,
            "answers",
        ),
    ]
}

fn kiss(answer: &mut Answer, code: &[u8; 4]) {
    answer.stratum = 0;
    answer.reference_id = *code;
    lie(answer);
}
