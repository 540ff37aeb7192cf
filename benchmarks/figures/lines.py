"""A million short lines: how long until all have come, in how many messages, and whether in order."""

from __future__ import annotations

import time

from ..kernel import BenchKernel
from .base import Figure, Row, Sample, worst

COUNT = 1_000_000


def measure(kernel: BenchKernel) -> Sample:
    started = time.time()
    parts = []
    ended = started
    for received in kernel.run(f"for i in range({COUNT}): print(i)"):
        ended = received.at
        if received.msg_type == "stream":
            parts.append(received.content["text"])
    wrong = "".join(parts) != "".join(f"{i}\n" for i in range(COUNT))
    return {"seconds": [ended - started], "messages": [len(parts)], "wrong": [wrong]}


FIGURE = Figure(
    "lines",
    measure,
    (
        Row("seconds", "10⁶ printed lines, all of them", "s", at_most_ratio=0.35),
        Row("messages", "the same, iopub messages", "", worst, at_most=500),
        Row("wrong", "the same, repetitions with a line lost or out of order", "", sum, at_most=0),
    ),
    repetitions=3,
)
