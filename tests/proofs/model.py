"""The integer arithmetic of the library, function by function, as z3 sees it.

Numbers are mathematical integers: no word ends, so each function says where the Rust one gives `None`. The proofs run these functions
on unknowns; `vectors.py` runs the same ones on numbers, and a Rust test compares those with the production functions.
Division is by positive numbers only and rounds down, as z3's integer division does then. That the words of the Rust
code are wide enough for all of it is proved apart, in `words.py`.
"""

from dataclasses import dataclass

from z3 import And, ArithRef, BoolRef, If, IntVal, Or

FRACTION = 2**40
U64_MAX = 2**64 - 1
I64_MIN, I64_MAX = -(2**63), 2**63 - 1
PPB = 10**9
NS_PER_S = 10**9


@dataclass
class Maybe:
    """A number, where it fits: `None` in Rust where it does not."""

    fits: BoolRef
    value: ArithRef


def ceil_div(a: ArithRef, b) -> ArithRef:
    return (a + b - 1) / b


def at_least_zero(a: ArithRef) -> ArithRef:
    return If(a > 0, a, 0)


def least(a: ArithRef, b: ArithRef) -> ArithRef:
    return If(a < b, a, b)


def most(a: ArithRef, b: ArithRef) -> ArithRef:
    return If(a > b, a, b)


# src/bound/lines.rs. `total` is a sum of slopes: ticks times slope, in 2^-40 ns.


def floor_ns(total: ArithRef) -> ArithRef:
    return total / FRACTION


def ceil_ns(total: ArithRef) -> ArithRef:
    return ceil_div(total, FRACTION)


def lower_anchor(tick: ArithRef, margin: ArithRef) -> Maybe:
    return Maybe(tick + margin <= U64_MAX, tick + margin)


def upper_anchor(tick: ArithRef, margin: ArithRef) -> Maybe:
    return Maybe(tick >= margin, tick - margin)


def plus(ns: ArithRef, by: ArithRef) -> Maybe:
    return Maybe(And(by <= U64_MAX, ns + by <= I64_MAX), ns + by)


def minus(ns: ArithRef, by: ArithRef) -> Maybe:
    return Maybe(And(by <= U64_MAX, ns - by >= I64_MIN), ns - by)


def lower_after(ns: ArithRef, total: ArithRef) -> Maybe:
    """A lower line, `total` after its anchor."""
    return plus(ns, floor_ns(total))


def lower_before(ns: ArithRef, total: ArithRef) -> Maybe:
    """A lower line, `total` (by the fast slope) before its anchor."""
    return minus(ns, ceil_ns(total))


def upper_after(ns: ArithRef, total: ArithRef) -> Maybe:
    """An upper line, `total` after its anchor."""
    return plus(ns, ceil_ns(total))


def upper_before(ns: ArithRef, total: ArithRef) -> Maybe:
    """An upper line, `total` (by the slow slope) before its anchor."""
    return minus(ns, floor_ns(total))


def elapsed_at_least(n: ArithRef, margin: ArithRef, slow: ArithRef) -> Maybe:
    ns = floor_ns(at_least_zero(n - margin) * slow)
    return Maybe(ns <= U64_MAX, ns)


def elapsed_at_most(n: ArithRef, margin: ArithRef, fast: ArithRef) -> Maybe:
    ns = ceil_ns((n + margin) * fast)
    return Maybe(And(n + margin <= U64_MAX, ns <= U64_MAX), ns)


# src/bound/slopes.rs


@dataclass
class Step:
    start: ArithRef
    until: ArithRef
    slope: ArithRef


@dataclass
class Rise:
    steps: list[Step]
    rest: ArithRef


def distance(a: ArithRef, b: ArithRef) -> ArithRef:
    return If(a > b, a - b, b - a)


def better(rest: ArithRef, a: ArithRef, b: ArithRef) -> ArithRef:
    return If(distance(b, rest) > distance(a, rest), b, a)


def segment(rise: Rise, c: ArithRef) -> tuple[ArithRef, ArithRef]:
    """The slope at reading c, and up to which reading it stays so at least."""
    slope, end = rise.rest, IntVal(U64_MAX)
    for step in rise.steps:
        ahead = And(c < step.until, c < step.start)
        inside = And(c < step.until, c >= step.start)
        end = If(ahead, least(end, step.start), If(inside, least(end, step.until), end))
        slope = If(inside, better(rise.rest, slope, step.slope), slope)
    return slope, end


def times(ticks: ArithRef, slope: ArithRef) -> ArithRef:
    return ticks * slope


def between(rise: Rise, start: ArithRef, to: ArithRef, product=times) -> ArithRef:
    """The sum of the slopes between two readings: two steps make five segments at most."""
    at, total = start, IntVal(0)
    for _ in range(5):
        slope, end = segment(rise, at)
        end = least(end, to)
        total = total + If(at < to, product(end - at, slope), 0)
        at = If(at < to, end, at)
    return total


def since(rise: Rise, anchor: ArithRef) -> Rise:
    begun = [
        Step(If(s.start <= anchor, s.start, 0), If(s.start <= anchor, s.until, 0), s.slope) for s in rise.steps
    ]
    steps, at, on = [], anchor, IntVal(1) == 1
    for _ in rise.steps:
        slope, end = segment(Rise(begun, rise.rest), at)
        on = And(on, slope != rise.rest, end != U64_MAX)
        steps.append(Step(IntVal(0), If(on, end, 0), If(on, slope, rise.rest)))
        at = If(on, end, at)
    return Rise(steps, rise.rest)


def slow_slope(least_2_40: ArithRef, slower_ppb: ArithRef) -> Maybe:
    return Maybe(slower_ppb <= PPB, least_2_40 * (PPB - slower_ppb) / PPB)


def fast_slope(most_2_40: ArithRef, faster_ppb: ArithRef) -> Maybe:
    slope = ceil_div(most_2_40 * (PPB + faster_ppb), PPB)
    return Maybe(And(PPB + faster_ppb <= U64_MAX, slope <= U64_MAX), slope)


# src/time/drift.rs


def inverse_ppb(error_ppb: ArithRef) -> ArithRef:
    return ceil_div(error_ppb * PPB, PPB - error_ppb)


def faster_step(faster: ArithRef, inverse: ArithRef) -> ArithRef:
    return faster + inverse + ceil_div(faster * inverse, PPB)


def compose(errors_ppb: list[ArithRef]) -> tuple[Maybe, Maybe]:
    """(slower, faster) in parts per billion."""
    slower, faster = IntVal(0), IntVal(0)
    for error in errors_ppb:
        slower = slower + error
        faster = faster_step(faster, inverse_ppb(error))
    fits = slower < 500_000_000
    return Maybe(fits, slower), Maybe(And(fits, faster <= U64_MAX), faster)


# src/bound/learned_rate.rs


def mean_slow(least_ns: ArithRef, most_ticks: ArithRef) -> ArithRef:
    return at_least_zero(least_ns) * FRACTION / most_ticks


def mean_fast(most_ns: ArithRef, least_ticks: ArithRef) -> ArithRef:
    return ceil_div(at_least_zero(most_ns) * FRACTION, least_ticks)


# src/bound/exchange.rs


def fields_ns(root_delay_16_16: ArithRef, root_dispersion_16_16: ArithRef, cut_off) -> ArithRef:
    units = root_delay_16_16 + 2 * root_dispersion_16_16 + If(cut_off, 3, 0)
    return ceil_div(units * NS_PER_S, 2**17)


def precision_ns(precision_log2_s: int) -> int:
    """2^precision seconds; the largest number where that does not fit."""
    if precision_log2_s >= 0:
        ns = NS_PER_S << precision_log2_s
        return min(ns, U64_MAX)
    return -(-NS_PER_S // 2**-precision_log2_s)


# src/source/ntp/packet.rs

FRACTION_32 = 2**32
UNIX_EPOCH_IN_NTP_S = 2_208_988_800
HALF_AN_ERA_S = 2**31


def fraction_floor_ns(fraction: ArithRef) -> ArithRef:
    return fraction * NS_PER_S / FRACTION_32


def fraction_ceil_ns(fraction: ArithRef) -> ArithRef:
    return (fraction * NS_PER_S + FRACTION_32 - 1) / FRACTION_32


def era_start_s(seconds: ArithRef, pivot_ns: ArithRef) -> ArithRef:
    """Seconds since the Unix epoch of a stamp's second, in the era nearest to the pivot."""
    start = pivot_ns / NS_PER_S - HALF_AN_ERA_S
    return start + (seconds - UNIX_EPOCH_IN_NTP_S - start) % FRACTION_32


def stamp_floor(ns: ArithRef) -> ArithRef:
    """The 64 bits of a stamp at or before a point in time."""
    shifted = ns + UNIX_EPOCH_IN_NTP_S * NS_PER_S
    seconds, rest = shifted / NS_PER_S, shifted % NS_PER_S
    return (seconds * FRACTION_32 + rest * FRACTION_32 / NS_PER_S) % 2**64


def to_16_16_ceil(length_ns: ArithRef) -> ArithRef:
    return least(ceil_div(length_ns * 65_536, NS_PER_S), IntVal(2**32 - 1))


# src/time/scale.rs


def ticks_of(length_ns: ArithRef, scale: ArithRef) -> ArithRef:
    return least(length_ns * FRACTION / scale, IntVal(U64_MAX))


def duration_ns(ticks: ArithRef, scale: ArithRef) -> Maybe:
    ns = floor_ns(ticks * scale)
    return Maybe(ns <= U64_MAX, ns)


# src/bound/quick.rs


def within(x: ArithRef, low, high) -> BoolRef:
    return And(low <= x, x <= high)


def same(a: Maybe, b: Maybe) -> BoolRef:
    return And(a.fits == b.fits, Or(a.value == b.value, a.fits == False))  # noqa: E712


# src/bound/leap.rs. M is the midnight, u the count of before, in nanoseconds.


def leap_begins(midnight: ArithRef) -> ArithRef:
    return midnight - NS_PER_S


def leap_is_over(midnight: ArithRef) -> ArithRef:
    return midnight + 2 * NS_PER_S


def leap_earliest(midnight: ArithRef, inserted: BoolRef, u: ArithRef) -> ArithRef:
    return If(inserted, most(u - NS_PER_S, least(u, leap_begins(midnight))), u)


def leap_latest(midnight: ArithRef, deleted: BoolRef, u: ArithRef) -> Maybe:
    value = If(And(deleted, u >= leap_begins(midnight)), u + NS_PER_S, u)
    return Maybe(value <= I64_MAX, value)


def leap_least_to_exceed(midnight: ArithRef, inserted: BoolRef, ns: ArithRef) -> ArithRef:
    return If(And(inserted, ns >= leap_begins(midnight)), ns + NS_PER_S, ns)


def leap_before(midnight: ArithRef, applies: BoolRef, end: ArithRef) -> ArithRef:
    """By how much an end of a fact is moved outward, where the kind that applies to it is announced."""
    return If(And(applies, end >= leap_begins(midnight)), NS_PER_S, 0)
