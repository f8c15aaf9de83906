"""One proof: a claim for all values of its unknowns, and twins of it that are wrong and must be refuted.

A claim is proved when z3 finds its contrary unsatisfiable. A twin is refuted when z3 finds values that break it and the claim, with
these values put in, is false. Anything else, `unknown` too, is a failure.
"""

import time
from dataclasses import dataclass, field

from z3 import BoolRef, Not, Solver, is_false, sat, unsat

TIMEOUT_MS = 120_000


@dataclass
class Proof:
    name: str
    ranges: str
    claim: BoolRef
    twins: dict[str, BoolRef] = field(default_factory=dict)


def refuted(claim: BoolRef) -> str:
    """`unsat` where it is proved; `sat` with a counterexample that was looked at; or what went wrong."""
    solver = Solver()
    solver.set("timeout", TIMEOUT_MS)
    solver.add(Not(claim))
    answer = solver.check()
    if answer == sat and not is_false(solver.model().eval(claim, model_completion=True)):
        return "a counterexample that is none"
    return str(answer)


def failures(proof: Proof) -> list[str]:
    found = []
    if (answer := refuted(proof.claim)) != str(unsat):
        found.append(f"not proved: {answer}")
    if not proof.twins:
        found.append("no twin: a check that cannot fail")
    for twin, claim in proof.twins.items():
        if (answer := refuted(claim)) != str(sat):
            found.append(f"twin not refuted, {twin}: {answer}")
    return found


def run(proofs: list[Proof]) -> bool:
    """Prints a line for each. True if all is well."""
    good = True
    for proof in proofs:
        began = time.monotonic()
        found = failures(proof)
        took = time.monotonic() - began
        verdict = "proved" if not found else "FAILED: " + "; ".join(found)
        print(f"{proof.name} | {proof.ranges} | {len(proof.twins)} twins | {took:.1f} s | {verdict}", flush=True)
        good = good and not found
    return good
