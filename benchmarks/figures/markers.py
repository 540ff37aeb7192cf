"""A million progress markers that a cell prints, beside the same lines as the text that they are to ipykernel."""

from __future__ import annotations

import time

from ..kernel import BenchKernel
from .base import Figure, Row, Sample

COUNT = 1_000_000

#: Every tenth of it a line of text, which must come whole and in order.
TEXT_EVERY = COUNT // 10

CODE = f"""
for i in range({COUNT}):
    print('__PROGRESS__{{"message": "step %d", "percent": %s}}' % (i + 1, (i + 1) / {COUNT} * 100))
    if not i % {TEXT_EVERY}: print("line", i)
"""
TEXT = "".join(f"line {i}\n" for i in range(0, COUNT, TEXT_EVERY))


def measure(kernel: BenchKernel) -> Sample:
    started = ended = time.time()
    text, record = [], ""
    for received in kernel.run(CODE):
        ended = received.at
        if received.msg_type == "stream":
            text.append(received.content["text"])
        elif received.msg_type == "update_display_data":
            record = received.content["data"]["text/plain"]
    is_right = kernel.name != "hopx" or ("".join(text) == TEXT and f"step {COUNT}" in record)
    return {"seconds": [ended - started], "wrong": [not is_right]}


FIGURE = Figure(
    "markers",
    measure,
    (
        Row("seconds", "10⁶ printed `__PROGRESS__` lines (ipykernel: as text)", "s", at_most_ratio=0.6),
        Row("wrong", "the same, repetitions whose last value or text was lost", "", sum, at_most=0),
    ),
    repetitions=3,
)
