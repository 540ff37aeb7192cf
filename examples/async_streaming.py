"""Async streaming: the same for asyncio programs, with two commands at a time."""

import asyncio

from hopx_kernel import Sandbox

CODE = """
import sys
import time

for i in range(5):
    print(f"Step {i + 1}")
    print(f"(a note on step {i + 1})", file=sys.stderr)
    time.sleep(0.1)
"""


async def stream_execution(name: str) -> None:
    async with await Sandbox.create_async(template="code-interpreter") as sandbox:
        await sandbox.files.write_async("/app/task.py", CODE)
        async for line in sandbox.commands.stream_async("python -u /app/task.py"):
            # A line is a str that knows which stream it came from.
            if line.name == "stdout":
                print(f"{name} received: {line}")


async def main() -> None:
    await asyncio.gather(stream_execution("first"), stream_execution("second"))


asyncio.run(main())
