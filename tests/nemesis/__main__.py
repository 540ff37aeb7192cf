"""The nemesis by hand: ``python -m tests.nemesis --seconds 600``."""

from __future__ import annotations

import argparse
import secrets
import sys
import time

from .nemesis import run_nemesis


def main() -> int:
    """Run until the time is over or a rule was not kept, with a new kernel and a new seed each minute."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=600.0, help="how long")
    parser.add_argument("--seed", type=int, help="the first of the seeds; by chance where it is not named")
    arguments = parser.parse_args()
    seed = secrets.randbelow(10**6) if arguments.seed is None else arguments.seed
    end = time.monotonic() + arguments.seconds
    while (left := end - time.monotonic()) > 0:
        print(f"seed {seed}", flush=True)
        try:
            run_nemesis(seed, min(left, 60.0))
        except (AssertionError, TimeoutError) as exc:
            print(exc, file=sys.stderr)
            return 1
        seed += 1
    print("every rule was kept")
    return 0


if __name__ == "__main__":
    sys.exit(main())
