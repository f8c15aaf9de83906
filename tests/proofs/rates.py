"""Slopes that change at a reading: src/bound/slopes.rs. Every reading and every pair of steps, on either side of the rest.

`between` adds up segments. It is right because a segment's slope is the best that is known at each of its ticks, because each round
goes on by a tick at least, and because five rounds are enough. The products of a round are by definition the sum over its
ticks. Division by a slope, which is unknown, stands here as its definition: q = floor(a/b) means q*b <= a < (q+1)*b.
"""

from z3 import And, ArithRef, BoolRef, Function, Implies, Int, Ints, IntSort

import model
from model import U64_MAX, Rise, Step, within
from proof import Proof


def any_rise() -> Rise:
    names = [Ints(f"from_{i} until_{i} slope_{i}") for i in range(2)]
    return Rise([Step(*name) for name in names], Int("rest"))


def known(rise: Rise, sign: int) -> BoolRef:
    """All numbers are u64, and each step says more than the rest: faster on the slow side (1), slower on the fast side (-1)."""
    numbers = [rise.rest] + [x for s in rise.steps for x in (s.start, s.until, s.slope)]
    return And([within(x, 0, U64_MAX) for x in numbers] + [sign * s.slope >= sign * rise.rest for s in rise.steps])


def best(rise: Rise, sign: int, x: ArithRef) -> ArithRef:
    """The definition: the best of all that is known at one tick."""
    slope, choose = rise.rest, model.most if sign > 0 else model.least
    for s in rise.steps:
        slope = model.If(And(s.start <= x, x < s.until), choose(slope, s.slope), slope)
    return slope


def segment_is_best(segment, sign: int) -> BoolRef:
    rise, (c, x) = any_rise(), Ints("c x")
    slope, end = segment(rise, c)
    ranges = And(known(rise, sign), within(c, 0, U64_MAX - 1))
    return Implies(ranges, And(end > c, Implies(And(c <= x, x < end), slope == best(rise, sign, x))))


def segment_passing_over_a_beginning(rise: Rise, c: ArithRef):
    slope, end = rise.rest, model.IntVal(U64_MAX)
    for s in rise.steps:
        inside = And(c < s.until, c >= s.start)
        end = model.If(inside, model.least(end, s.until), end)
        slope = model.If(inside, model.better(rise.rest, slope, s.slope), slope)
    return slope, end


def segment_a_tick_longer(rise: Rise, c: ArithRef):
    slope, end = model.segment(rise, c)
    return slope, model.If(end == U64_MAX, end, end + 1)


def segment_of_the_worst(rise: Rise, c: ArithRef):
    slope, end = rise.rest, model.IntVal(U64_MAX)
    for s in rise.steps:
        ahead, inside = And(c < s.until, c < s.start), And(c < s.until, c >= s.start)
        end = model.If(ahead, model.least(end, s.start), model.If(inside, model.least(end, s.until), end))
        slope = model.If(inside, s.slope, slope)
    return slope, end


def rounds_are_enough(rounds: int) -> BoolRef:
    rise, (start, to) = any_rise(), Ints("start to")
    at = start
    for _ in range(rounds):
        _, end = model.segment(rise, at)
        at = model.If(at < to, model.least(end, to), at)
    ranges = And(known(rise, 1), within(start, 0, U64_MAX), within(to, start, U64_MAX))
    return Implies(ranges, at == to)


def one_segment(longer: int) -> BoolRef:
    """The quick way: up to the end of the first segment the whole sum is one product."""
    rise, (start, to) = any_rise(), Ints("start to")
    slope, end = model.segment(rise, start)
    ranges = And(known(rise, 1), within(start, 0, U64_MAX), within(to, start, U64_MAX), to <= end + longer)
    # Which products are taken is all that is asked, so a product is any function of its factors that is 0 for no ticks.
    product = Function("product", IntSort(), IntSort(), IntSort())
    none = product(0, slope) == 0
    return Implies(And(ranges, none), model.between(rise, start, to, product) == product(to - start, slope))


def round_of_reaches(more: int) -> BoolRef:
    """All of a segment is at least what is missing: the reading is the first, and not beyond the segment. `more` readings later it is not."""
    at, end, slope, missing, q = Ints("at end slope missing q")
    ceiled = And((q - 1) * slope < missing, missing <= q * slope)
    ranges = And(within(at, 0, U64_MAX), within(end, at, U64_MAX), within(slope, 0, U64_MAX), missing > 0)
    here = And((end - at) * slope >= missing, Implies(slope > 0, ceiled))
    n = q + more
    first = And(slope > 0, n * slope >= missing, (n - 1) * slope < missing, at + n <= end)
    return Implies(And(ranges, here), first)


def round_of_stays_within(more: int) -> BoolRef:
    at, end, slope, left, q = Ints("at end slope left q")
    floored = And(q * slope <= left, left < (q + 1) * slope)
    ranges = And(within(at, 0, U64_MAX), within(end, at, U64_MAX), within(slope, 0, U64_MAX), left >= 0)
    here = And((end - at) * slope > left, Implies(slope > 0, floored))
    n = q + more
    last = And(slope > 0, n * slope <= left, (n + 1) * slope > left, at + n < end)
    return Implies(And(ranges, here), last)


def since_says_no_more(since, sign: int) -> BoolRef:
    """What a line takes with it at its anchor is nowhere better than what is known, and just that until the first step begins or ends.

    But for steps that last to the end of the counter's range, which are left out: that says less.
    """
    rise, (anchor, x) = any_rise(), Ints("anchor x")
    kept = since(rise, anchor)
    ranges = And(known(rise, sign), within(anchor, 0, U64_MAX), within(x, anchor, U64_MAX - 1))
    _, end = model.segment(rise, anchor)
    no_more = sign * best(kept, sign, x) <= sign * best(rise, sign, x)
    end_in_range = And([s.until < U64_MAX for s in rise.steps])
    whole = Implies(And(x < end, end_in_range), best(kept, sign, x) == best(rise, sign, x))
    return Implies(ranges, And(no_more, whole))


def since_with_steps_to_come(rise: Rise, anchor: ArithRef) -> Rise:
    """The wrong one: a step that begins later is taken as if it had begun."""
    return Rise([Step(model.IntVal(0), s.until, s.slope) for s in rise.steps], rise.rest)


def since_ended(rise: Rise, anchor: ArithRef) -> Rise:
    """The wrong one: steps that have begun last for ever."""
    kept = model.since(rise, anchor)
    return Rise([Step(s.start, model.If(s.until > 0, U64_MAX, 0), s.slope) for s in kept.steps], rise.rest)


STEPS = "two steps, all u64"
SIDES = [("slow", 1), ("fast", -1)]
SEGMENT_TWINS = {
    "a beginning passed over": segment_passing_over_a_beginning,
    "a tick longer": segment_a_tick_longer,
    "the last one instead of the best": segment_of_the_worst,
}

PROOFS = [
    *[
        Proof(
            f"rates: a segment is the best at each tick, {side} side",
            STEPS,
            segment_is_best(model.segment, sign),
            {name: segment_is_best(twin, sign) for name, twin in SEGMENT_TWINS.items()},
        )
        for side, sign in SIDES
    ],
    Proof("rates: five segments are enough", STEPS, rounds_are_enough(5), {"four": rounds_are_enough(4)}),
    Proof("rates: one product until the first end", STEPS, one_segment(0), {"a tick longer": one_segment(1)}),
    Proof(
        "rates: the first reading that a sum reaches",
        "all u64, any sum",
        round_of_reaches(0),
        {"one before": round_of_reaches(-1), "one after": round_of_reaches(1)},
    ),
    Proof(
        "rates: the last reading that a sum stays within",
        "all u64, any sum",
        round_of_stays_within(0),
        {"one before": round_of_stays_within(-1), "one after": round_of_stays_within(1)},
    ),
    *[
        Proof(
            f"rates: a line's own steps say no more, {side} side",
            STEPS,
            since_says_no_more(model.since, sign),
            {
                "steps to come": since_says_no_more(since_with_steps_to_come, sign),
                "for ever": since_says_no_more(since_ended, sign),
            },
        )
        for side, sign in SIDES
    ],
]
