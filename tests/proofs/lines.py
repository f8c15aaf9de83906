"""A line never leaves true time on the wrong side: src/bound/lines.rs, and with it every reading, `at`, and the ageing of facts.

Ticks that really passed, the rate and true time are real numbers; readings, slopes and answers are integers. The one product of two
unknowns is replaced by a name that is known to be no greater, or no less, than another: that is what the first two proofs, of real
numbers, are for.
"""

from z3 import And, ArithRef, BoolRef, Implies, Ints, Real, Reals, ToReal

import model
from model import I64_MAX, I64_MIN, U64_MAX, FRACTION, Maybe, within
from proof import Proof

# Nanoseconds of true time are scaled by 2^40, as slopes are.


def product_grows() -> BoolRef:
    ticks, passed, slope, rate = Reals("ticks passed slope rate")
    return Implies(And(0 <= ticks, ticks <= passed, 0 <= slope, slope <= rate), ticks * slope <= passed * rate)


def product_grows_without_signs() -> BoolRef:
    ticks, passed, slope, rate = Reals("ticks passed slope rate")
    return Implies(And(ticks <= passed, slope <= rate), ticks * slope <= passed * rate)


def u64(*names: ArithRef) -> BoolRef:
    return And([within(x, 0, U64_MAX) for x in names])


def elapsed_in_margin(strict: int) -> BoolRef:
    """A counter that shows n ticks saw more than n - m and less than n + m: so beyond a line's anchor there are as many as it counts."""
    c, fact, margin = Ints("c fact margin")
    passed = Real("passed")
    seen = And(passed > ToReal(c - fact - margin), passed < ToReal(c - fact + margin))
    lower, upper = model.lower_anchor(fact, margin), model.upper_anchor(fact, margin)
    after = And(
        Implies(And(lower.fits, c >= lower.value), ToReal(c - lower.value) + strict <= passed),
        Implies(And(upper.fits, c >= upper.value), passed <= ToReal(c - upper.value)),
    )
    before = And(
        Implies(And(lower.fits, c < lower.value), -passed <= ToReal(lower.value - c)),
        Implies(And(upper.fits, c < upper.value), ToReal(upper.value - c) <= -passed),
    )
    return Implies(And(u64(c, fact, margin), seen), And(after, before))


def saturating_anchor() -> BoolRef:
    """What the code did: a lower line near the end of the counter's range had less than its margin."""
    c, fact, margin = Ints("c fact margin")
    passed = Real("passed")
    seen = And(passed > ToReal(c - fact - margin), passed < ToReal(c - fact + margin))
    anchor = model.least(fact + margin, U64_MAX)
    return Implies(And(u64(c, fact, margin), seen, c < anchor), -passed <= ToReal(anchor - c))


def outward(answer: Maybe, ns: ArithRef, total: ArithRef, sign: int, is_lower: bool) -> BoolRef:
    """Where it answers, the answer is outside of `ns +- total` and less than a nanosecond off."""
    true_scaled = ToReal(ns * FRACTION + sign * total)
    scaled = ToReal(answer.value * FRACTION)
    if is_lower:
        right = And(scaled <= true_scaled, scaled > true_scaled - FRACTION)
    else:
        right = And(scaled >= true_scaled, scaled < true_scaled + FRACTION)
    total_range = within(total, 0, U64_MAX * U64_MAX)
    return Implies(And(within(ns, I64_MIN, I64_MAX), total_range, answer.fits), right)


def line(function, sign: int, is_lower: bool) -> BoolRef:
    ns, total = Ints("ns total")
    return outward(function(ns, total), ns, total, sign, is_lower)


def truth_side(function, sign: int, is_lower: bool) -> BoolRef:
    """The theorem of a reading: with the products in order, as they are proved to be, true time is on the right side of the line.

    `passed` is what really passed between anchor and reading, ticks times rate; `total` what the code counts. Truth at the fact is on
    the right side of `ns`.
    """
    ns, total = Ints("ns total")
    truth_at_fact, passed = Reals("truth_at_fact passed")
    truth = truth_at_fact + sign * passed
    answer = function(ns, total)
    if is_lower:
        fact = truth_at_fact >= ToReal(ns * FRACTION)
        order = ToReal(total) <= passed if sign > 0 else passed <= ToReal(total)
        side = ToReal(answer.value * FRACTION) <= truth
    else:
        fact = truth_at_fact <= ToReal(ns * FRACTION)
        order = passed <= ToReal(total) if sign > 0 else ToReal(total) <= passed
        side = truth <= ToReal(answer.value * FRACTION)
    ranges = And(within(ns, I64_MIN, I64_MAX), within(total, 0, U64_MAX * U64_MAX))
    return Implies(And(ranges, fact, order, answer.fits), side)


def fits_words(function) -> BoolRef:
    """An answer is an i64; where there is none, the exact one is none."""
    ns, total = Ints("ns total")
    answer = function(ns, total)
    ranges = And(within(ns, I64_MIN, I64_MAX), within(total, 0, U64_MAX * U64_MAX))
    return Implies(ranges, answer.fits == within(answer.value, I64_MIN, I64_MAX))


def unchecked_minus(ns: ArithRef, total: ArithRef) -> Maybe:
    ceiled = model.ceil_ns(total)
    return Maybe(ceiled <= U64_MAX, ns - ceiled)


def elapsed(less: int, more: int, rounding_up) -> BoolRef:
    """`elapsed_ns`: what passed between two readings n ticks apart is between the two answers. Products by name, as above."""
    least_total, most_total = Ints("least_total most_total")
    passed = Real("passed")
    order = And(ToReal(least_total) <= passed, passed <= ToReal(most_total), 0 <= least_total)
    low, high = model.floor_ns(least_total) + less, rounding_up(most_total) - more
    return Implies(order, And(ToReal(low * FRACTION) <= passed, passed <= ToReal(high * FRACTION)))


def exceeds(function) -> BoolRef:
    """`floor(total / 2^40) + line > ns` if and only if `total >= (ns - line + 1) * 2^40`; so `reaches` gives the first such reading."""
    ns, at, total = Ints("ns line total")
    gap = ns - at + 1
    is_above = at + model.floor_ns(total) > ns
    return Implies(total >= 0, is_above == function(total, gap))


def stays_below(function) -> BoolRef:
    """`ceil(total / 2^40) + line < ns` if and only if `total <= (ns - line - 1) * 2^40`."""
    ns, at, total = Ints("ns line total")
    gap = ns - at - 1
    is_below = at + model.ceil_ns(total) < ns
    return Implies(total >= 0, is_below == function(total, gap))


def refined_earliest(least_gain: int) -> BoolRef:
    """A new line of `earliest` that is better by one nanosecond where it begins is nowhere lower later on.

    `old` is what the old line has gathered there, the new one begins at zero; from there on it rises no less, which is the law of rates.
    """
    old_ns, new_ns, old, rise_old, rise_new = Ints("old_ns new_ns old rise_old rise_new")
    at_begin = new_ns >= old_ns + model.floor_ns(old) + least_gain
    later = new_ns + model.floor_ns(rise_new) >= old_ns + model.floor_ns(old + rise_old)
    return Implies(And(at_begin, old >= 0, rise_new >= rise_old, rise_old >= 0), later)


def gap_closes(opened_by: int) -> BoolRef:
    """A lower and an upper fact that fit to each other at the later of their readings fit to each other later on, to a nanosecond.

    So a contradiction shows there. (That a contradiction is one is the theorem of each line: true time cannot be on both sides.)
    """
    lower_ns, upper_ns, lower, upper, rise_slow, rise_fast = Ints("lower_ns upper_ns lower upper rise_slow rise_fast")
    now = lower_ns + model.floor_ns(lower) <= upper_ns + model.ceil_ns(upper)
    later = lower_ns + model.floor_ns(lower + rise_slow) <= upper_ns + model.ceil_ns(upper + rise_fast) + opened_by
    return Implies(And(now, lower >= 0, upper >= 0, rise_slow >= 0, rise_fast >= rise_slow), later)


def bound_of_facts(choose) -> BoolRef:
    """The greatest lower fact and the least upper one, of three exchanges, have true time between them."""
    lowers, uppers, truth = Ints("l0 l1 l2"), Ints("u0 u1 u2"), Real("truth")
    true = And([ToReal(low) <= truth for low in lowers] + [truth <= ToReal(up) for up in uppers])
    earliest = model.most(lowers[0], model.most(lowers[1], lowers[2]))
    latest = model.least(uppers[0], model.least(uppers[1], uppers[2]))
    return Implies(true, And(ToReal(choose(earliest, latest)[0]) <= truth, truth <= ToReal(choose(earliest, latest)[1])))


def inward_down(ns, total):
    return model.plus(ns, model.ceil_ns(total))


def inward_up(ns, total):
    return model.plus(ns, model.floor_ns(total))


def inward_back_lower(ns, total):
    return model.minus(ns, model.floor_ns(total))


def inward_back_upper(ns, total):
    return model.minus(ns, model.ceil_ns(total))


ALL = "all i64, sum 0..=(2^64-1)^2"

LINES = [
    ("earliest, later reading", model.lower_after, 1, True, inward_down),
    ("earliest, earlier reading", model.lower_before, -1, True, inward_back_lower),
    ("latest, later reading", model.upper_after, 1, False, inward_up),
    ("latest, earlier reading", model.upper_before, -1, False, inward_back_upper),
]

PROOFS = [
    Proof("lines: products are in order", "all reals from 0", product_grows(), {"signs left out": product_grows_without_signs()}),
    Proof(
        "lines: the margin is in the anchor",
        "all u64; real ticks",
        elapsed_in_margin(0),
        {"one tick less": elapsed_in_margin(1), "saturating at 2^64": saturating_anchor()},
    ),
    *[
        Proof(f"lines: {name}, rounded outward", ALL, line(f, sign, low), {"rounded inward": line(twin, sign, low)})
        for name, f, sign, low, twin in LINES
    ],
    *[
        Proof(f"lines: {name}, true time", ALL + "; real truth", truth_side(f, sign, low), {"rounded inward": truth_side(twin, sign, low)})
        for name, f, sign, low, twin in LINES
    ],
    Proof("lines: later readings fit or are none", ALL, fits_words(model.lower_after), {"backward": fits_words(unchecked_minus)}),
    Proof("lines: earlier readings fit or are none", ALL, fits_words(model.lower_before), {"no check": fits_words(unchecked_minus)}),
    Proof(
        "lines: elapsed time",
        "all sums; real time",
        elapsed(0, 0, model.ceil_ns),
        {"most rounded down": elapsed(0, 0, model.floor_ns), "least one more": elapsed(1, 0, model.ceil_ns)},
    ),
    Proof(
        "lines: the deadline's sum",
        "all integers, sum from 0",
        exceeds(lambda total, gap: total >= gap * FRACTION),
        {"above": exceeds(lambda total, gap: total > gap * FRACTION), "a gap less": exceeds(lambda total, gap: total >= (gap - 1) * FRACTION)},
    ),
    Proof(
        "lines: the horizon's sum",
        "all integers, sum from 0",
        stays_below(lambda total, gap: total <= gap * FRACTION),
        {"below": stays_below(lambda total, gap: total < gap * FRACTION), "a gap more": stays_below(lambda total, gap: total <= (gap + 1) * FRACTION)},
    ),
    Proof("facts: the bound of a source", "three exchanges, all integers; real truth", bound_of_facts(lambda a, b: (a, b)), {"clamped by one": bound_of_facts(lambda a, b: (a + 1, b))}),
    Proof("facts: a contradiction shows at once", "all integers, sums from 0", gap_closes(1), {"to less than a nanosecond": gap_closes(0)}),
    Proof("lines: earliest never goes back", "all integers, sums from 0", refined_earliest(1), {"as high is enough": refined_earliest(0)}),
]
