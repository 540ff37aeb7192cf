"""Ways to try things from inside a sandbox."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import anyio
from anyio.abc import ByteReceiveStream

from hopx_kernel.sandboxes.base import BaseSandbox

#: What hangs ends here; a machine that is slow is given its time.
TIMEOUT_SECONDS = 120


@dataclass
class Outcome:
    """What a program left behind."""

    returncode: int
    stdout: str
    stderr: str


async def run(
    sandbox: BaseSandbox, *argv: str, stdin: bytes = b"", cwd: str | None = None, env: Mapping[str, str] | None = None
) -> Outcome:
    """Run a program to its end."""
    output: dict[str, bytes] = {}

    async def read(name: str, stream: ByteReceiveStream) -> None:
        output[name] = await read_all(stream)

    with anyio.fail_after(TIMEOUT_SECONDS):
        process = await sandbox.start_process(argv, cwd=cwd, env=env)
        async with anyio.create_task_group() as group:
            group.start_soon(read, "stdout", process.stream)
            if process.stderr is not None:
                group.start_soon(read, "stderr", process.stderr)
            try:
                await process.stream.send(stdin)
                await process.stream.send_eof()
            except anyio.BrokenResourceError:
                pass  # it reads no stdin
        code = await process.wait()
    return Outcome(code, output["stdout"].decode(), output.get("stderr", b"").decode())


async def python(sandbox: BaseSandbox, source: str, *argv: str, env: Mapping[str, str] | None = None) -> Outcome:
    """Run Python code."""
    return await run(sandbox, sandbox.python, "-c", source, *argv, env=env)


async def bash(sandbox: BaseSandbox, source: str, *argv: str) -> Outcome:
    """Run a shell script."""
    return await run(sandbox, "bash", "-c", source, "bash", *argv)


async def read_all(stream: ByteReceiveStream) -> bytes:
    """Everything until the end of a stream."""
    data = bytearray()
    try:
        while True:
            data += await stream.receive()
    except anyio.EndOfStream:
        return bytes(data)


def processes_with(marker: str) -> list[int]:
    """Every process of this computer whose command line holds the marker."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if marker.encode() in path.read_bytes():
                found.append(int(path.parent.name))
        except OSError:
            pass
    return found
