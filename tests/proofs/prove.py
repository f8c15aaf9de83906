"""Every proof, one line each, and whether the vectors are current. Exits with an error if anything is not as it must be."""

import sys

import leap
import lines
import proof
import rates
import slopes
import stamps
import vectors
import words

PARTS = [words, lines, rates, slopes, stamps, leap]


def main() -> None:
    good = proof.run([one for part in PARTS for one in part.PROOFS])
    if vectors.FILE.read_text() != vectors.all_of_them():
        print("vectors.txt is not what model.py says: `python vectors.py --write`, and then the Rust tests", flush=True)
        good = False
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
