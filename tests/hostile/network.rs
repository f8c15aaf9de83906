//! Paths that misbehave, each way, to an honest server.

use super::{Bad, FOUND_OUT, MS, Row, Seen, one, path};
use crate::support::relay::{Direction, Path, shift_server_stamps};
use std::time::Duration;
use sureclock::Problem;

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
        ramp("a delay that grows by 30 ms/s there", |p, since| {
            p.forward.delay = since.mul_f64(0.03)
        }),
        ramp("a delay that grows by 30 ms/s back", |p, since| {
            p.backward.delay = since.mul_f64(0.03)
        }),
        ramp("a delay that falls by 30 ms/s there", |p, since| {
            p.forward.delay = (60 * MS).saturating_sub(since.mul_f64(0.03));
        }),
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
            "all lost back",
            |mut p| {
                p.backward.loss_permille = 1000;
                p
            },
            Seen::Network(|[there, back]| {
                there.arrived > 5 && back.arrived > 5 && back.lost == back.arrived
            }),
            "tally of losses",
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

pub(super) const SLOW: Seen = Seen::Source(|source| {
    source.counts.answered > 3 && source.delay.is_some_and(|delay| delay >= 40 * MS)
});

const fn ramp(name: &'static str, set: fn(&mut Path, Duration)) -> Row {
    let seen = Seen::Source(|source| {
        source.counts.answered > 5 && source.delay.is_some_and(|delay| delay >= 20 * MS)
    });
    one("F6", name, Bad::Ramp(|path| path, set), seen, "its delay")
}

pub(super) fn forged(path: Path) -> Path {
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
        (leg.delay, leg.jitter, leg.loss_permille, leg.duplicate_permille) =
            (5 * MS, 50 * MS, 200, 300);
        (leg.corrupt_permille, leg.replay_permille) = (200, 300);
    }
    path
}
