"""Stamps and lengths: src/source/ntp/packet.rs, src/bound/exchange.rs, src/time/scale.rs. All fractions are rounded to the safe side.

Multiplied and divided is by constants here, so z3 decides it outright; `excess` and the like are for showing and are not here.
"""

from z3 import And, ArithRef, BoolRef, BoolVal, Implies, Int, Ints, Or, Reals, ToReal

import model
from model import FRACTION_32, I64_MAX, I64_MIN, NS_PER_S, UNIX_EPOCH_IN_NTP_S, U64_MAX, HALF_AN_ERA_S, within
from proof import Proof


def fraction_rounds(floor, ceil) -> BoolRef:
    """floor <= fraction * 10^9 / 2^32 <= ceil, both by less than a nanosecond."""
    fraction = Int("fraction")
    low, high, exact = floor(fraction) * FRACTION_32, ceil(fraction) * FRACTION_32, fraction * NS_PER_S
    right = And(low <= exact, exact < low + FRACTION_32, exact <= high, high < exact + FRACTION_32)
    return Implies(within(fraction, 0, FRACTION_32 - 1), right)


def era_is_the_one(start_s) -> BoolRef:
    """The second that is meant is the stamp's modulo 2^32, and within 2^31 s of the pivot."""
    seconds, pivot, era = Ints("seconds pivot_ns era")
    meant = start_s(seconds, pivot)
    ranges = And(within(seconds, 0, FRACTION_32 - 1), within(pivot, I64_MIN, I64_MAX))
    window = pivot / NS_PER_S - HALF_AN_ERA_S
    right = And(window <= meant, meant < window + FRACTION_32, (meant + UNIX_EPOCH_IN_NTP_S - seconds) % FRACTION_32 == 0)
    return Implies(ranges, right)


def era_of_unix(seconds: ArithRef, pivot_ns: ArithRef) -> ArithRef:
    """The wrong one: 2036 is a year too many."""
    return seconds - UNIX_EPOCH_IN_NTP_S


def stamp_is_before(stamp) -> BoolRef:
    """A stamp that is made of a point is not after it, and before it by less than 2^-32 s. Seconds modulo an era."""
    ns = Int("ns")
    shifted = ns + UNIX_EPOCH_IN_NTP_S * NS_PER_S
    whole = stamp(ns)
    fraction, rest = whole % FRACTION_32, shifted % NS_PER_S
    seconds = (shifted / NS_PER_S - whole / FRACTION_32) % FRACTION_32 == 0
    right = And(fraction * NS_PER_S <= rest * FRACTION_32, rest * FRACTION_32 < (fraction + 1) * NS_PER_S, seconds)
    return Implies(within(ns, I64_MIN, I64_MAX), right)


def stamp_up(ns: ArithRef) -> ArithRef:
    shifted = ns + UNIX_EPOCH_IN_NTP_S * NS_PER_S
    rest = model.ceil_div(shifted % NS_PER_S * FRACTION_32, NS_PER_S)
    return (shifted / NS_PER_S * FRACTION_32 + rest) % 2**64


def fields_cover(function, cut_off: bool) -> BoolRef:
    """Whatever a server cut off of its fields, less than a unit of each, half the delay and the dispersion are within B."""
    delay_field, dispersion_field = Ints("delay_field dispersion_field")
    delay, dispersion = Reals("delay dispersion")
    lost = 1 if cut_off else 0
    cut = lambda real, field: And(real <= field + lost, real < field + lost if cut_off else True, real >= 0)
    ranges = And(within(delay_field, 0, 2**32 - 1), within(dispersion_field, 0, 2**32 - 1))
    # In units of 2^-16 s; B in ns.
    truth = (delay / 2 + dispersion) * NS_PER_S
    covered = truth <= ToReal(function(delay_field, dispersion_field, BoolVal(cut_off)) * 65_536)
    facts = And(cut(delay, ToReal(delay_field)), cut(dispersion, ToReal(dispersion_field)))
    return Implies(And(ranges, facts), covered)


def two_units(delay: ArithRef, dispersion: ArithRef, cut_off) -> ArithRef:
    units = delay + 2 * dispersion + model.If(cut_off, 2, 0)
    return model.ceil_div(units * NS_PER_S, 2**17)


def fields_down(delay: ArithRef, dispersion: ArithRef, cut_off) -> ArithRef:
    return (delay + 2 * dispersion + model.If(cut_off, 3, 0)) * NS_PER_S / 2**17


def whole_delay_alone(delay: ArithRef, dispersion: ArithRef, cut_off) -> ArithRef:
    return model.ceil_div((delay + dispersion + model.If(cut_off, 3, 0)) * NS_PER_S, 2**17)


def precision_covers(function) -> BoolRef:
    """2^precision seconds are within B, for each of the 256 precisions; or B is the largest number, which is refused."""
    good = True
    for precision in range(-128, 128):
        ns = function(precision)
        exact = ns * 2**-precision >= NS_PER_S if precision < 0 else ns >= NS_PER_S << precision
        good = good and 0 < ns <= U64_MAX and (exact or ns == U64_MAX)
    return BoolVal(good)


def precision_wrapping(precision: int) -> int:
    """What the code did: the shift was checked, the bits that left the word were not."""
    if precision >= 64:
        return U64_MAX // 2
    return (NS_PER_S << precision) & U64_MAX if precision >= 0 else model.precision_ns(precision)


def length_covers(function) -> BoolRef:
    length = Int("length_ns")
    field = function(length)
    covered = field * NS_PER_S >= length * 65_536
    return Implies(length >= 0, And(within(field, 0, 2**32 - 1), Or(covered, field == 2**32 - 1)))


def to_16_16_down(length: ArithRef) -> ArithRef:
    return model.least(length * 65_536 / NS_PER_S, model.IntVal(2**32 - 1))


def ticks_round_down(more: int) -> BoolRef:
    """`TickScale::ticks`: so many ticks are not longer than the length, and one more is longer. Division by its definition."""
    length, scale, ticks = Ints("length_ns scale ticks")
    floored = And(ticks * scale <= length * model.FRACTION, length * model.FRACTION < (ticks + 1) * scale)
    n = ticks + more
    ranges = And(length >= 0, within(scale, 1, U64_MAX), floored)
    return Implies(ranges, And(n * scale <= length * model.FRACTION, length * model.FRACTION < (n + 1) * scale, n >= 0))


def duration_rounds_down(function) -> BoolRef:
    total = Int("total")
    ns = function(total)
    return Implies(total >= 0, And(ns * model.FRACTION <= total, total < (ns + 1) * model.FRACTION))


PROOFS = [
    Proof(
        "stamps: fraction to nanoseconds",
        "all 2^32 fractions",
        fraction_rounds(model.fraction_floor_ns, model.fraction_ceil_ns),
        {
            "ceil is floor": fraction_rounds(model.fraction_floor_ns, model.fraction_floor_ns),
            "floor is ceil": fraction_rounds(model.fraction_ceil_ns, model.fraction_ceil_ns),
            "2^32 - 1 for 2^32": fraction_rounds(lambda f: f * NS_PER_S / (FRACTION_32 - 1), model.fraction_ceil_ns),
        },
    ),
    Proof("stamps: the era", "all seconds, all pivots", era_is_the_one(model.era_start_s), {"era 0": era_is_the_one(era_of_unix)}),
    Proof("stamps: nanoseconds to a stamp", "all i64", stamp_is_before(model.stamp_floor), {"rounded up": stamp_is_before(stamp_up)}),
    Proof(
        "stamps: root fields that were cut off",
        "all u32 pairs; real delays",
        fields_cover(model.fields_ns, True),
        {
            "one unit in all": fields_cover(two_units, True),
            "rounded down": fields_cover(fields_down, True),
            "half of both": fields_cover(whole_delay_alone, True),
        },
    ),
    Proof("stamps: root fields that were not", "all u32 pairs", fields_cover(model.fields_ns, False), {"rounded down": fields_cover(fields_down, False)}),
    Proof("stamps: precision", "all i8, one by one", precision_covers(model.precision_ns), {"bits lost": precision_covers(precision_wrapping)}),
    Proof("stamps: a length in 16.16", "all lengths", length_covers(model.to_16_16_ceil), {"rounded down": length_covers(to_16_16_down)}),
    Proof("stamps: a length in ticks", "all lengths, all scales from 1", ticks_round_down(0), {"one more": ticks_round_down(1), "one less": ticks_round_down(-1)}),
    Proof(
        "stamps: ticks as a length",
        "all sums",
        duration_rounds_down(model.floor_ns),
        {"rounded up": duration_rounds_down(model.ceil_ns)},
    ),
]
