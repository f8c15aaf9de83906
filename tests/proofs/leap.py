"""Around an announced leap second, what is answered contains whatever anyone may rightly read: src/bound/leap.rs.

u is true time by the count of before, M the midnight, in nanoseconds. What really happens is one of three: nothing, a step back by a
second at some u from M to M + 1 s, or a step forward at some u from M - 1 s to M; and only what is announced. Everything is linear, and
decided for all numbers.
"""

from z3 import And, ArithRef, BoolRef, Bools, If, Implies, Ints, Not

import model
from model import NS_PER_S as S
from model import Maybe, within
from proof import Proof

M, U, STEP = Ints("M u step")
INSERTED, DELETED, STEPS_BACK, STEPS_FORWARD = Bools("inserted deleted steps_back steps_forward")
NEAR = And(within(M, -(2**62), 2**62), within(U, -(2**62), 2**62))


def world(early: int = 0) -> BoolRef:
    """What is announced covers what happens. `early`: so much earlier than any convention, for a twin."""
    back = And(INSERTED, one_kind(), M - early <= STEP, STEP <= M + S)
    forward = And(DELETED, one_kind(), M - S - early <= STEP, STEP <= M)
    return And(NEAR, Implies(STEPS_BACK, back), Implies(STEPS_FORWARD, forward))


def one_kind() -> BoolRef:
    return Not(And(STEPS_BACK, STEPS_FORWARD))


def reads(u: ArithRef) -> ArithRef:
    """What someone reads who steps where this world does."""
    return If(And(STEPS_BACK, u >= STEP), u - S, If(And(STEPS_FORWARD, u >= STEP), u + S, u))


def inside(latest=model.leap_latest, early: int = 0) -> BoolRef:
    below, above = Ints("below above")
    sides = And(below >= 0, above >= 0)
    low, high = model.leap_earliest(M, INSERTED, U - below), latest(M, DELETED, U + above)
    return Implies(And(world(early), sides, high.fits), And(low <= reads(U), reads(U) <= high.value))


def stays_past(earliest=model.leap_earliest) -> BoolRef:
    """`earliest` is below every reading from now on, and never falls; nor does `latest`."""
    later = Ints("later")[0]
    now, then = earliest(M, INSERTED, U), earliest(M, INSERTED, U + later)
    high, higher = model.leap_latest(M, DELETED, U), model.leap_latest(M, DELETED, U + later)
    rises = Implies(And(high.fits, higher.fits), high.value <= higher.value)
    return Implies(And(world(), later >= 0), And(now <= reads(U + later), now <= then, rises))


def inverse(exceed=model.leap_least_to_exceed) -> BoolRef:
    ns = Ints("ns")[0]
    return Implies(NEAR, (model.leap_earliest(M, INSERTED, U) > ns) == (U > exceed(M, INSERTED, ns)))


def brought_back(before=model.leap_before) -> BoolRef:
    """T2 and T3 of a server that is wrong by B at most, anywhere around the step: facts of u, at the request and at the answer."""
    b, error_2, error_3, sent, left, came = Ints("b error_2 error_3 sent left came")
    order = And(sent <= U, U <= left, left <= came, b >= 0, within(error_2, -b, b), within(error_3, -b, b))
    upper, lower = reads(U) + error_2 + b, reads(left) + error_3 - b
    upper, lower = upper + before(M, INSERTED, upper), lower - before(M, DELETED, lower)
    return Implies(And(world(), order), And(sent <= upper, lower <= came))


def left_behind(over=model.leap_is_over) -> BoolRef:
    """When it is over, moving the ends by a second each once makes of what is known of u what everyone reads, and moves no answer."""
    below, above = Ints("below above")
    down, up = If(INSERTED, S, 0), If(DELETED, S, 0)
    x, y = U - below, U + above
    latest = model.leap_latest(M, DELETED, y)
    same = And(model.leap_earliest(M, INSERTED, x) == x - down, Implies(latest.fits, latest.value == y + up))
    right = And(x - down <= reads(U), reads(U) <= y + up)
    return Implies(And(world(), below >= 0, above >= 0, x >= over(M)), And(same, right))


def no_stall(midnight: ArithRef, inserted: BoolRef, u: ArithRef) -> ArithRef:
    return If(And(inserted, u >= midnight), u - S, u)


def late_lift(midnight: ArithRef, deleted: BoolRef, u: ArithRef) -> Maybe:
    value = If(And(deleted, u >= midnight), u + S, u)
    return Maybe(value <= model.I64_MAX, value)


def exceed_at_midnight(midnight: ArithRef, inserted: BoolRef, ns: ArithRef) -> ArithRef:
    return If(And(inserted, ns >= midnight), ns + S, ns)


def before_a_nanosecond_late(midnight: ArithRef, applies: BoolRef, end: ArithRef) -> ArithRef:
    return If(And(applies, end > midnight - S), S, 0)


RANGES = "M and u within 2^62 ns of 1970, announcements and worlds of any kind"
PROOFS = [
    Proof(
        "leap: whatever anyone reads is inside",
        RANGES,
        inside(),
        {
            "a step a nanosecond earlier than any convention": inside(early=1),
            "latest lifted from midnight on": inside(latest=late_lift),
        },
    ),
    Proof("leap: earliest is below all to come and never falls", RANGES, stays_past(), {"no stall": stays_past(no_stall)}),
    Proof("leap: what u must exceed", RANGES, inverse(), {"from midnight on": inverse(exceed_at_midnight)}),
    Proof(
        "leap: facts are brought back",
        RANGES + ", any B and any time at the server",
        brought_back(),
        {"a nanosecond later": brought_back(before_a_nanosecond_late)},
    ),
    Proof(
        "leap: it is left behind",
        RANGES,
        left_behind(),
        {"half a second before midnight": left_behind(lambda midnight: midnight + S // 2 - S)},
    ),
]
