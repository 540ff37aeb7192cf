"""From the end of an interpreter that crashed to the next cell's result, variables lost.

Here the kernel brings a new interpreter by itself. ipykernel dies with its interpreter: it is started anew as soon as
its process is seen to have ended, which flatters it, since servers look every three seconds.
"""

from __future__ import annotations

import time

from ..kernel import BenchKernel
from .base import Figure, Row, Sample

CRASH = "import os; os._exit(3)"


def measure(kernel: BenchKernel) -> Sample:
    kernel.check("x = 1")
    crash = kernel.execute(CRASH)
    if kernel.name == "hopx":
        ended = kernel.reply(crash).at
    else:
        while kernel.manager.is_alive():
            time.sleep(0.001)
        ended = time.time()
        kernel.manager.restart_kernel(now=True)
    received = kernel.reply(kernel.execute("1+1", lost="'x' not in globals()"))
    if received.content["user_expressions"]["lost"]["data"]["text/plain"] != "True":
        raise RuntimeError(f"{kernel.name}: the interpreter did not crash")
    if kernel.name != "hopx":
        # Another process is on the ports now, and iopub takes a while to notice.
        kernel.client.wait_for_ready(timeout=60)
    return {"delay": [1000 * (received.at - ended)]}


FIGURE = Figure(
    "restart",
    measure,
    (Row("delay", "crashed interpreter to the next first result", "ms", at_most=100),),
    repetitions=5,
)
