"""The words of the Rust code are wide enough: bit-vectors, every bit of every input.

A product is any number up to (2^64 - 1)^2 here, which the first proof is the reason for; so nothing is multiplied bit by bit.
"""

from z3 import (
    UGE, ULE, And, BitVec, BitVecVal, Extract, Implies, Int, LShR, SignExt, ULT, ZeroExt,
)

from model import U64_MAX
from proof import Proof

WIDE = 192
MOST_SUM = U64_MAX * U64_MAX
# The code as it is written: shifts by this, with this addend.
BITS, ADDEND = 40, 2**40 - 1


def wide(x):
    return ZeroExt(WIDE - x.size(), x)


def val(n: int, bits: int = WIDE):
    return BitVecVal(n, bits)


def product_fits(most: int):
    a, b = Int("ticks"), Int("slope")
    ranges = And(a >= 0, a <= U64_MAX, b >= 0, b <= U64_MAX)
    return Implies(ranges, a * b <= most)


def floor_is_floor(bits: int):
    total = BitVec("sum", 128)
    q = LShR(total, bits)
    exact = And(ULE(wide(q) << BITS, wide(total)), ULT(wide(total), (wide(q) + 1) << BITS))
    return Implies(ULE(total, val(MOST_SUM, 128)), exact)


def ceil_is_ceil(addend: int):
    total = BitVec("sum", 128)
    q = LShR(total + val(addend, 128), BITS)
    # (q - 1) * 2^40 < sum <= q * 2^40, without the subtraction; so the 128-bit addition did not wrap either.
    exact = And(ULE(wide(total), wide(q) << BITS), ULT(wide(q) << BITS, wide(total) + (1 << BITS)))
    return Implies(ULE(total, val(MOST_SUM, 128)), exact)


def quick_is_exact(addend: int, kept_bits: int):
    """`ns.wrapping_add_unsigned(whole(sum + addend))` where the long way fits: no bit is lost by the mask or by wrapping."""
    total, ns = BitVec("sum", 128), BitVec("ns", 64)
    ceiled = LShR(total + val(ADDEND, 128), BITS)
    true_ns = SignExt(WIDE - 64, ns) + wide(ceiled)
    fits = And(ULE(ceiled, val(U64_MAX, 128)), true_ns == SignExt(WIDE - 64, Extract(63, 0, true_ns)))
    whole = LShR(total + val(addend, 128), BITS) & val(2**kept_bits - 1, 128)
    quick = ns + Extract(63, 0, whole)
    return Implies(And(ULE(total, val(MOST_SUM, 128)), fits), SignExt(WIDE - 64, quick) == true_ns)


def gap_fits(more: int, bits: int):
    """`(ns - line.ns +- 1) << 40`: computed in `bits` it is the true number wherever it is not negative."""
    ns, line = BitVec("ns", 64), BitVec("line", 64)
    gap = SignExt(bits - 64, ns) - SignExt(bits - 64, line) + val(more % 2**bits, bits)
    exact = SignExt(WIDE - 64, ns) - SignExt(WIDE - 64, line) + val(more % 2**WIDE)
    return And(SignExt(WIDE - bits, gap) == exact, Implies(exact >= 0, wide(gap << BITS) == exact << BITS))


def difference_fits(above_floor: bool):
    """`c.wrapping_sub(anchor)`: exact, since a reading below the floor is not answered."""
    c, anchor, floor = BitVec("c", 64), BitVec("anchor", 64), BitVec("floor", 64)
    answered = And(UGE(floor, anchor), UGE(c, floor)) if above_floor else UGE(floor, anchor)
    return Implies(answered, wide(c - anchor) == wide(c) - wide(anchor))


def ntp_ceil_is_ceil(addend: int):
    """The fraction of a stamp in 64 bits: `(fraction * 10^9 + (2^32 - 1)) >> 32` neither wraps nor rounds down."""
    fraction = BitVec("fraction", 64)
    scaled = wide(fraction) * val(10**9)
    q = LShR(fraction * val(10**9, 64) + val(addend, 64), 32)
    exact = And(ULE(scaled, wide(q) << 32), ULT(wide(q) << 32, scaled + (1 << 32)))
    return Implies(ULT(fraction, val(2**32, 64)), exact)


def root_units_fit(bits: int):
    """`(delay + 2 * dispersion + 3) * 10^9` in 64 bits."""
    delay, dispersion = BitVec("delay", 32), BitVec("dispersion", 32)
    scaled = lambda size: (ZeroExt(size - 32, delay) + 2 * ZeroExt(size - 32, dispersion) + 3) * val(10**9, size)
    return wide(scaled(bits)) == scaled(WIDE)


PROOFS = [
    Proof("words: ticks times slope", "both 0..2^64", product_fits(MOST_SUM), {"one less": product_fits(MOST_SUM - 1)}),
    Proof("words: floor_ns", "sum 0..=(2^64-1)^2", floor_is_floor(40), {"39 bits": floor_is_floor(39), "41 bits": floor_is_floor(41)}),
    Proof(
        "words: ceil_ns",
        "sum 0..=(2^64-1)^2",
        ceil_is_ceil(ADDEND),
        {"no addend": ceil_is_ceil(0), "2^40 - 2": ceil_is_ceil(ADDEND - 1), "2^40": ceil_is_ceil(ADDEND + 1)},
    ),
    Proof(
        "words: quick way's latest",
        "all i64, sum 0..=(2^64-1)^2, where the long way fits",
        quick_is_exact(ADDEND, 64),
        {"rounded down": quick_is_exact(0, 64), "32 bits kept": quick_is_exact(ADDEND, 32)},
    ),
    Proof("words: gap + 1", "all i64 pairs", gap_fits(1, 128), {"64 bits": gap_fits(1, 64), "72 bits": gap_fits(1, 72)}),
    Proof("words: gap - 1", "all i64 pairs", gap_fits(-1, 128), {"64 bits": gap_fits(-1, 64)}),
    Proof("words: quick way's ticks", "all u64", difference_fits(True), {"no floor": difference_fits(False)}),
    Proof(
        "words: fraction of an NTP stamp",
        "all 2^32",
        ntp_ceil_is_ceil(2**32 - 1),
        {"no addend": ntp_ceil_is_ceil(0), "2^32": ntp_ceil_is_ceil(2**32)},
    ),
    Proof("words: root units", "all u32 pairs", root_units_fit(64), {"63 bits": root_units_fit(63)}),
]
