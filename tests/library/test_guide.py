"""The streaming guide's samples that need nothing but a sandbox, word for word but for the import line."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator
from typing import Any

import anyio
import pytest

import hopx_kernel

pytestmark = pytest.mark.anyio

BASIC = """
from hopx_kernel import Sandbox

sandbox = Sandbox.create(template="code-interpreter")

# Long-running script with progress output
code = '''
import time

for i in range(10):
    print(f"Processing step {i+1}/10...")
    time.sleep(1)

print("Complete!")
'''

sandbox.files.write("/app/process.py", code)

# Stream output line by line
for line in sandbox.commands.stream("cd /app && python -u process.py"):
    print(f"[OUTPUT] {line}")
"""

ASYNC = """
import asyncio
from hopx_kernel import Sandbox

async def stream_execution():
    sandbox = await Sandbox.create_async(template="code-interpreter")

    code = '''
import time
import sys

for i in range(5):
    print(f"Step {i+1}", flush=True)
    time.sleep(0.5)
'''

    await sandbox.files.write_async("/app/task.py", code)

    async for line in sandbox.commands.stream_async("python -u /app/task.py"):
        print(f"Received: {line}")

    await sandbox.kill_async()
"""

PROGRESS = """
from hopx_kernel import Sandbox
import json

def execute_with_progress(code: str, on_progress):
    \"\"\"Execute code and report structured progress\"\"\"
    sandbox = Sandbox.create(template="code-interpreter")

    # Wrapper that outputs JSON progress
    wrapper = '''
import sys
import json

def progress(message, percent=None, data=None):
    \"\"\"Report progress in structured format\"\"\"
    update = {"type": "progress", "message": message}
    if percent is not None:
        update["percent"] = percent
    if data is not None:
        update["data"] = data
    print("__PROGRESS__" + json.dumps(update), flush=True)

def result(data):
    \"\"\"Report final result\"\"\"
    print("__RESULT__" + json.dumps({"type": "result", "data": data}), flush=True)

def error(message):
    \"\"\"Report error\"\"\"
    print("__ERROR__" + json.dumps({"type": "error", "message": message}), flush=True)

# User code can now use progress(), result(), error()
'''

    full_code = wrapper + "\\n" + code
    sandbox.files.write("/app/task.py", full_code)

    for line in sandbox.commands.stream("python -u /app/task.py"):
        if line.startswith("__PROGRESS__"):
            data = json.loads(line[12:])
            on_progress(data)
        elif line.startswith("__RESULT__"):
            data = json.loads(line[10:])
            on_progress(data)
        elif line.startswith("__ERROR__"):
            data = json.loads(line[9:])
            on_progress(data)
        else:
            # Regular output
            on_progress({"type": "output", "content": line})

    sandbox.kill()
"""

PROGRESS_USE = """
def handle_progress(update):
    if update["type"] == "progress":
        print(f"[{update.get('percent', '?')}%] {update['message']}")
    elif update["type"] == "result":
        print(f"Result: {update['data']}")

code = '''
import time

progress("Starting analysis", 0)

for i in range(5):
    progress(f"Processing batch {i+1}", (i+1) * 20)
    time.sleep(0.5)

result({"processed": 5, "status": "success"})
'''

execute_with_progress(code, handle_progress)
"""

BAR = """
analysis_code = '''
import pandas as pd
import time

# Load data
progress("Loading dataset...", 0)
df = pd.read_csv('/app/data.csv')
progress(f"Loaded {len(df)} rows", 20)

# Clean data
progress("Cleaning data...", 20)
df = df.dropna()
progress(f"Cleaned, {len(df)} rows remaining", 40)

# Process
total = len(df)
for i, chunk in enumerate(range(0, total, 1000)):
    percent = 40 + (i / (total // 1000)) * 40
    progress(f"Processing rows {chunk}-{chunk+1000}", percent)
    time.sleep(0.1)  # Simulate work

# Generate report
progress("Generating report...", 80)
summary = df.describe()
progress("Report ready", 100)

result(summary.to_dict())
'''
"""

HEARTBEAT = """
import asyncio
from hopx_kernel import Sandbox

async def execute_with_heartbeat(code: str):
    sandbox = await Sandbox.create_async(template="code-interpreter")
    await sandbox.files.write_async("/app/task.py", code)

    # Start execution
    execution = asyncio.create_task(
        collect_output(sandbox.commands.stream_async("python -u /app/task.py"))
    )

    # Send heartbeats while executing
    while not execution.done():
        yield {"type": "heartbeat", "timestamp": time.time()}
        await asyncio.sleep(5)

    # Get final result
    output = await execution
    yield {"type": "complete", "output": output}

    await sandbox.kill_async()


async def collect_output(stream):
    output = []
    async for line in stream:
        output.append(line)
    return output
"""

TIMEOUT = """
import asyncio
from hopx_kernel import Sandbox

async def execute_with_timeout(code: str, timeout: int = 60):
    sandbox = await Sandbox.create_async(template="code-interpreter")
    await sandbox.files.write_async("/app/task.py", code)

    output = []

    try:
        async with asyncio.timeout(timeout):
            async for line in sandbox.commands.stream_async("python -u /app/task.py"):
                output.append(line)
                yield {"type": "output", "line": line}

        yield {"type": "complete", "output": output}

    except asyncio.TimeoutError:
        yield {
            "type": "timeout",
            "partial_output": output,
            "message": f"Execution exceeded {timeout}s limit"
        }

    finally:
        await sandbox.kill_async()
"""

BUFFER_SIZE = """
sandbox.commands.stream("python script.py", buffer_size=64)  # Very responsive
sandbox.commands.stream("python script.py", buffer_size=4096)  # More efficient
"""

AGENT = """
from hopx_kernel import Sandbox

async def execute_code_stream(code: str):
    sandbox = await Sandbox.create_async(template="code-interpreter")

    try:
        await sandbox.files.write_async("/app/code.py", code)

        async for line in sandbox.commands.stream_async("python -u /app/code.py"):
            yield line

    finally:
        await sandbox.kill_async()
"""

BACKPRESSURE = """
import asyncio
from collections import deque

class BufferedStream:
    def __init__(self, max_buffer=100):
        self.buffer = deque(maxlen=max_buffer)
        self.overflow_count = 0

    async def produce(self, sandbox):
        \"\"\"Produce output from sandbox\"\"\"
        async for line in sandbox.commands.stream_async("python script.py"):
            if len(self.buffer) >= self.buffer.maxlen:
                self.overflow_count += 1
            self.buffer.append(line)
"""


def run_sample(source: str, **names: Any) -> dict[str, Any]:
    namespace: dict[str, Any] = {"__name__": "__main__", **names}
    exec(compile(source, "<sample>", "exec"), namespace)
    return namespace


def test_basic_streaming_prints_each_step_as_it_happens() -> None:
    moments: list[tuple[float, str]] = []
    run_sample(BASIC, print=lambda text: moments.append((time.monotonic(), text)))["sandbox"].kill()
    steps = [f"[OUTPUT] Processing step {i}/10..." for i in range(1, 11)]
    assert [text for _, text in moments] == [*steps, "[OUTPUT] Complete!"]
    gaps = [later - earlier for (earlier, _), (later, _) in itertools.pairwise(moments)]
    assert all(gap > 0.5 for gap in gaps), gaps


def test_async_streaming_prints_each_step() -> None:
    printed: list[str] = []
    sample = run_sample(ASYNC, print=printed.append)
    asyncio.run(sample["stream_execution"]())
    assert printed == [f"Received: Step {i}" for i in range(1, 6)]


def test_structured_progress_reports_every_update() -> None:
    printed: list[str] = []
    run_sample(PROGRESS + PROGRESS_USE, print=printed.append)
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
    assert [event["type"] for event in events] == ["heartbeat", "heartbeat", "complete"]
    assert events[-1]["output"] == ["done"]


@pytest.mark.skipif(not hasattr(asyncio, "timeout"), reason="the sample needs Python 3.11")
async def test_timeout_gives_the_partial_results() -> None:
    sample = run_sample(TIMEOUT)
    code = "import time\nfor i in range(100):\n    print(i)\n    time.sleep(0.4)"
    with anyio.fail_after(20):
        events = [event async for event in sample["execute_with_timeout"](code, 1)]
    assert events[-1]["type"] == "timeout"
    assert events[-1]["partial_output"] == [str(i) for i in range(len(events) - 1)]
    assert 1 <= len(events) - 1 <= 4


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
