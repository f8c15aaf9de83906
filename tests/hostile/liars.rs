//! Servers that answer well and lie: up to f of them.

use super::{ANSWERS, Bad, FOUND_OUT, MS, Row, Seen, liar, lie, one, refused_as, two};
use crate::support::hostile::{Answer, Behaviour};
use std::time::Duration;
use sureclock::ntp::Rejected;
use sureclock::{Problem, Verdict};

pub(super) const YEARS_12_NS: i64 = 12 * 365 * 86_400 * 1_000_000_000;
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
        liar(
            "wide: 15 s of dispersion",
            |a, _| a.root_dispersion = 15 << 16,
            WIDE,
            "its root distance",
        ),
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
            |a, since| {
                a.shift(if since.as_millis() % 600 < 300 { 50_000_000 } else { -50_000_000 })
            },
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
            Seen::Source(|s| {
                s.counts.answered > 5
                    && s.verdict != Verdict::Agrees
                    && s.verdict != Verdict::Silent
            }),
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
        two(liar(
            "two, 12 years behind",
            |a, _| a.shift(-YEARS_12_NS),
            refused_as!(Rejected::BeforeTheBuild { .. }),
            "refused for it",
        )),
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

pub(super) const WIDE: Seen = Seen::Source(|source| {
    source.root_distance.is_some_and(|distance| distance >= Duration::from_secs(15))
});

pub(super) const fn era(name: &'static str, behaviour: Behaviour) -> Row {
    one("F6", name, Bad::Server(behaviour), FOUND_OUT, "found out")
}

fn drift(since: Duration, us_per_s: i64) -> i64 {
    i64::try_from(since.as_micros()).unwrap_or(0) * us_per_s / 1000
}

pub(super) fn at_edge(answer: &mut Answer, receive_ms: i64, transmit_ms: i64) {
    answer.reference = 0;
    for (stamp, ms) in [(&mut answer.receive, receive_ms), (&mut answer.transmit, transmit_ms)] {
        // A stamp of zero would be none.
        *stamp = ERA_EDGE.wrapping_add_signed((ms << 32) / 1000).max(1);
    }
}

/// In the first 12 days after the edge: the seconds of the honest stamps modulo 2^20, so that two
/// servers agree to the last bit.
pub(super) fn just_after_edge(answer: &mut Answer) {
    answer.reference = 0;
    for stamp in [&mut answer.receive, &mut answer.transmit] {
        *stamp &= (1 << 52) - 1;
    }
}
