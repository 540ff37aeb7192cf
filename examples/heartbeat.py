"""Heartbeats: signs of life from a command that says nothing, with the sandbox's memory and CPU time."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from hopx_kernel import Sandbox

CODE = """
import time

print("thinking")
time.sleep(2)
print("done")
"""


async def execute_with_heartbeat(code: str) -> AsyncIterator[dict[str, Any]]:
    async with await Sandbox.create_async() as sandbox:
        await sandbox.files.write_async("/app/task.py", code)
        output = []
        # Five seconds is the default; half a second keeps this example short.
        stream = sandbox.commands.stream_async("python -u /app/task.py", heartbeat_seconds=0.5)
        async for event in stream.events():
            if event.msg_type == "stream":
                output.append(event.content["text"])
            elif event.msg_type == "heartbeat":
                yield {"type": "heartbeat", **event.content}
            elif event.is_terminal:
                yield {"type": "complete", "output": "".join(output), "exit_code": event.content["exit_code"]}


async def main() -> None:
    async for update in execute_with_heartbeat(CODE):
        if update["type"] == "heartbeat":
            memory = update.get("memory_bytes", 0) / 1e6
            quiet = update["quiet_seconds"]
            print(f"alive after {update['elapsed_seconds']:.1f} s, quiet for {quiet:.1f} s, {memory:.0f} MB")
        else:
            print(update)


asyncio.run(main())
