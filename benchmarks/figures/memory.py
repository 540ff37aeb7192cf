"""Memory of the kernel's process tree, its sandbox included: at rest, and how much it grows under a flood."""

from __future__ import annotations

import threading
import time

from ..kernel import BenchKernel
from .base import Figure, Row, Sample, worst

MB = 1024 * 1024

FLOOD_CODE = """
line = "x" * 1023
for _ in range(1024 * 1024):
    print(line)
"""


def measure_rest(kernel: BenchKernel) -> Sample:
    kernel.check("1+1")
    return {"rest": [_settled(kernel) / MB]}


def measure_flood(kernel: BenchKernel) -> Sample:
    kernel.check("print('warm')")
    rest = _settled(kernel)
    seen = [rest]
    stop = threading.Event()

    def watch() -> None:
        while not stop.wait(0.5):
            seen.append(kernel.memory_bytes())

    watcher = threading.Thread(target=watch)
    watcher.start()
    started = time.time()
    try:
        count = sum(len(r.content["text"]) for r in kernel.run(FLOOD_CODE) if r.msg_type == "stream")
    finally:
        stop.set()
        watcher.join()
    if count != 1024 * MB:
        raise RuntimeError(f"{kernel.name}: {count} of {1024 * MB} characters came")
    return {"growth": [(max(seen) - rest) / MB], "seconds": [time.time() - started]}


def _settled(kernel: BenchKernel) -> int:
    """The memory once it has not changed by more than 1 MB for half a second."""
    before = kernel.memory_bytes()
    while True:
        time.sleep(0.5)
        now = kernel.memory_bytes()
        if abs(now - before) < MB:
            return now
        before = now


REST = Figure(
    "memory",
    measure_rest,
    (Row("rest", "memory of the process tree at rest (PSS)", "MB", at_most_ratio=1.4),),
    repetitions=3,
    fresh=True,
)

FLOOD = Figure(
    "flood",
    measure_flood,
    (
        Row("growth", "its growth while 1 GB is printed", "MB", worst, at_most=50),
        Row("seconds", "1 GB in lines of 1 KiB", "s"),
    ),
    repetitions=1,
    fresh=True,
)
