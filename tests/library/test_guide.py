"""What the streaming guide promises of its samples, which are in `samples`."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from typing import Any

import anyio
import pytest

import hopx_kernel

from .samples import (
    AGENT,
    ASYNC,
    BACKPRESSURE,
    BAR,
    BASIC,
    BUFFER_SIZE,
    CLEAN_UP,
    ERRORS,
    HEARTBEAT,
    PROGRESS,
    PROGRESS_USE,
    TIMEOUT,
    UNBUFFERED,
)

pytestmark = pytest.mark.anyio


def run_program(source: str) -> list[tuple[float, str]]:
    """Run a sample as it stands, as a program of its own; gives each line that it prints, and when."""
    command = [sys.executable, "-u", "-W", "error", "-c", source]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stderr is not None
        lines = [(time.monotonic(), line.rstrip("\n")) for line in process.stdout]
        errors = process.stderr.read()
    assert (process.returncode, errors) == (0, "")
    return lines


def run_sample(source: str, **names: Any) -> dict[str, Any]:
    namespace: dict[str, Any] = {"__name__": "__main__", **names}
    exec(compile(source, "<sample>", "exec"), namespace)
    return namespace


def test_basic_streaming_prints_each_step_as_it_happens() -> None:
    moments = run_program(BASIC)
    steps = [f"[OUTPUT] Processing step {i}/10..." for i in range(1, 11)]
    assert [text for _, text in moments] == [*steps, "[OUTPUT] Complete!"]
    # One a second is written: of five in a row, none that comes late may have waited for the last.
    spans = [later - earlier for (earlier, _), (later, _) in zip(moments, moments[5:], strict=False)]
    assert all(span > 1 for span in spans), spans


def test_async_streaming_prints_each_step() -> None:
    printed = [text for _, text in run_program(ASYNC)]
    assert printed == [f"Received: Step {i}" for i in range(1, 6)]


def test_structured_progress_reports_every_update() -> None:
    printed = [text for _, text in run_program(PROGRESS + PROGRESS_USE)]
    batches = [f"[{20 * i}%] Processing batch {i}" for i in range(1, 6)]
    result = "Result: {'processed': 5, 'status': 'success'}"
    assert printed == ["[0%] Starting analysis", *batches, result]


def test_progress_bar_code_reports_up_to_its_result() -> None:
    sample = run_sample(PROGRESS + BAR)
    updates: list[dict[str, Any]] = []
    data = "a,b\n" + "".join(f"{i},{i if i % 2 else ''}\n" for i in range(4000))
    code = f"open('/app/data.csv', 'w').write({data!r})\n" + sample["analysis_code"]
    sample["execute_with_progress"](code, updates.append)
    assert [update["type"] for update in updates[:-1]] == ["progress"] * (len(updates) - 1)
    percents = [update["percent"] for update in updates[:-1]]
    assert percents == sorted(percents) and percents[-1] == 100
    assert updates[1]["message"] == "Loaded 4000 rows"
    assert updates[-1]["data"]["a"]["count"] == 2000.0


async def test_heartbeats_come_while_the_code_runs() -> None:
    sample = run_sample(HEARTBEAT, time=time)  # the sample forgets to import it
    events = [event async for event in sample["execute_with_heartbeat"]("import time\ntime.sleep(6)\nprint('done')")]
    # One at once and one after five seconds; more where the code takes its time to start.
    assert len(events) > 2
    assert [event["type"] for event in events] == ["heartbeat"] * (len(events) - 1) + ["complete"]
    assert events[-1]["output"] == ["done"]


@pytest.mark.skipif(not hasattr(asyncio, "timeout"), reason="the sample needs Python 3.11")
async def test_timeout_gives_the_partial_results() -> None:
    sample = run_sample(TIMEOUT)
    code = "import time\nfor i in range(1000):\n    print(i)\n    time.sleep(0.5)"
    with anyio.fail_after(100):
        events = [event async for event in sample["execute_with_timeout"](code, 3)]
    assert events[-1]["type"] == "timeout"
    assert events[-1]["partial_output"] == [str(i) for i in range(len(events) - 1)]
    assert 1 <= len(events) - 1 < 1000


@pytest.mark.skipif(not hasattr(asyncio, "timeout"), reason="the sample needs Python 3.11")
async def test_timeout_that_does_not_pass_gives_all() -> None:
    sample = run_sample(TIMEOUT)
    events = [event async for event in sample["execute_with_timeout"]("print(1)\nprint(2)", 60)]
    assert events[-1] == {"type": "complete", "output": ["1", "2"]}


def test_buffer_size_takes_what_the_guide_gives_it() -> None:
    with hopx_kernel.Sandbox.create() as sandbox:
        sandbox.files.write("script.py", "print('a')")
        run_sample(BUFFER_SIZE, sandbox=sandbox)
        assert list(sandbox.commands.stream("python script.py", buffer_size=64)) == ["a"]


async def test_code_stream_for_agents_gives_lines_and_kills() -> None:
    sample = run_sample(AGENT)
    stream: AsyncIterator[str] = sample["execute_code_stream"]("for i in range(3): print(i)")
    assert [line async for line in stream] == ["0", "1", "2"]


async def test_backpressure_sample_fills_its_buffer() -> None:
    async with await hopx_kernel.Sandbox.create_async() as sandbox:
        await sandbox.files.write_async("script.py", "for i in range(250): print(i)")
        buffered = run_sample(BACKPRESSURE)["BufferedStream"]()
        await buffered.produce(sandbox)
    assert list(buffered.buffer) == [str(i) for i in range(150, 250)]
    assert buffered.overflow_count == 150


async def test_backpressure_sample_gives_what_it_buffered() -> None:
    async with await hopx_kernel.Sandbox.create_async() as sandbox:
        await sandbox.files.write_async("script.py", "for i in range(250): print(i)")
        buffered = run_sample(BACKPRESSURE)["BufferedStream"](max_buffer=3)
        await buffered.produce(sandbox)
        assert [await anext(buffered.consume()) for _ in range(3)] == ["247", "248", "249"]


def test_commands_of_the_best_practices_run() -> None:
    with hopx_kernel.Sandbox.create() as sandbox:
        sandbox.files.write("script.py", "open('/app/ran', 'w').close()")
        run_sample(UNBUFFERED, sandbox=sandbox)
        assert sandbox.files.exists("/app/ran")


async def test_error_line_ends_the_stream_and_the_command() -> None:
    async with await hopx_kernel.Sandbox.create_async() as sandbox:
        await sandbox.files.write_async(
            "script.py", "print('a'); print('ERROR: b', flush=True)\nimport time; time.sleep(1000)"
        )
        handle = run_sample(ERRORS)["handle"]
        assert [event async for event in handle(sandbox)] == [
            {"type": "output", "content": "a"},
            {"type": "error", "message": "ERROR: b"},
        ]


async def test_clean_up_sample_kills_also_when_it_is_left_early() -> None:
    stream = run_sample(CLEAN_UP)["stream_with_cleanup"]("for i in range(10**9): print(i)")
    assert await anext(stream) == "0"
    await stream.aclose()
    with pytest.raises(StopAsyncIteration):
        await anext(stream)
