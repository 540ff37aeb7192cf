"""From starting a kernel's process to its first result."""

from __future__ import annotations

from ..kernel import BenchKernel
from .base import Figure, Row, Sample


def measure(kernel: BenchKernel) -> Sample:
    # The shell socket keeps the request until the kernel listens; iopub could miss it.
    received = kernel.reply(kernel.execute("1+1", sum="1+1"))
    result = received.content["user_expressions"]["sum"]["data"]["text/plain"]
    if result != "2":
        raise RuntimeError(f"{kernel.name}: 1+1 is {result}")
    return {"seconds": [received.at - kernel.started_at]}


FIGURE = Figure(
    "start",
    measure,
    (Row("seconds", "kernel start to first result", "s", at_most_ratio=1.1),),
    repetitions=7,
    fresh=True,
    start=True,
)
