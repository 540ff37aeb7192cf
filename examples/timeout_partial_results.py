"""A deadline with what there is: the output until then, and whether the sandbox can still be used."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from hopx_kernel import Sandbox, SandboxTimeoutError

CODE = """
import time

for i in range(100):
    print(f"row {i}")
    time.sleep(0.5)
"""


async def execute_with_timeout(sandbox: Sandbox, code: str, timeout: float = 60) -> AsyncIterator[dict[str, Any]]:
    await sandbox.files.write_async("/app/task.py", code)
    output = []
    try:
        # The command itself has the deadline: when it passes, the command is stopped and nothing of it goes on.
        async for line in sandbox.commands.stream_async("python -u /app/task.py", timeout=timeout):
            output.append(line)
            yield {"type": "output", "line": line}
        yield {"type": "complete", "output": output}
    except SandboxTimeoutError as error:
        yield {"type": "timeout", "partial_output": error.output, "message": str(error), "alive": error.alive}


async def main() -> None:
    async with await Sandbox.create_async() as sandbox:
        async for update in execute_with_timeout(sandbox, CODE, timeout=2.2):
            print(update)
        # The command is gone, the sandbox is not.
        print((await sandbox.commands.run_async("echo still here")).stdout, end="")


asyncio.run(main())
