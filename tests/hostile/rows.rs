//! The rows: each one behaviour of a server or a path, and what must have been seen of it.

use super::Law;
use super::support::hostile::{Answer, Behaviour, SECOND};
use super::support::relay::{Direction, Path, Tally, shift_server_stamps};
use std::time::Duration;
use sureclock::ntp::{KissCode, Rejected};
use sureclock::{Problem, SourceStatus, Verdict};

/// One row.
#[derive(Clone, Copy)]
pub(crate) struct Row {
    pub(crate) fault: &'static str,
    pub(crate) name: &'static str,
    pub(crate) what: Bad,
    pub(crate) bad: usize,
    pub(crate) honest: usize,
    pub(crate) max_faulty: usize,
    pub(crate) seen: Seen,
    /// The same in words, for the table.
    pub(crate) seen_as: &'static str,
    pub(crate) law: Law,
}

/// What stands where a server should.
#[derive(Clone, Copy)]
pub(crate) enum Bad {
    /// A hostile server.
    Server(Behaviour),
    /// A bad path to a real chronyd.
    Path(fn(Path) -> Path),
    /// One that changes with the time since the start of the row.
    Ramp(fn(Path) -> Path, fn(&mut Path, Duration)),
}

/// What shows that the fault took place.
#[derive(Clone, Copy)]
pub(crate) enum Seen {
    /// In the status of the source.
    Source(fn(&SourceStatus) -> bool),
    /// In the tallies of the relay, forward and backward.
    Network(fn([Tally; 2]) -> bool),
    /// Answers were sent, and none was taken for one: timeouts alone.
    PassedOver,
}

const ANSWERS: Seen = Seen::Source(|source| source.counts.answered > 5);
const FOUND_OUT: Seen = Seen::Source(|source| matches!(source.verdict, Verdict::Falseticker | Verdict::Contradictory));

/// One of three misbehaves.
const fn one(fault: &'static str, name: &'static str, what: Bad, seen: Seen, seen_as: &'static str) -> Row {
    Row { fault, name, what, bad: 1, honest: 2, max_faulty: 1, seen, seen_as, law: Law::Holds }
}

/// Two of five, alike.
const fn two(row: Row) -> Row {
    Row { bad: 2, honest: 3, max_faulty: 2, ..row }
}

/// Two of three: one more than f.
const fn beyond(row: Row, law: Law) -> Row {
    Row { bad: 2, honest: 1, max_faulty: 1, law, ..row }
}

const fn server(name: &'static str, behaviour: Behaviour, seen: Seen, seen_as: &'static str) -> Row {
    one("F6", name, Bad::Server(behaviour), seen, seen_as)
}

const fn liar(name: &'static str, behaviour: Behaviour, seen: Seen, seen_as: &'static str) -> Row {
    one("F7", name, Bad::Server(behaviour), seen, seen_as)
}

const fn path(name: &'static str, path: fn(Path) -> Path, seen: Seen, seen_as: &'static str) -> Row {
    one("F6", name, Bad::Path(path), seen, seen_as)
}

/// Matches the reason for which the last answer was refused.
macro_rules! refused_as {
    ($pattern:pat) => {
        Seen::Source(|source| {
            matches!(source.problem, Some(Problem::Rejected($pattern))) && source.counts.answered == 0
        })
    };
}

/// Half a second ahead, so that a row's answer would be missed if it were believed.
fn lie(answer: &mut Answer) {
    answer.shift(500_000_000);
}

/// Answers that must not be used; all of them lie, too.
pub(crate) fn refused() -> Vec<Row> {
    vec![
        server(
            "kiss-o'-death DENY",
            |a, _| kiss(a, b"DENY"),
            Seen::Source(|s| s.verdict == Verdict::Stopped),
            "left alone",
        ),
        server(
            "kiss-o'-death RSTR",
            |a, _| kiss(a, b"RSTR"),
            Seen::Source(|s| s.verdict == Verdict::Stopped),
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
            "an extension field of 28 bytes",
            |a, _| {
                lie(a);
                a.longer = 28
            },
            Seen::PassedOver,
            "passed over",
        ),
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
            "spoof: from another port",
            |a, _| {
                lie(a);
                a.from_elsewhere = true
            },
            Seen::PassedOver,
            "passed over",
        ),
        server("spoof: 20 guessed origins, then the honest answer", |a, _| a.guesses = 20, ANSWERS, "answers"),
    ]
}

fn kiss(answer: &mut Answer, code: &[u8; 4]) {
    answer.stratum = 0;
    answer.reference_id = *code;
    lie(answer);
}

const MS: Duration = Duration::from_millis(1);

/// Bad paths to an honest server, each way.
pub(crate) fn network() -> Vec<Row> {
    vec![
        path(
            "100 % of a delay of 40 ms there",
            |mut p| {
                p.forward.delay = 40 * MS;
                p
            },
            SLOW,
            "its delay",
        ),
        path(
            "100 % of a delay of 40 ms back",
            |mut p| {
                p.backward.delay = 40 * MS;
                p
            },
            SLOW,
            "its delay",
        ),
        ramp("a delay that grows by 30 ms/s there", |p, since| p.forward.delay = since.mul_f64(0.03)),
        ramp("a delay that grows by 30 ms/s back", |p, since| p.backward.delay = since.mul_f64(0.03)),
        ramp("a delay that falls by 30 ms/s back", |p, since| {
            p.backward.delay = (60 * MS).saturating_sub(since.mul_f64(0.03))
        }),
        path(
            "copies that overtake each other there",
            |mut p| {
                (p.forward.duplicate_permille, p.forward.jitter) = (1000, 150 * MS);
                p
            },
            Seen::Network(|[there, _]| there.duplicated > 5),
            "tally of copies",
        ),
        path(
            "copies that overtake each other back",
            |mut p| {
                (p.backward.duplicate_permille, p.backward.jitter) = (1000, 150 * MS);
                p
            },
            Seen::Network(|[_, back]| back.duplicated > 5),
            "tally of copies",
        ),
        path(
            "half lost there",
            |mut p| {
                p.forward.loss_permille = 500;
                p
            },
            Seen::Network(|[there, _]| there.lost > 2),
            "tally of losses",
        ),
        path(
            "half lost back",
            |mut p| {
                p.backward.loss_permille = 500;
                p
            },
            Seen::Network(|[_, back]| back.lost > 2),
            "tally of losses",
        ),
        path(
            "all lost there",
            |mut p| {
                p.forward.loss_permille = 1000;
                p
            },
            Seen::Source(|s| s.problem == Some(Problem::Timeout) && s.counts.answered == 0),
            "timeouts alone",
        ),
        path(
            "questions of before replayed",
            |mut p| {
                p.forward.replay_permille = 1000;
                p
            },
            Seen::Network(|[there, _]| there.replayed > 5),
            "tally of replays",
        ),
        path(
            "answers of before replayed",
            |mut p| {
                p.backward.replay_permille = 1000;
                p
            },
            Seen::Network(|[_, back]| back.replayed > 5),
            "tally of replays",
        ),
        path(
            "an old answer instead of each",
            replaying,
            Seen::Source(|s| s.counts.answered == 1 && s.counts.failed > 2),
            "no second answer",
        ),
        path(
            "a bit flipped in each question",
            |mut p| {
                p.forward.corrupt_permille = 1000;
                p
            },
            Seen::Network(|[there, _]| there.corrupted > 5),
            "tally of flipped bits",
        ),
        path(
            "a bit flipped in each answer",
            |mut p| {
                p.backward.corrupt_permille = 1000;
                p
            },
            Seen::Network(|[_, back]| back.corrupted > 5),
            "tally of flipped bits",
        ),
        path(
            "everything, both ways",
            everything,
            Seen::Network(|legs| legs.iter().all(|t| t.arrived > 5 && t.corrupted > 0)),
            "tallies",
        ),
        path("stamps forged on the way", forged, FOUND_OUT, "found out"),
    ]
}

const SLOW: Seen =
    Seen::Source(|source| source.counts.answered > 3 && source.delay.is_some_and(|delay| delay >= 40 * MS));

const fn ramp(name: &'static str, set: fn(&mut Path, Duration)) -> Row {
    let seen = Seen::Source(|source| source.counts.answered > 5 && source.delay.is_some_and(|delay| delay >= 20 * MS));
    one("F6", name, Bad::Ramp(|path| path, set), seen, "its delay")
}

fn forged(path: Path) -> Path {
    path.rewrite(|datagram, direction, _| {
        if direction == Direction::Backward {
            shift_server_stamps(datagram, 500_000_000);
        }
    })
}

/// The first answer comes as it is, and again in place of every later one.
fn replaying(path: Path) -> Path {
    let mut first: Option<Vec<u8>> = None;
    path.rewrite(move |datagram, direction, _| {
        if direction == Direction::Backward {
            datagram.clone_from(first.get_or_insert_with(|| datagram.clone()));
        }
    })
}

fn everything(mut path: Path) -> Path {
    for leg in [&mut path.forward, &mut path.backward] {
        (leg.delay, leg.jitter, leg.loss_permille, leg.duplicate_permille) = (5 * MS, 50 * MS, 200, 300);
        (leg.corrupt_permille, leg.replay_permille) = (200, 300);
    }
    path
}

const YEARS_12_NS: i64 = 12 * 365 * 86_400 * 1_000_000_000;
/// 2036-02-07T06:28:16Z is second 0 of era 1.
const ERA_EDGE: u64 = 0;

/// Servers that answer well and lie.
pub(crate) fn liars() -> Vec<Row> {
    vec![
        liar("just outside: 3 ms ahead", |a, _| a.shift(3_000_000), FOUND_OUT, "found out"),
        liar("just outside: 3 ms behind", |a, _| a.shift(-3_000_000), FOUND_OUT, "found out"),
        liar("an hour ahead", |a, _| a.shift(3_600_000_000_000), FOUND_OUT, "found out"),
        liar("edge overlap: 60 us ahead", |a, _| a.shift(60_000), ANSWERS, "answers"),
        liar("edge overlap: 60 us behind", |a, _| a.shift(-60_000), ANSWERS, "answers"),
        liar("wide: 15 s of dispersion", |a, _| a.root_dispersion = 15 << 16, WIDE, "its root distance"),
        liar(
            "wide and 14 s off",
            |a, _| {
                a.shift(14_000_000_000);
                a.root_dispersion = 15 << 16
            },
            WIDE,
            "its root distance",
        ),
        liar("no dispersion claimed, truth told", |a, _| a.root_dispersion = 0, ANSWERS, "answers"),
        liar(
            "no dispersion claimed, wanders by 400 us",
            |a, since| {
                a.root_dispersion = 0;
                a.shift(if since.as_millis() % 500 < 250 { 200_000 } else { -200_000 })
            },
            ANSWERS,
            "answers",
        ),
        liar("drifts by 20 us/s", |a, since| a.shift(drift(since, 20)), ANSWERS, "answers"),
        liar("drifts by 2 ms/s", |a, since| a.shift(drift(since, 2000)), FOUND_OUT, "found out"),
        liar(
            "flips there and back by 50 ms",
            |a, since| a.shift(if since.as_millis() % 600 < 300 { 50_000_000 } else { -50_000_000 }),
            FOUND_OUT,
            "found out",
        ),
        liar(
            "behaves for a second, then 500 ms",
            |a, since| {
                if since > 1000 * MS {
                    lie(a)
                }
            },
            Seen::Source(|s| s.counts.answered > 5 && s.verdict != Verdict::Agrees && s.verdict != Verdict::Silent),
            "found out",
        ),
        liar(
            "behaves for a second, then 5 ms behind",
            |a, since| {
                if since > 1000 * MS {
                    a.shift(-5_000_000)
                }
            },
            FOUND_OUT,
            "found out",
        ),
        liar("12 years ahead", |a, _| a.shift(YEARS_12_NS), FOUND_OUT, "found out"),
        two(liar("two, 12 years ahead", |a, _| a.shift(YEARS_12_NS), FOUND_OUT, "found out")),
        two(liar("two, 12 years behind", |a, _| a.shift(-YEARS_12_NS), FOUND_OUT, "found out")),
        two(liar("two that collude: 500 ms ahead", |a, _| lie(a), FOUND_OUT, "found out")),
        two(liar("two that collude: 60 us behind", |a, _| a.shift(-60_000), ANSWERS, "answers")),
        two(liar(
            "two that collude: behave, then 20 ms",
            |a, since| {
                if since > 1000 * MS {
                    a.shift(20_000_000)
                }
            },
            FOUND_OUT,
            "found out",
        )),
        era("era edge: a millisecond before", |a, _| at_edge(a, -1, -1)),
        era("era edge: a millisecond after", |a, _| at_edge(a, 1, 1)),
        era("era edge: T2 before, T3 after", |a, _| at_edge(a, -1, 1)),
        era("era edge: runs over it", |a, since| {
            let ms = i64::try_from(since.as_millis()).unwrap_or(0) - 1000;
            at_edge(a, ms, ms)
        }),
    ]
}

const WIDE: Seen =
    Seen::Source(|source| source.root_distance.is_some_and(|distance| distance >= Duration::from_secs(15)));

const fn era(name: &'static str, behaviour: Behaviour) -> Row {
    one("F6", name, Bad::Server(behaviour), FOUND_OUT, "found out")
}

fn drift(since: Duration, us_per_s: i64) -> i64 {
    i64::try_from(since.as_micros()).unwrap_or(0) * us_per_s / 1000
}

fn at_edge(answer: &mut Answer, receive_ms: i64, transmit_ms: i64) {
    answer.reference = 0;
    for (stamp, ms) in [(&mut answer.receive, receive_ms), (&mut answer.transmit, transmit_ms)] {
        // A stamp of zero would be none.
        *stamp = ERA_EDGE.wrapping_add_signed((ms << 32) / 1000).max(1);
    }
}

/// One bad one more than the clock is told to expect: what must fail, and what is promised even then.
pub(crate) fn beyond_f() -> Vec<Row> {
    let twin = |row: Row| beyond(Row { seen: ANSWERS, seen_as: "twin: answers", ..row }, Law::Violates);
    vec![
        twin(liar("f+1 collude: 500 ms ahead", |a, _| lie(a), ANSWERS, "")),
        twin(liar("f+1 collude: 3 ms behind", |a, _| a.shift(-3_000_000), ANSWERS, "")),
        twin(liar("f+1, 12 years ahead", |a, _| a.shift(YEARS_12_NS), ANSWERS, "")),
        twin(liar(
            "f+1 behave for a second, then collude",
            |a, since| {
                if since > 1000 * MS {
                    lie(a)
                }
            },
            ANSWERS,
            "",
        )),
        twin(era("f+1 at the era edge", |a, since| {
            let ms = i64::try_from(since.as_millis()).unwrap_or(0) + 1;
            at_edge(a, ms, ms)
        })),
        twin(path("stamps forged on the way to f+1", forged, ANSWERS, "")),
        beyond(
            server(
                "f+1 with leap indicator 3",
                |a, _| {
                    a.leap = 3;
                    lie(a)
                },
                refused_as!(Rejected::ServerNotSynchronized { .. }),
                "refused",
            ),
            Law::NoAnswer,
        ),
        beyond(
            server(
                "f+1 whose origin is one bit off",
                |a, _| {
                    a.origin ^= 1;
                    lie(a)
                },
                Seen::PassedOver,
                "passed over",
            ),
            Law::NoAnswer,
        ),
        beyond(
            path(
                "f+1 cut off",
                |mut p| {
                    p.cut();
                    p
                },
                Seen::Source(|s| s.problem.is_some()),
                "timeouts",
            ),
            Law::NoAnswer,
        ),
        beyond(
            path(
                "100 % of a delay of 40 ms there, to f+1",
                |mut p| {
                    p.forward.delay = 40 * MS;
                    p
                },
                SLOW,
                "its delay",
            ),
            Law::InsideOrError,
        ),
        beyond(
            path(
                "100 % of a delay of 40 ms back, to f+1",
                |mut p| {
                    p.backward.delay = 40 * MS;
                    p
                },
                SLOW,
                "its delay",
            ),
            Law::InsideOrError,
        ),
    ]
}
