"""One sandbox, used from several threads, several event loops, and trio."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import anyio
import pytest
import trio

from hopx_kernel import Sandbox

from .processes import GONE_SECONDS, is_gone

pytestmark = pytest.mark.anyio


def test_blocking_form_works_inside_a_running_loop(sandbox: Sandbox) -> None:
    async def main() -> list[str]:
        return list(sandbox.commands.stream("seq 3"))

    assert asyncio.run(main()) == ["1", "2", "3"]


def test_sandbox_outlives_the_loop_that_made_it() -> None:
    sandbox = asyncio.run(Sandbox.create_async())
    try:
        assert asyncio.run(sandbox.commands.run_async("echo a")).stdout == "a\n"
        assert sandbox.commands.run("echo b").stdout == "b\n"
    finally:
        asyncio.run(sandbox.kill_async())


async def test_many_streams_at_a_time_in_one_sandbox(sandbox: Sandbox) -> None:
    results: dict[int, list[str]] = {}

    async def collect(number: int) -> None:
        results[number] = [line async for line in sandbox.commands.stream_async(f"seq {number} {number + 999}")]

    async with anyio.create_task_group() as group:
        for number in range(20):
            group.start_soon(collect, number)
    assert results == {number: [str(i) for i in range(number, number + 1000)] for number in range(20)}


def test_streams_leave_no_descriptors_open(sandbox: Sandbox) -> None:
    def descriptors() -> int:
        return len(list(Path(f"/proc/{os.getpid()}/fd").iterdir()))

    sandbox.commands.run("true")
    before = descriptors()
    for _ in range(20):
        sandbox.commands.run("echo a")
        for _line in sandbox.commands.stream("yes"):
            break
    gc.collect()
    deadline = time.monotonic() + GONE_SECONDS
    while descriptors() > before + 2:  # the last ones are closed in the library's thread
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_threads_share_a_sandbox(sandbox: Sandbox) -> None:
    def work(number: int) -> list[str]:
        sandbox.files.write(f"/app/{number}", str(number))
        return [*sandbox.commands.stream(f"seq {number} {number + 2}"), sandbox.files.read(f"/app/{number}")]

    with ThreadPoolExecutor(16) as pool:
        results = list(pool.map(work, range(64)))
    assert results == [[str(i), str(i + 1), str(i + 2), str(i)] for i in range(64)]


def test_two_event_loops_share_a_sandbox(sandbox: Sandbox) -> None:
    """Each loop's command waits for the other's, so both run at once."""
    together = threading.Barrier(2)
    results: dict[str, list[str]] = {}

    async def stream(name: str, other: str) -> list[str]:
        command = f"echo {name}; touch /tmp/{name}; until [ -e /tmp/{other} ]; do sleep 0.01; done; echo end"
        return [line async for line in sandbox.commands.stream_async(command)]

    def work(name: str, other: str) -> None:
        together.wait()
        results[name] = asyncio.run(stream(name, other))

    threads = [threading.Thread(target=work, args=names) for names in ("ab", "ba")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {"a": ["a", "end"], "b": ["b", "end"]}


def test_iteration_goes_on_in_another_loop(sandbox: Sandbox) -> None:
    lines = sandbox.commands.stream_async("seq 3").__aiter__()

    async def one() -> str:
        return await lines.__anext__()

    assert [asyncio.run(one()) for _ in range(3)] == ["1", "2", "3"]


def test_trio_drives_a_sandbox() -> None:
    async def main() -> None:
        async with await Sandbox.create_async() as sandbox:
            await sandbox.files.write_async("/app/a", "x")
            assert await sandbox.files.read_async("/app/a") == "x"
            assert [line async for line in sandbox.commands.stream_async("seq 3")] == ["1", "2", "3"]
            with trio.CancelScope() as scope:
                async for _ in sandbox.commands.stream_async("echo first; sleep 4321"):
                    scope.deadline = trio.current_time() + 0.2
            assert scope.cancelled_caught
            assert await trio.to_thread.run_sync(is_gone, sandbox, "4321")
            run = sandbox.session().execute("print('a'); 6 * 7")
            kinds = {
                event.msg_type: event async for event in run
            }  # a busy computer may cut a line, and send heartbeats
            assert [kind for kind in kinds if kind != "heartbeat"] == ["stream", "execute_result", "execute_reply"]
            assert await run == "42"
            with trio.CancelScope() as gone:
                gone.cancel()
                await sandbox.kill_async()
        assert not sandbox.is_alive

    trio.run(main)


def test_keyboard_interrupt_of_an_asyncio_program_ends_its_command(sandbox: Sandbox) -> None:
    async def main() -> None:
        async for _ in sandbox.commands.stream_async("echo first; sleep 4321"):
            os.kill(os.getpid(), 2)

    with pytest.raises(KeyboardInterrupt):
        asyncio.run(main())
    assert is_gone(sandbox, "4321")
