"""The library: commands in a sandbox beside the same commands in a plain pipe."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterable

import psutil

from hopx_kernel import Sandbox

from ..kernel import BenchKernel
from .base import Figure, Row, Sample, worst

COUNT = 1_000_000
MB = 1024 * 1024

#: Prints the moment of each line. `sleep` makes it quiet before; the first line waits for no other.
MOMENTS = r'for _ in 1 2 3 4 5 6 7 8 9 10; do sleep 0.1; echo "$EPOCHREALTIME"; done'


def measure_first_line(_: BenchKernel | None) -> Sample:
    with Sandbox.create() as sandbox:
        delays = [
            1000 * (time.time() - float(line.replace(",", ".")))
            for line in sandbox.commands.stream(["bash", "-c", MOMENTS])
        ]
    return {"delay": delays}


def measure_lines(_: BenchKernel | None) -> Sample:
    command = ["bash", "-c", f"seq {COUNT}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        pipe = _timed(process.stdout)
    with Sandbox.create() as sandbox:
        stream = _timed(sandbox.commands.stream(command))
    return {"stream": [stream], "pipe": [pipe], "beyond": [stream - pipe]}


def _timed(lines: Iterable[str]) -> float:
    """Seconds until all lines have come; raises `RuntimeError` when one is lost or out of order."""
    started = time.perf_counter()
    expected = 1
    for line in lines:
        if int(line) != expected:
            raise RuntimeError(f"line {line!r} came instead of {expected}")
        expected += 1
    if expected != COUNT + 1:
        raise RuntimeError(f"{expected - 1} of {COUNT} lines came")
    return time.perf_counter() - started


def measure_gigabyte(_: BenchKernel | None) -> Sample:
    process = psutil.Process()
    with Sandbox.create() as sandbox:
        sandbox.commands.run("true")
        rest = process.memory_full_info().uss
        peak, size, looked = rest, 0, time.perf_counter()
        started = looked
        for line in sandbox.commands.stream(f"yes {'x' * 1023} | head -c {1024 * MB}"):
            size += len(line) + 1
            if (now := time.perf_counter()) - looked > 0.2:
                looked, peak = now, max(peak, process.memory_full_info().uss)
        seconds = time.perf_counter() - started
    if size != 1024 * MB:
        raise RuntimeError(f"{size} of {1024 * MB} bytes came")
    return {"growth": [(peak - rest) / MB], "seconds": [seconds]}


def measure_creation(_: BenchKernel | None) -> Sample:
    return {"bash": _creation(["bash", "-c", "echo ready"]), "python": _creation(["python3", "-c", "print('ready')"])}


def _creation(command: list[str]) -> list[float]:
    delays = []
    for _ in range(10):
        started = time.perf_counter()
        with Sandbox.create() as sandbox:
            for line in sandbox.commands.stream(command):
                if line != "ready":
                    raise RuntimeError(f"{line!r} came instead of 'ready'")
                delays.append(1000 * (time.perf_counter() - started))
    return delays


def measure_fifty(_: BenchKernel | None) -> Sample:
    started = time.perf_counter()
    sandboxes = [Sandbox.create() for _ in range(50)]
    try:
        answers = [sandbox.commands.run(f"echo {number}").stdout for number, sandbox in enumerate(sandboxes)]
    finally:
        for sandbox in sandboxes:
            sandbox.kill()
    if answers != [f"{number}\n" for number in range(50)]:
        raise RuntimeError(f"answers: {answers}")
    return {"seconds": [time.perf_counter() - started]}


FIRST_LINE = Figure(
    "command-first-line",
    measure_first_line,
    (Row("delay", "`commands.stream`: a line, from written to received, worst", "ms", worst, at_most=10),),
    repetitions=3,
    kernels=False,
)
LINES = Figure(
    "command-lines",
    measure_lines,
    (
        Row("beyond", "`commands.stream`: 10⁶ lines, beyond a plain pipe", "s", at_most=1.5),
        Row("stream", "the same, in all", "s"),
    ),
    repetitions=3,
    kernels=False,
)
GIGABYTE = Figure(
    "command-gigabyte",
    measure_gigabyte,
    (
        Row("growth", "`commands.stream`: growth of memory over 1 GB", "MB", worst, at_most=20),
        Row("seconds", "the same, in all", "s"),
    ),
    repetitions=1,
    kernels=False,
)
CREATION = Figure(
    "creation",
    measure_creation,
    (
        Row("bash", "`Sandbox.create` to the first line of bash", "ms", at_most=80),
        Row("python", "the same, of Python", "ms", at_most=300),
    ),
    repetitions=2,
    kernels=False,
)
FIFTY = Figure(
    "fifty",
    measure_fifty,
    (Row("seconds", "50 sandboxes at once: all made, each answers, all gone", "s"),),
    repetitions=1,
    kernels=False,
)
