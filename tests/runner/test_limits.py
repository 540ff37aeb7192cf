"""Limits: each gives an error that names it, and the next cell runs. Those that could harm the machine run in a namespace."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest

from hopx_kernel.protocol import Message, RunnerOptions

from .client import HoldGil, RunnerClient, open_runner

GIB = 1 << 30


def test_memory_limit_is_named_in_a_memory_error() -> None:
    with open_runner(RunnerOptions(cwd="/tmp", memory_bytes=GIB)) as runner:
        runner.run("x = 5")
        result = runner.run("data = bytearray(4 << 30)")
        assert result.error["ename"] == "MemoryError"
        assert "memory limit of 1 GiB" in result.error["evalue"]
        assert "memory limit of 1 GiB" in result.error["traceback"][-1]
        assert "memory_limit" in result.error["evalue"] and "memory_bytes" in result.error["evalue"]
        assert (result.reply["reason"], result.reply["limit"], result.reply["kept"]) == ("raised", "memory", True)
        assert runner.run("x").value == "5"


def test_memory_limit_of_growing_data_is_named() -> None:
    with open_runner(RunnerOptions(cwd="/tmp", memory_bytes=GIB // 2)) as runner:
        result = runner.run("data = []\nwhile True: data.append(bytearray(1 << 24))")
        assert "memory limit of 512 MiB" in result.error["evalue"]
        assert runner.run("del data; 1").reply["status"] == "ok"


TAKE = """
import threading, time
kept, stopped, go, go_on = [], [False] * 4, threading.Event(), threading.Event()
def take(number):
    go.wait()
    try:
        while True: kept.append(bytearray(SIZE))
    except MemoryError:
        stopped[number] = True
    while True:
        try: return go_on.wait()
        except MemoryError: pass
threads = [threading.Thread(target=take, args=(number,), daemon=True) for number in range(4)]
for thread in threads: thread.start()
go.set()
while True:
    try:
        if all(stopped): break
        time.sleep(0.01)
    except MemoryError: pass
"""


@contextmanager
def open_full_runner(size: int, python: Sequence[str] = (sys.executable,)) -> Iterator[RunnerClient]:
    """A runner whose interpreter has had all its memory taken by threads, in blocks of `size` bytes."""
    with open_runner(RunnerOptions(cwd="/tmp", memory_bytes=GIB // 4), python=python) as runner:
        assert runner.run(TAKE.replace("SIZE", str(size)), timeout=120).reply["status"] == "ok"
        yield runner


@pytest.mark.parametrize("size", [1 << 10, 1 << 16, 1 << 20])
def test_code_that_keeps_all_memory_does_not_silence_its_interpreter(size: int) -> None:
    with open_full_runner(size) as runner:
        for _ in range(5):
            assert runner.run("print('x' * 10)").text == "x" * 10 + "\n"
            assert runner.run("1 + 1").value == "2"
        assert "memory limit of 256 MiB" in runner.run("data = bytearray(64 << 20)").error["evalue"]
        assert runner.run("kept.clear(); go_on.set()").reply["status"] == "ok"
        assert runner.run("for thread in threads: thread.join()\n1 + 1").value == "2"
        # Most of it can be taken again, in blocks as large; one large block may find what is used in between.
        count = (96 << 20) // size
        assert runner.run(f"again = [bytearray({size}) for _ in range({count})]\nlen(again)").value == str(count)
        assert not [event for event in runner.events if event.msg_type == "interpreter_died"]


def test_plain_python_gives_back_memory_that_was_all_taken() -> None:
    with open_full_runner(1 << 10, (sys.executable, "-I", "-S")) as runner:
        assert runner.run("1 + 1").value == "2"
        assert runner.ask("complete_request", code="kep", cursor_pos=3)["matches"] == ["kept"]
        assert runner.run("kept.clear(); go_on.set()").reply["status"] == "ok"
        assert runner.run("again = [bytearray(1 << 10) for _ in range(96 << 10)]\nlen(again)").value == str(96 << 10)


def test_questions_and_comms_are_answered_where_all_memory_is_taken() -> None:
    with open_full_runner(1 << 10) as runner:
        assert runner.ask("complete_request", code="kep", cursor_pos=3)["matches"] == ["kept"]
        assert runner.ask("inspect_request", code="take", cursor_pos=4, detail_level=1)["found"]
        assert runner.ask("is_complete_request", code="for a in b:")["status"] == "incomplete"
        code = "import comm\ndef opened(comm, message): comm.on_msg(lambda message: comm.send({'got': kept is not None}))\n"
        assert runner.run(code + "comm.get_comm_manager().register_target('t', opened)").reply["status"] == "ok"
        runner.send(Message("comm_open", {"comm_id": "one", "target_name": "t", "data": {}}, msg_id="open"))
        runner.send(Message("comm_msg", {"comm_id": "one", "data": {}}, msg_id="message"))
        runner.wait_for(lambda event: event.msg_type == "status" and event.parent_id == "message")
        (answer,) = runner.result("message").of("comm_msg")
        assert answer["data"] == {"got": True}
        msg_id = runner.request("execute_request", code="import time\nprint('on')\ntime.sleep(60)")
        runner.wait_text(msg_id, "on\n")
        assert runner.ask("complete_request", code="kep", cursor_pos=3)["matches"] == ["kept"]
        runner.request("interrupt_request")
        assert runner.finish(msg_id).error["ename"] == "KeyboardInterrupt"


def test_value_that_cannot_be_displayed_for_want_of_memory_fails_its_cell() -> None:
    with open_full_runner(1 << 16) as runner:
        shown = runner.run("from IPython.display import HTML, display\ndisplay(HTML('<b>x</b>'))\nHTML('<i>y</i>')")
        assert shown.of("display_data")[0]["data"]["text/html"] == "<b>x</b>"
        assert shown.of("execute_result")[0]["data"]["text/html"] == "<i>y</i>"
        result = runner.run("class Long:\n    def __repr__(self): return 'x' * (80 << 20)\nLong()")
        assert not result.of("execute_result")
        assert "memory limit of 256 MiB" in result.error["evalue"]
        assert (result.reply["status"], result.reply["ename"]) == ("error", "MemoryError")
        assert (result.reply["reason"], result.reply["limit"], result.reply["kept"]) == ("raised", "memory", True)


def test_code_that_never_stops_taking_memory_gets_answers_or_the_limit() -> None:
    # Threads that never stop trying take what is kept back for the interpreter, too.
    code = """
import threading
kept, go = [], threading.Event()
def take():
    go.wait()
    while True:
        try: kept.append(bytearray(1 << 10))
        except MemoryError: pass
for _ in range(4): threading.Thread(target=take, daemon=True).start()
go.set()
"""
    with open_runner(RunnerOptions(cwd="/tmp", memory_bytes=GIB // 4)) as runner:
        runner.run(code)
        for _ in range(20):
            result = runner.run("1 + 1", timeout=120)
            if result.reply["status"] == "ok":
                assert result.value == "2"
            else:
                assert result.reply["limit"] == "memory", result.reply
            if not result.reply["kept"]:
                assert runner.run("1 + 1").value == "2"
                break


def test_memory_of_all_processes_together_is_limited(namespace: tuple[str, ...]) -> None:
    code = """
import os, time
reader, writer = os.pipe()
for i in range(4):
    if not os.fork():
        os.close(writer); os.read(reader, 1)
        data = bytearray(os.urandom(1 << 20)) * 100
        time.sleep(50)
        os._exit(0)
print('forked')
os.close(writer)
time.sleep(50)
"""
    with open_runner(RunnerOptions(cwd="/tmp", memory_bytes=250 << 20), prefix=namespace) as runner:
        result = runner.run(code)
        assert result.text == "forked\n"
        assert "memory limit of 250 MiB" in result.error["evalue"]
        assert (result.reply["reason"], result.reply["limit"], result.reply["kept"]) == ("limit", "memory", False)
        assert runner.run("1 + 1").value == "2"


def test_memory_shared_by_forks_counts_once(namespace: tuple[str, ...]) -> None:
    code = """
import os, time
data = bytearray(b'x') * (150 << 20)
pids = []
for i in range(4):
    pid = os.fork()
    if not pid:
        time.sleep(0.5)
        os._exit(0)
    pids.append(pid)
for pid in pids: os.waitpid(pid, 0)
'fine'
"""
    with open_runner(RunnerOptions(cwd="/tmp", memory_bytes=300 << 20), prefix=namespace) as runner:
        result = runner.run(code)
        assert result.of("execute_result"), result.of("error")
        assert result.value == "'fine'"


def test_open_files_limit_is_named() -> None:
    with open_runner(RunnerOptions(cwd="/tmp", open_files=100)) as runner:
        result = runner.run("files = []\nwhile True: files.append(open('/dev/null'))")
        assert result.error["ename"] == "OSError"
        assert "limit of 100 open files" in result.error["evalue"] and "open_files_limit" in result.error["evalue"]
        assert result.reply["limit"] == "open_files"
        assert runner.run("for f in files: f.close()\n1").value == "1"


def test_disk_limit_is_named(namespace: tuple[str, ...], tmp_path_factory: pytest.TempPathFactory) -> None:
    directory = str(tmp_path_factory.mktemp("disk"))
    prefix = [*namespace, "--size", str(1 << 20), "--tmpfs", directory]
    with open_runner(RunnerOptions(cwd=directory, disk_bytes=1 << 20), prefix=prefix) as runner:
        result = runner.run("with open('big', 'wb') as f: f.write(b'x' * (4 << 20))")
        assert "disk limit of 1 MiB" in result.error["evalue"] and "disk_limit" in result.error["evalue"]
        assert result.reply["limit"] == "disk"
        assert runner.run("1").value == "1"


@pytest.mark.parametrize("as_pid_1", [True, False])
def test_fork_bomb_is_stopped(namespace: tuple[str, ...], as_pid_1: bool) -> None:
    prefix = [part for part in namespace if as_pid_1 or part != "--as-pid-1"]
    options = RunnerOptions(cwd="/tmp", processes=64)
    with open_runner(options, prefix=prefix) as runner:
        # Two thousand at most: nothing but the runner's watch bounds it here, and other tests need processes too.
        code = "import os, time\nprint('before', flush=True)\nfor _ in range(11): os.fork()\ntime.sleep(60)"
        result = runner.run(code)
        assert result.text.startswith("before\n")
        assert "limit of 64 processes" in result.error["evalue"] and "option process_limit" in result.error["evalue"]
        assert (result.reply["reason"], result.reply["limit"]) == ("limit", "processes")
        assert runner.run("1 + 1").value == "2"


def test_shell_fork_bomb_is_stopped(namespace: tuple[str, ...]) -> None:
    with open_runner(RunnerOptions(cwd="/tmp", processes=64), prefix=namespace) as runner:
        result = runner.run(
            "import subprocess, time; bomb = 'b() { [ $1 -gt 10 ] && exec sleep 60; b $(($1 + 1)) | b $(($1 + 1)) & }'\n"
            "subprocess.run(['bash', '-c', bomb + '; b 0; sleep 5'])\ntime.sleep(5)"
        )
        assert result.reply["reason"] in ("limit", "completed")
        assert runner.run("1 + 1").value == "2"


def test_many_threads_are_limited(namespace: tuple[str, ...]) -> None:
    code = "import threading, time\nfor i in range(200): threading.Thread(target=time.sleep, args=(50,), daemon=True).start()\ntime.sleep(50)"
    with open_runner(RunnerOptions(cwd="/tmp", processes=64), prefix=namespace) as runner:
        result = runner.run(code)
        assert "limit of 64 processes" in result.error["evalue"]
        assert result.reply["limit"] == "processes"
        assert runner.run("1 + 1").value == "2"


def test_error_that_comes_from_no_limit_names_none(runner: RunnerClient) -> None:
    result = runner.run("1 / 0")
    assert "limit" not in result.reply and "limit" not in result.error["evalue"]


def wait_for_beat(runner: RunnerClient, key: str = "cpu_seconds", more_than: float = -1) -> Message:
    """The next heartbeat, or the next that tells of more."""
    return runner.wait_for(lambda event: event.msg_type == "heartbeat" and event.content[key] > more_than)


def test_heartbeat_comes_a_second_into_a_run() -> None:
    # Long before the second one would be due.
    with open_runner(RunnerOptions(cwd="/tmp", heartbeat_seconds=1000)) as runner:
        started = time.monotonic()
        msg_id = runner.request("execute_request", code="import time; time.sleep(600)")
        beat = wait_for_beat(runner)
        assert (beat.parent_id, beat.content["state"]) == (msg_id, "busy")
        assert 0.8 < beat.content["elapsed_seconds"] <= time.monotonic() - started
        assert 0 < beat.content["quiet_seconds"] <= beat.content["elapsed_seconds"]
        runner.request("interrupt_request")
        runner.finish(msg_id)


def test_heartbeats_tell_what_a_run_uses() -> None:
    with open_runner(RunnerOptions(cwd="/tmp", heartbeat_seconds=0.2)) as runner:
        msg_id = runner.request("execute_request", code="data = bytearray(b'x') * (64 << 20)\nwhile True: pass")
        wait_for_beat(runner, "cpu_seconds", 0.2)
        beat = wait_for_beat(runner, "memory_bytes", 64 << 20)
        assert beat.parent_id == msg_id
        assert beat.content["processes"] >= 1
        runner.request("interrupt_request")
        runner.finish(msg_id)


def test_heartbeats_come_while_the_gil_is_held(hold_gil: HoldGil) -> None:
    with open_runner(RunnerOptions(cwd="/tmp", heartbeat_seconds=0.2)) as runner:
        msg_id = runner.request("execute_request", code=hold_gil.code)
        for _ in range(3):
            assert wait_for_beat(runner).parent_id == msg_id
        hold_gil.release()
        assert runner.finish(msg_id).reply["status"] == "ok"


def test_full_disk_of_the_computer_names_no_limit() -> None:
    # As where the kind of sandbox sets no size: what is full there is the computer's.
    with open_runner(RunnerOptions(cwd="/tmp", disk_bytes=1 << 20)) as runner:
        result = runner.run("with open('/dev/full', 'wb') as file: file.write(b'x' * 100000)")
        assert "No space left on device" in result.error["evalue"]
        assert "limit" not in result.reply and "disk_limit" not in result.error["evalue"]
