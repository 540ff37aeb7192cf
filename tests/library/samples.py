"""The streaming guide's samples that need nothing but a sandbox, word for word but for the import line."""

from __future__ import annotations

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

asyncio.run(stream_execution())
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

    async def consume(self):
        \"\"\"Consume buffered output\"\"\"
        while True:
            if self.buffer:
                yield self.buffer.popleft()
            else:
                await asyncio.sleep(0.01)
"""

UNBUFFERED = """
# Python
sandbox.commands.run("python -u script.py")

# Node.js
sandbox.commands.run("node --no-warnings script.js")
"""

ERRORS = """
async def handle(sandbox):
    async for line in sandbox.commands.stream_async("python script.py"):
        if line.startswith("ERROR:"):
            yield {"type": "error", "message": line}
            break
        yield {"type": "output", "content": line}
"""

CLEAN_UP = """
from hopx_kernel import Sandbox

async def stream_with_cleanup(code):
    sandbox = await Sandbox.create_async(template="code-interpreter")

    try:
        async for line in sandbox.commands.stream_async(f"python -u -c '{code}'"):
            yield line
    finally:
        await sandbox.kill_async()  # Always cleanup
"""
