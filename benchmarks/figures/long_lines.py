"""64 MB in lines of 64 KiB."""

from __future__ import annotations

import time

from ..kernel import BenchKernel
from .base import Figure, Row, Sample

LINES = 1024
LINE_BYTES = 64 * 1024

CODE = f"""
line = "x" * ({LINE_BYTES} - 1)
for _ in range({LINES}):
    print(line)
"""


def measure(kernel: BenchKernel) -> Sample:
    started = ended = time.time()
    count = 0
    for received in kernel.run(CODE):
        ended = received.at
        if received.msg_type == "stream":
            count += len(received.content["text"])
    if count != LINES * LINE_BYTES:
        raise RuntimeError(f"{kernel.name}: {count} of {LINES * LINE_BYTES} characters came")
    return {"seconds": [ended - started]}


FIGURE = Figure("long-lines", measure, (Row("seconds", "64 MB in lines of 64 KiB", "s", at_most_ratio=1.0),))
