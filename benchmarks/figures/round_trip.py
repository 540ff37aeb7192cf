"""The smallest cell: from sending the request to its ``idle``."""

from __future__ import annotations

import time

from ..kernel import BenchKernel
from .base import Figure, Row, Sample


def measure(kernel: BenchKernel) -> Sample:
    delays = []
    for _ in range(50):
        started = ended = time.time()
        for received in kernel.run("1+1"):
            ended = received.at
        delays.append(1000 * (ended - started))
    return {"delay": delays}


FIGURE = Figure("round-trip", measure, (Row("delay", "`1+1`, request to idle", "ms", at_most_ratio=1.0),))
