"""Rates, composed and learned: src/time/drift.rs, Slopes::new, src/bound/learned_rate.rs. And the quick way's range: src/bound/quick.rs.

True rates are real numbers. Division by an unknown stands as its definition, as in `rates.py`.
"""

from z3 import And, BoolRef, Implies, Ints, Reals, ToReal

import model
from model import FRACTION, I64_MAX, I64_MIN, PPB, U64_MAX, within
from proof import Proof

K_PPB = 500_000_000


def slopes_cover(slow, fast) -> BoolRef:
    """Any tick between least and most, times any rate within (R), is between the two slopes. Products in order, as in `lines.py`."""
    least, most, slower, faster = Ints("least most slower faster")
    tick, slow_rate, fast_rate = Reals("tick slow_rate fast_rate")
    low, high = slow(least, slower), fast(most, faster)
    ranges = And(within(least, 0, U64_MAX), within(most, least, U64_MAX), within(slower, 0, K_PPB), within(faster, 0, U64_MAX))
    # slow_rate and fast_rate are the tick's length at the least and the greatest rate, times 10^9.
    order = And(ToReal(least * (PPB - slower)) <= slow_rate, fast_rate <= ToReal(most * (PPB + faster)), tick >= 0)
    inside = And(
        Implies(low.fits, ToReal(low.value * PPB) <= slow_rate), Implies(high.fits, fast_rate <= ToReal(high.value * PPB))
    )
    return Implies(And(ranges, order), inside)


def slow_up(least, slower):
    return model.Maybe(slower <= PPB, model.ceil_div(least * (PPB - slower), PPB))


def fast_down(most, faster):
    return model.Maybe(most >= 0, most * (PPB + faster) / PPB)


def fast_side_composes(inverse_of, product_of) -> BoolRef:
    """(1 + f) covers the errors so far; the next f covers them and one more error e: (1 + f') (1 - e) >= 1 + f."""
    faster, error, inverse, product = Reals("faster error inverse product")
    ranges = And(0 <= faster, within(error, 0, K_PPB))
    divided = And(inverse_of(inverse, error), product_of(product, faster, inverse), inverse >= 0)
    covers = (PPB + faster + inverse + product) * (PPB - error) >= PPB * (PPB + faster)
    return Implies(And(ranges, divided), covers)


def rounded_up(inverse, error):
    """inverse = ceil(error * 10^9 / (10^9 - error)), of which this is all that is used."""
    return inverse * (PPB - error) >= error * PPB


def product_up(product, faster, inverse):
    return product * PPB >= faster * inverse


def slow_side_composes(more: int) -> BoolRef:
    """(1 - s)(1 - e) >= 1 - (s + e), and 1/(1 + e) >= 1 - e."""
    slower, error = Reals("slower error")
    ranges = And(within(slower, 0, PPB), within(error, 0, PPB))
    product = (PPB - slower) * (PPB - error) >= PPB * (PPB - slower - error + more)
    inverse = PPB * PPB >= (PPB + error) * (PPB - error + more)
    return Implies(ranges, And(product, inverse))


def mean_is_certified(slow_ticks, fast_ticks, up: bool) -> BoolRef:
    """Between two agreed intervals: the mean true length of a tick is between the two slopes.

    `passed` is how many ticks really passed, `truth` how much true time, scaled by 2^40; mean * passed = truth.
    """
    least_ns, most_ns, n, m, slow, fast = Ints("least_ns most_ns n m slow fast")
    passed, truth, mean = Reals("passed truth mean")
    ranges = And(within(m, 0, U64_MAX), n > m, n + m <= U64_MAX, -(2**64) < least_ns, most_ns < 2**64)
    counted = And(ToReal(n - m) < passed, passed < ToReal(n + m))
    facts = And(ToReal(least_ns * FRACTION) <= truth, truth <= ToReal(most_ns * FRACTION), truth >= 0, mean * passed == truth)
    low, high = model.at_least_zero(least_ns) * FRACTION, model.at_least_zero(most_ns) * FRACTION
    floored = And(slow >= 0, slow * slow_ticks(n, m) <= low)
    by = fast_ticks(n, m)
    divided = And(fast >= 0, fast * by >= high) if up else And(fast >= 0, fast * by <= high, high < (fast + 1) * by)
    return Implies(And(ranges, counted, facts, floored, divided), And(ToReal(slow) <= mean, mean <= ToReal(fast)))


def spread_covers(down, up) -> BoolRef:
    """A rate within `wander` of the mean is between the spread slopes."""
    slow, fast, wander = Ints("slow fast wander")
    least_rate, most_rate = Reals("least_rate most_rate")
    ranges = And(within(slow, 0, U64_MAX), within(fast, 0, U64_MAX), within(wander, 0, K_PPB))
    low, high = Ints("low high")
    # The products by name.
    order = And(ToReal(low) <= least_rate, most_rate <= ToReal(high), low >= 0, high >= 0)
    inside = And(ToReal(down(low) * PPB) <= least_rate, most_rate <= ToReal(up(high) * PPB))
    return Implies(And(ranges, order), inside)


def quick_fits(more: int) -> BoolRef:
    """Up to the ceiling both lines are in range: `more` gap than the code's and they are not."""
    ns, total = Ints("ns total")
    ranges = And(within(ns, I64_MIN, I64_MAX), within(total, 0, U64_MAX * U64_MAX))
    latest_gap = I64_MAX - ns - 1
    latest = Implies(And(latest_gap >= 0, total <= (latest_gap + more) * FRACTION), model.upper_after(ns, total).fits)
    earliest_gap = I64_MAX - 1 - ns + 1
    earliest = Implies(And(earliest_gap > 0, total < (earliest_gap + more) * FRACTION), model.lower_after(ns, total).fits)
    return Implies(ranges, And(latest, earliest))


def quick_range(floor, ceiling) -> BoolRef:
    """Within floor and ceiling no check of the parameters can fail, and the agreement is young enough. Sums and differences saturate."""
    c, published, margin, horizon, heard, max_age = Ints("c published margin horizon heard max_age")
    plus = lambda a, b: model.least(a + b, U64_MAX)
    minus = lambda a, b: model.at_least_zero(a - b)
    ranges = And([within(x, 0, U64_MAX) for x in (c, published, margin, horizon, heard, max_age)])
    answered = And(c >= floor(published, margin), c <= ceiling(horizon, plus(heard, max_age)))
    return Implies(And(ranges, answered), And(plus(c, margin) >= published, c <= horizon, minus(c, heard) <= max_age))


def behind(published, margin):
    return model.at_least_zero(published - margin)


ALL = "all u64 lengths of a tick, slower <= 50 %, all u64 faster"

PROOFS = [
    Proof(
        "slopes: (R) is covered",
        ALL + "; real rates",
        slopes_cover(model.slow_slope, model.fast_slope),
        {"slow rounded up": slopes_cover(slow_up, model.fast_slope), "fast rounded down": slopes_cover(model.slow_slope, fast_down)},
    ),
    Proof(
        "slopes: fast sides compose",
        "each error 0..=50 %, any number of them",
        fast_side_composes(rounded_up, product_up),
        {
            "the sum": fast_side_composes(lambda i, e: i == e, lambda p, f, i: p == 0),
            "no product": fast_side_composes(rounded_up, lambda p, f, i: p == 0),
            "no inverse": fast_side_composes(lambda i, e: i == e, product_up),
        },
    ),
    Proof("slopes: slow sides compose", "each error 0..=100 %", slow_side_composes(0), {"a ppb more": slow_side_composes(1)}),
    Proof(
        "slopes: a mean is certified",
        "all agreed intervals, n + m < 2^64; real time",
        mean_is_certified(lambda n, m: n + m, lambda n, m: n - m, True),
        {
            "n ticks": mean_is_certified(lambda n, m: n, lambda n, m: n, True),
            "fast rounded down": mean_is_certified(lambda n, m: n + m, lambda n, m: n - m, False),
        },
    ),
    Proof(
        "slopes: wander is covered",
        "all u64 means, wander <= 50 %",
        spread_covers(lambda a: a / PPB, lambda a: model.ceil_div(a, PPB)),
        {
            "slow rounded up": spread_covers(lambda a: model.ceil_div(a, PPB), lambda a: model.ceil_div(a, PPB)),
            "fast rounded down": spread_covers(lambda a: a / PPB, lambda a: a / PPB),
        },
    ),
    Proof("quick: both lines fit up to the ceiling", "all i64, all sums", quick_fits(0), {"two more": quick_fits(2)}),
    Proof(
        "quick: nothing can be wrong within its range",
        "all u64",
        quick_range(behind, model.least),
        {"twice the margin": quick_range(lambda p, m: behind(p, 2 * m), model.least), "the later end": quick_range(behind, model.most)},
    ),
]
