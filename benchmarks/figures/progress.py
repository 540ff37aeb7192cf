"""A flood of progress: 10⁵ calls in a loop, beside `tqdm.notebook` on ipykernel doing the same."""

from __future__ import annotations

import re

from ..kernel import BenchKernel, Received
from .base import Figure, Row, Sample, worst

CALLS = 100_000

#: Seconds that a call may cost, so that the loop may take this much longer, half as much again.
CALL_SECONDS = 5e-6

LOOP = """
import time
started = time.perf_counter()
{before}
for i in range({calls}):
    x = 100 * (i + 1) / {calls}
    {call}
{after}
print("took", time.perf_counter() - started)
"""

CALL = {
    "hopx": ("", 'progress("Working", x)', ""),
    "ipykernel": ("bar = __import__('tqdm.notebook').notebook.tqdm(total=100_000)", "bar.update(1)", "bar.close()"),
}

#: What of iopub makes work for a front end beside the printed line.
VISIBLE = {"comm_open", "comm_msg", "comm_close", "display_data", "update_display_data"}


def measure(kernel: BenchKernel) -> Sample:
    plain, _ = _run(kernel, "", "pass", "")
    seconds, received = _run(kernel, *CALL[kernel.name])
    visible = [message for message in received if message.msg_type in VISIBLE]
    return {
        "seconds": [seconds],
        "share": [seconds / (plain + CALLS * CALL_SECONDS)],
        "call": [max(seconds - plain, 0.0) / CALLS * 1e6],
        "rate": [_densest_second(visible)],
        "last": [not _shows_the_end(visible)],
    }


def _run(kernel: BenchKernel, before: str, call: str, after: str) -> tuple[float, list[Received]]:
    received = list(kernel.run(LOOP.format(before=before, call=call, after=after, calls=CALLS)))
    for message in received:
        if message.msg_type == "error":
            raise RuntimeError(f"{kernel.name}: {message.content['evalue']}")
    printed = "".join(message.content["text"] for message in received if message.msg_type == "stream")
    return float(printed.rpartition("took ")[2]), received


def _densest_second(messages: list[Received]) -> float:
    """How many messages came in the second with most of them."""
    moments = [message.at for message in messages]
    return max((sum(start <= moment < start + 1 for moment in moments) for start in moments), default=0)


def _shows_the_end(messages: list[Received]) -> bool:
    """Whether the last value is in the record that stays, or in the last state of a live bar."""
    records = [message.content["data"] for message in messages if message.msg_type == "update_display_data"]
    if records:
        return re.search(r"\b100 ?%", records[-1]["text/plain"]) is not None
    states = [message.content["data"].get("state", {}) for message in messages if message.msg_type == "comm_msg"]
    values = [state["value"] for state in states if isinstance(state.get("value"), float)]
    return bool(values) and values[-1] == CALLS


FIGURE = Figure(
    "progress",
    measure,
    (
        Row("share", "10⁵ `progress` calls: time, of the loop without them and 5 µs each", "×", at_most=1.5),
        Row("call", "the same, each call", "µs", at_most=CALL_SECONDS * 1e6),
        Row("seconds", "the same, in all (ipykernel: `tqdm.notebook`)", "s"),
        Row("rate", "the same, display messages in the densest second", "", worst, at_most=150),
        Row("last", "the same, repetitions whose last value was lost", "", sum, at_most=0),
    ),
    repetitions=3,
)
