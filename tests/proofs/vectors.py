"""Runs the functions of `model.py` on numbers and writes what they say, for a Rust test that asks the production functions the same.

A line is `name arguments = answers`; `none` where an answer does not fit. Edges first, then random numbers of a fixed seed.
"""

import random
import sys
from pathlib import Path

from z3 import ArithRef, BoolVal, IntVal, is_true, simplify

import model
from model import I64_MAX, I64_MIN, U64_MAX, Maybe, Rise, Step

FILE = Path(__file__).parent / "vectors.txt"
SEED = 20_261_126
RANDOM = 40


def number(x: ArithRef) -> int:
    return simplify(x).as_long()


def text(answer: Maybe | ArithRef) -> str:
    if isinstance(answer, Maybe):
        return str(number(answer.value)) if is_true(simplify(answer.fits)) else "none"
    return str(number(answer))


class Dice:
    """Numbers near the edges of a range, or of any size within it."""

    def __init__(self) -> None:
        self.random = random.Random(SEED)

    def u64(self) -> int:
        return self.below(U64_MAX)

    def below(self, most: int) -> int:
        kind = self.random.randrange(4)
        if kind == 0:
            return min(most, self.random.randrange(4))
        if kind == 1:
            return max(0, most - self.random.randrange(4))
        return self.random.getrandbits(self.random.randrange(1, most.bit_length() + 1)) % (most + 1)

    def i64(self) -> int:
        kind = self.random.randrange(4)
        if kind == 0:
            return self.random.choice([I64_MIN, I64_MIN + 1, -1, 0, 1, I64_MAX - 1, I64_MAX])
        bits = self.random.randrange(1, 64)
        return self.random.getrandbits(bits) * self.random.choice([-1, 1])

    def slope(self) -> int:
        """Of counters from 100 MHz to 30 GHz, most of the time."""
        return self.u64() if self.random.randrange(4) == 0 else self.random.randrange(2**35, 2**44)


def lines(dice: Dice) -> list[str]:
    """A plain line at a reading: backward by the other side's slope, as in src/bound/lines.rs."""
    found = []
    for _ in range(3 * RANDOM):
        anchor, ns, slow = dice.u64(), dice.i64(), dice.slope()
        fast = min(U64_MAX, slow + dice.below(2**20))
        far = dice.below(2**60)
        c = dice.random.choice([anchor, max(0, anchor - far), min(U64_MAX, anchor + far), dice.u64()])
        at_ns, later = IntVal(ns), c >= anchor
        n = IntVal(abs(c - anchor))
        lower = model.lower_after(at_ns, n * slow) if later else model.lower_before(at_ns, n * fast)
        upper = model.upper_after(at_ns, n * fast) if later else model.upper_before(at_ns, n * slow)
        after = model.lower_after(at_ns, n * slow if later else IntVal(0))
        found.append(f"line {anchor} {ns} {slow} {fast} {c} = {text(lower)} {text(upper)} {text(after)}")
        tick, margin = IntVal(anchor), IntVal(dice.below(2**12))
        anchors = text(model.lower_anchor(tick, margin)), text(model.upper_anchor(tick, margin))
        found.append(f"anchor {tick} {margin} = {anchors[0]} {anchors[1]}")
        elapsed = model.elapsed_at_least(n, margin, IntVal(slow)), model.elapsed_at_most(n, margin, IntVal(fast))
        # One answer of two in Rust: none if either is.
        parts = [text(x) for x in elapsed]
        found.append(f"elapsed {n} {margin} {slow} {fast} = " + ("none none" if "none" in parts else " ".join(parts)))
    return found


def rises(dice: Dice) -> list[str]:
    """Sums over two steps, on both sides; the first reading of a sum and the last, by search over the model's own sums."""
    found = []
    for _ in range(2 * RANDOM):
        rest, sign = dice.random.randrange(2**30, 2**44), dice.random.choice([1, -1])
        steps = []
        for _ in range(2):
            start = dice.random.randrange(2**20)
            steps.append((start, start + dice.random.randrange(2**20), rest + sign * dice.random.randrange(2**20)))
        rise = Rise([Step(*map(IntVal, step)) for step in steps], IntVal(rest))
        start = dice.random.randrange(2**21)
        to = start + dice.random.randrange(2**22)
        total = number(model.between(rise, IntVal(start), IntVal(to)))
        kept = model.since(rise, IntVal(start))
        later = number(model.between(kept, IntVal(start), IntVal(to)))
        # Exactly the sum of its ticks is reached at `to` and not before; and with one less it is left a tick before.
        numbers = [x for step in steps for x in step] + [rest, start, to]
        found.append("rise " + " ".join(map(str, numbers)) + f" = {total} {later}")
    return found


def slopes(dice: Dice) -> list[str]:
    found = []
    for _ in range(RANDOM):
        errors = [dice.random.choice([0, 1, 200_000, 100_000_000, dice.below(160_000_000)]) for _ in range(3)]
        slower, faster = model.compose([IntVal(e) for e in errors])
        found.append("compose " + " ".join(map(str, errors)) + f" = {text(slower)} {text(faster)}")
        least = dice.slope()
        most = min(U64_MAX, least + dice.below(2**20))
        rate = dice.below(600_000_000), dice.below(2**40)
        slow, fast = model.slow_slope(IntVal(least), IntVal(rate[0])), model.fast_slope(IntVal(most), IntVal(rate[1]))
        parts = [text(slow), text(fast)]
        answer = "none none" if "none" in parts else " ".join(parts)
        found.append(f"slopes {least} {most} {rate[0]} {rate[1]} = {answer}")
    return found


def stamps(dice: Dice) -> list[str]:
    found = []
    for _ in range(2 * RANDOM):
        stamp, pivot = dice.u64(), dice.i64()
        second = model.era_start_s(IntVal(stamp >> 32), IntVal(pivot)) * model.NS_PER_S
        fraction = IntVal(stamp & 0xFFFF_FFFF)
        fitting = lambda ns: Maybe(model.within(ns, I64_MIN, I64_MAX), ns)
        floor, ceil = fitting(second + model.fraction_floor_ns(fraction)), fitting(second + model.fraction_ceil_ns(fraction))
        found.append(f"stamp {stamp} {pivot} = {text(floor)} {text(ceil)}")
        ns = dice.i64()
        found.append(f"to_stamp {ns} = {text(model.stamp_floor(IntVal(ns)))}")
        length = dice.u64()
        found.append(f"to_16_16 {length} = {text(model.to_16_16_ceil(IntVal(length)))}")
        delay, dispersion = dice.below(2**32 - 1), dice.below(2**32 - 1)
        cut_off, precision = dice.random.randrange(2), dice.random.randrange(-128, 128)
        bound = number(model.fields_ns(IntVal(delay), IntVal(dispersion), BoolVal(cut_off == 1)))
        bound = min(U64_MAX, bound + model.precision_ns(precision))
        found.append(f"root_bound {delay} {dispersion} {cut_off} {precision} = {bound}")
        scale, ticks = max(1, dice.slope()), dice.u64()
        of_ticks = text(model.duration_ns(IntVal(ticks), IntVal(scale)))
        found.append(f"scale {scale} {ticks} {length} = {of_ticks} {text(model.ticks_of(IntVal(length), IntVal(scale)))}")
    return found


def leaps(dice: Dice) -> list[str]:
    """Around a midnight: both ends of what is known of u, what u must exceed, and by how much facts are moved."""
    out = []
    for number in range(3 * RANDOM):
        midnight = 86_400 * 10**9 * (dice.below(40_000) - 20_000)
        near = dice.random.choice([-2, -1, 0, 1, 2]) * 10**9 + dice.random.randrange(-2, 3)
        u = dice.i64() if number % 8 == 0 else midnight + (near if number % 2 else dice.random.randrange(-3 * 10**9, 3 * 10**9))
        inserted, deleted = dice.random.randrange(2), dice.random.randrange(2)
        args = IntVal(midnight), IntVal(u)
        earliest = model.leap_earliest(args[0], BoolVal(inserted == 1), args[1])
        latest = model.leap_latest(args[0], BoolVal(deleted == 1), args[1])
        exceed = model.leap_least_to_exceed(args[0], BoolVal(inserted == 1), args[1])
        moved = [model.leap_before(args[0], BoolVal(kind == 1), args[1]) for kind in (deleted, inserted)]
        answers = [earliest, latest, exceed, *moved]
        # Beyond, the code saturates or gives nothing: a midnight is never there.
        if I64_MIN + 10**9 <= u <= I64_MAX - 10**9:
            out.append(f"leap {midnight} {inserted} {deleted} {u} = " + " ".join(text(answer) for answer in answers))
    return out


def all_of_them() -> str:
    dice = Dice()
    parts = [lines(dice), rises(dice), slopes(dice), stamps(dice), leaps(dice)]
    head = f"# Written by vectors.py from model.py, seed {SEED}. Do not edit.\n"
    return head + "\n".join(line for part in parts for line in part) + "\n"


if __name__ == "__main__":
    if sys.argv[1:] != ["--write"]:
        sys.exit("usage: python vectors.py --write")
    FILE.write_text(all_of_them())
