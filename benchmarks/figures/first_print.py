"""How long a printed line takes to become an iopub message, when nothing was printed before it."""

from __future__ import annotations

from ..kernel import BenchKernel
from .base import Figure, Row, Sample, percentile_95

#: The cell's clock is this machine's: a sandbox has no time namespace of its own. The pause is longer than the 0.2 s
#: that ipykernel collects output for, and no multiple of it.
CODE = """
import time
for _ in range(20):
    time.sleep(0.27)
    print(repr(time.time()))
"""


def measure(kernel: BenchKernel) -> Sample:
    delays = []
    for received in kernel.run(CODE):
        if received.msg_type == "stream":
            printed = received.content["text"].split()
            delays += [1000 * (received.at - float(moment)) for moment in printed]
    if len(delays) != 20:
        raise RuntimeError(f"{kernel.name}: {len(delays)} of 20 lines came")
    return {"delay": delays}


FIGURE = Figure(
    "first-print",
    measure,
    (
        Row("delay", "`print` to its iopub message, quiet before it, median", "ms", at_most=5),
        Row("delay", "the same, 95 %", "ms", percentile_95, at_most=10),
    ),
    repetitions=3,
)
